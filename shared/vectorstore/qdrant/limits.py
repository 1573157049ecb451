"""The largest request that Qdrant's server allows in its strict mode, and how larger requests are split.

The server's way of counting was read in its public source: `docs/decisions/0010-qdrant-server.md`.
"""

import hashlib
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from qdrant_client import models

from shared.errors import Fatal
from shared.vectorstore.qdrant.query import POINTS_PER_CALL, among, named_ids

READ_POINTS = 1_000
"""Points read in one call without their vectors."""

GUARD_CONDITIONS = 3
"""Conditions of the guard for each point: its id, its version and, in case a server counts it, the filter of both."""

PROBE_WRITES = 5
"""Writes of the check at start, each of one point."""

TERMS_PER_COST = 32
"""Terms of a query that cost as much as one vector; the server takes more terms for that cost, so this is safe."""

BUDGET_SHARE = 4
"""One request uses at most a quarter of a budget per minute, so that it need not wait until all of it is back."""

AnswerT = TypeVar("AnswerT")
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one collection; None means that the server sets no limit.

    Attributes:
        insert_points: Largest number of points in one insert.
        guard_points: Largest number of points in one guarded write.
        read_ids: Largest number of points read by id in one call.
        page_points: Largest number of points on one page of a scroll.
        hits: Largest number of hits of one query.
        queries: Largest number of queries in one batch.
        filter_ids: Largest number of ids in one condition.
        filter_conditions: Largest number of conditions in one filter.
        read_cost: Largest cost of the reads of one call, as the server counts it.
        exact: Whether an exact search or count is allowed.
        indexes: The kind of each payload index, for which some conditions are not suited.
    """

    insert_points: int = POINTS_PER_CALL
    guard_points: int = POINTS_PER_CALL
    read_ids: int = READ_POINTS
    page_points: int = READ_POINTS
    hits: int | None = None
    queries: int | None = None
    filter_ids: int | None = None
    filter_conditions: int | None = None
    read_cost: int | None = None
    exact: bool = True
    indexes: Mapping[str, str] = field(default_factory=dict, compare=False)  # they change no request

    @classmethod
    def of(cls, info: models.CollectionInfo) -> "Limits":
        """Return the limits that a collection's strict mode and its payload indexes set."""
        indexes = {name: index.data_type.value for name, index in info.payload_schema.items()}
        mode = info.config.strict_mode_config
        if mode is None or not mode.enabled:
            return cls(indexes=indexes)
        reads, writes = _share(mode.read_rate_limit), _share(mode.write_rate_limit)
        insert_points = _least(POINTS_PER_CALL, mode.upsert_max_batchsize, writes)
        guarded = None if mode.filter_max_conditions is None else mode.filter_max_conditions // GUARD_CONDITIONS
        return cls(
            insert_points=insert_points,
            guard_points=_least(insert_points, guarded),
            read_ids=_least(READ_POINTS, reads),
            page_points=_least(READ_POINTS, mode.max_query_limit),
            hits=mode.max_query_limit,
            queries=mode.search_max_batchsize,
            filter_ids=mode.condition_max_size,
            filter_conditions=mode.filter_max_conditions,
            read_cost=reads,
            exact=mode.search_allow_exact is not False,
            indexes=indexes,
        )


def insufficient_limits(info: models.CollectionInfo, conditions: int) -> list[str]:
    """Return the strict-mode limits of a collection that are too low for any request, each with the value required.

    Args:
        info: The server's description of the collection.
        conditions: The largest number of conditions in a query's filter.
    """
    mode = info.config.strict_mode_config
    if mode is None or not mode.enabled:
        return []
    needed = {
        "max_query_limit": 1,
        "filter_max_conditions": max(conditions, GUARD_CONDITIONS),
        "condition_max_size": 1,
        "upsert_max_batchsize": 1,
        "search_max_batchsize": 1,
        "read_rate_limit": 1 + conditions,
        "write_rate_limit": PROBE_WRITES,
    }
    found = {name: getattr(mode, name) for name in needed}
    return [
        f"{name} is {value}, but this worker needs at least {needed[name]}"
        for name, value in found.items()
        if value is not None and value < needed[name]
    ]


