"""How the store in memory compares payloads and terms: in plain Python, as every adapter must."""

from collections.abc import Mapping
from typing import Any

from shared.records import Point, SparseVector
from shared.vectorstore.conditions import Condition
from shared.vectorstore.moments import Moments
from shared.vectorstore.port import Query
from tests.support.times import moment_of


def eligible(point: Point, query: Query) -> bool:
    """Return whether a point matches the filter of a query."""
    fits = matches(point.payload, query.equals, query.at_least, query.may_lack)
    return fits and all(meets(point.payload, condition) for condition in query.where)


def meets(payload: Mapping[str, object], condition: Condition) -> bool:
    """Return whether a payload meets a condition."""
    value: object = payload
    for key in condition.keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    elements = value if isinstance(value, list) else [value]
    if condition.operator == "!=":
        return value is not None and value != [] and not any(_compares(each, "=", condition) for each in elements)
    return any(_compares(each, condition.operator, condition) for each in elements)


def _compares(value: Any, operator: str, condition: Condition) -> bool:
    wanted = condition.value
    if isinstance(wanted, str):
        return isinstance(value, str) and value == wanted
    found: Any = None
    first: Any = wanted.first if isinstance(wanted, Moments) else wanted
    last: Any = wanted.last if isinstance(wanted, Moments) else wanted
    if isinstance(wanted, Moments):
        found = moment_of(value) if isinstance(value, str) else None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        is_whole = value == int(value) and -(2**63) <= value < 2**63
        found = value if is_whole or not condition.whole else None
    if found is None:
        return False
    results: dict[str, bool] = {
        "=": first <= found <= last,
        "<": found < first,
        "<=": found <= last,
        ">": found > last,
        ">=": found >= first,
    }
    return results[operator]


def matches(
    payload: Mapping[str, object],
    equals: Mapping[str, str | int],
    at_least: Mapping[str, int],
    may_lack: tuple[str, ...] = (),
) -> bool:
    """Return whether a payload has these values, and numbers that are high enough."""
    for name, wanted in equals.items():
        value = payload.get(name)
        if not (wanted in value if isinstance(value, list | tuple) else value == wanted):
            return False
    for name, least in at_least.items():
        value = payload.get(name)
        if not (name in may_lack if value is None else isinstance(value, int) and value >= least):
            return False
    return True


def weights_of(terms: SparseVector | None) -> dict[int, float]:
    """Return the weight of each term."""
    return {} if terms is None else dict(zip(terms.indices.tolist(), terms.values.tolist(), strict=True))
