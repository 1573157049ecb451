"""Refusals of a server with strict settings: strict mode, budgets of requests, the size of a request, rights of a key.

Written from the public source of Qdrant's server; a real server may count differently.
"""

import math
import threading
from typing import Any

from tests.support.qdrant.faults import Faults
from tests.support.qdrant.shards import Json, Refused

TERMS_PER_COST = 64


def check_size(size_bytes: int, faults: Faults) -> None:
    """Refuse a body that is larger than the limit."""
    most = faults.most_bytes
    if most and size_bytes > most:
        said = f"Format error in JSON body: JSON payload ({size_bytes} bytes) is larger than allowed (limit: {most} bytes)."
        raise Refused(400, said)


def check_rights(route: str, name: str | None, body: Json, faults: Faults) -> None:
    """Refuse calls for which a key scoped to some collections has no right."""
    if not faults.scope:
        return
    if name is not None and route not in ("PUT /collections/*", "DELETE /collections/*"):
        if name not in faults.scope:
            raise Refused(403, f"Forbidden: Access to collection {name} is required")
        writes = route.startswith("PUT") or route.endswith("/delete")
        if writes and faults.scope[name] != "rw":
            raise Refused(403, f"Forbidden: Write access to collection {name} is required")
    elif not route.startswith("GET") or (route == "GET /aliases" and faults.hide_aliases):
        raise Refused(403, "Forbidden: Global access is required")


def check_strict(route: str, body: Json, indexed: Json, strict: Json) -> None:
    """Refuse calls that the collection's strict mode does not allow."""
    if route.endswith("/points/query/batch"):
        _limit(len(body["searches"]), strict, "search_max_batchsize")
        for each in body["searches"]:
            _limit(each["limit"], strict, "max_query_limit")
            _exact((each.get("params") or {}).get("exact"), strict)
            _filter(each.get("filter"), indexed, strict, "unindexed_filtering_retrieve")
    elif route.endswith("/points/scroll"):
        _limit(body.get("limit") or 10, strict, "max_query_limit")
        _filter(body.get("filter"), indexed, strict, "unindexed_filtering_retrieve")
    elif route.endswith("/points/count"):
        _exact(body.get("exact", True), strict)
        _filter(body.get("filter"), indexed, strict, "unindexed_filtering_retrieve")
    elif route == "PUT /collections/*/points":
        _limit(len(body["points"]), strict, "upsert_max_batchsize")
        _filter(body.get("update_filter"), indexed, strict, "unindexed_filtering_update")


def cost(route: str, body: Json) -> tuple[str, int]:
    """Return the budget that a request uses, and its cost."""
    if route.endswith("/points/query/batch"):
        return "read_rate_limit", sum(_search_cost(each) for each in body["searches"])
    if route.endswith(("/points/scroll", "/points/count")):
        return "read_rate_limit", 1 + conditions(body.get("filter"))
    if route == "POST /collections/*/points":
        return "read_rate_limit", len(body["ids"])
    if route.startswith("PUT") and route.endswith("/points"):
        return "write_rate_limit", len(body["points"])
    return ("write_rate_limit", len(body["points"])) if route.endswith("/points/delete") else ("", 0)


class Budgets:
    """The remainder of each budget; a minute may be made shorter."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, budget: str, cost: int, capacity: int, minute_s: float, now_s: float) -> None:
        """Take a cost from a budget, which refills continuously."""
        kind = "Read" if budget.startswith("read") else "Write"
        if cost > capacity:
            raise Refused(429, f"{kind} rate limit exceeded, Operation requires {cost} tokens but limit is {capacity}")
        with self._lock:
            left, at_s = self._left.get(budget, (float(capacity), now_s))
            left = min(capacity, left + (now_s - at_s) * capacity / minute_s)
            if left < cost:
                self._left[budget] = (left, now_s)
                raise Refused(429, f"{kind} rate limit exceeded: Operation requires {cost} tokens", retry_after_s=1)
            self._left[budget] = (left - cost, now_s)


def conditions(condition: Any) -> int:
    """Count the conditions of a filter; a nested filter counts only by the conditions in it."""
    return len(_leaves(condition))


def _leaves(condition: Any) -> list[Json]:
    if condition is None:
        return []
    if not set(condition) <= {"must", "should", "must_not"}:
        return [condition]
    return [leaf for clause in condition.values() for each in (clause or []) for leaf in _leaves(each)]


def _search_cost(search: Json) -> int:
    asked = search["query"]["nearest"]
    terms = len(asked["indices"]) if isinstance(asked, dict) else 0
    return max(1, math.ceil(terms / TERMS_PER_COST)) + conditions(search.get("filter"))


def _limit(value: int, strict: Json, name: str) -> None:
    if strict.get(name) is not None and value > strict[name]:
        raise Refused(400, f"Bad request: Limit exceeded {value} > {strict[name]} for {name}. Help: Reduce it.")


def _exact(exact: object, strict: Json) -> None:
    if exact and strict.get("search_allow_exact") is False:
        raise Refused(400, "Bad request: Exact search disabled!. Help: Set exact=false.")


def _filter(condition: Any, indexed: Json, strict: Json, unindexed: str) -> None:
    leaves = _leaves(condition)
    _limit(len(leaves), strict, "filter_max_conditions")
    _limit(max((len(leaf.get("has_id", ())) for leaf in leaves), default=0), strict, "condition_max_size")
    keys = {leaf.get("key") or leaf.get("is_empty", {}).get("key") for leaf in leaves} - {None}
    if strict.get(unindexed) is False and not keys <= set(indexed):
        raise Refused(400, f"Bad request: Index required but not found for one of {sorted(keys)}. Help: Create one.")