def check_filter(request: models.QueryRequest, limits: Limits) -> None:
    """Check that the server allows the number of conditions in a request's filter, which cannot be split.

    Raises:
        Fatal: it allows fewer.
    """
    count, most = _conditions(request.filter), limits.filter_conditions
    if most is not None and count > most:
        raise Fatal(
            f"the filter of this search has {count} conditions, and the strict mode of the collection allows {most}: "
            "search with fewer conditions (--where), or raise its limit filter_max_conditions"
        )


def cut_to_limits(request: models.QueryRequest, limits: Limits) -> list[models.QueryRequest]:
    """Split a request into requests within the limits, whose answers together are the answer to it."""
    if limits.exact and limits.hits is None and limits.filter_ids is None:
        return [request]
    if not limits.exact:
        request = request.model_copy(update={"params": None})
    ids = named_ids(request.filter)
    limit = request.limit or 1
    if ids is not None:
        size = _least(max(1, len(ids)), limits.hits, limits.filter_ids)
        parts = [ids[start : start + size] for start in range(0, len(ids), size)]
        return [request.model_copy(update={"filter": among(part), "limit": len(part)}) for part in parts]
    page = _least(limit, limits.hits)
    return [
        request.model_copy(update={"limit": min(page, limit - start), "offset": start or None})
        for start in range(0, limit, page)
    ]


def batches(requests: Sequence[models.QueryRequest], limits: Limits, most: int) -> Iterator[list[models.QueryRequest]]:
    """Yield the requests in order, in groups that each fit one call and contain at most `most` requests."""
    group: list[models.QueryRequest] = []
    spent = 0
    for request in requests:
        cost = 0 if limits.read_cost is None else _cost(request)
        full = len(group) >= _least(most, limits.queries)
        if group and (full or (limits.read_cost is not None and spent + cost > limits.read_cost)):
            yield group
            group, spent = [], 0
        group.append(request)
        spent += cost
    if group:
        yield group


def halves(items: list[ItemT]) -> tuple[list[ItemT], list[ItemT]]:
    """Return the items in two parts; neither is empty if there are at least two items."""
    return items[: len(items) // 2], items[len(items) // 2 :]


class KeptAnswers:
    """Answers to the reads of the current batch: if a rate limit is too low for the batch, each try gets further.

    A try that started without these answers would spend the budget on the same reads each time, and never finish.
    """

    def __init__(self) -> None:
        self._answers: dict[Hashable, Any] = {}

    def ask(self, key: Hashable, ask: Callable[[], AnswerT]) -> AnswerT:
        """Return the answer that was kept for the key; if there is no such answer, ask and keep it."""
        if key not in self._answers:
            self._answers[key] = ask()
        answer: AnswerT = self._answers[key]
        return answer

    def forget(self) -> None:
        """Discard all answers, because the batch is settled or the answers are out of date."""
        self._answers.clear()


def request_digest(requests: Sequence[models.QueryRequest]) -> bytes:
    """Return a digest that identifies these requests, as the key under which their answers are kept."""
    found = hashlib.sha256()
    for request in requests:
        found.update(request.model_dump_json().encode())
    return found.digest()


def _cost(request: models.QueryRequest) -> int:
    """Return the cost of a query in the server's read rate limit: its vector, and each condition of its filter."""
    asked: Any = request.query
    terms = len(asked.indices) if isinstance(asked, models.SparseVector) else 0
    return max(1, math.ceil(terms / TERMS_PER_COST)) + _conditions(request.filter)


def _conditions(condition: Any) -> int:
    """Count conditions as the server does: for a nested filter, the conditions inside it are counted."""
    if not isinstance(condition, models.Filter):
        return 0 if condition is None else 1
    clauses = (condition.must, condition.should, condition.must_not)
    return sum(_conditions(each) for clause in clauses for each in (clause if isinstance(clause, list) else [clause]))


def _share(budget: int | None) -> int | None:
    return None if budget is None else max(1, budget // BUDGET_SHARE)


def _least(size: int, *limits: int | None) -> int:
    return max(1, min([size, *(limit for limit in limits if limit is not None)]))
