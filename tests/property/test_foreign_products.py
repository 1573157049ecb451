"""Any JSON in any payload field of any point of the products stream, verdicts too: worker, audit and doctor continue.

A green run does not prove this for a version that is missing or invalid, which is an error (`tests/contract`), nor for
stores that return other data than was written.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.doctor.foreign_points import check_foreign
from schemas.duplicates import pair_id
from schemas.outcomes import Outcome
from shared.vectorstore.port import VERSION_FIELD
from tests.property.test_foreign import changed, values
from tests.support.audited import World
from tests.support.fakes import ManualClock
from tests.support.product_worker import TENANT, Products
from tests.support.products import drawn
from tests.support.streams import PRODUCT_KIND
from workers.products.stages import PRODUCTS

FEW = settings(max_examples=60, deadline=None)
GONE = "https://media.example/gone.jpg"
IDS = ("I-1", "I-2", "I-3", "I-4", pair_id("I-1", "I-2"))

known = st.sampled_from([1, 2, "I-1", "different", "0" * 16, "labelled", ["labelled"]])
fields = st.sampled_from([name for name in PRODUCTS.points.fields if name != VERSION_FIELD])
changes = st.dictionaries(fields, values | known | st.just(...), max_size=4)
spoilt = st.dictionaries(st.sampled_from(IDS), changes, max_size=4)
foreign = st.lists(st.tuples(st.integers(0, 9) | st.uuids(), changes), max_size=5)


@FEW
@given(spoilt, foreign, st.booleans())
def test_no_payload_stops_the_worker_or_loses_a_record(
    ours: dict[str, dict[str, Any]], theirs: list[tuple[int | UUID, dict[str, Any]]], vectors_too: bool
) -> None:
    world, made = World(PRODUCT_KIND), Products()
    world.parts.fetcher.contents[GONE] = b"a drawing of a mug"
    first = [
        made.image("I-1", title="Mug", image={"uri": GONE}), made.image("I-2", agent_label="mugs"), made.image("I-3"),
        made.image("I-4", reason="catalogued", agent_label="mugs"), made.verdict("I-1", "I-2", "same_product"),
    ]  # fmt: skip
    world.settle(*first)
    world.parts.fetcher.contents.clear()
    points = world.parts.collection.points
    pattern = points[PRODUCTS.point_id(TENANT, "I-2")]
    for source_id, change in ours.items():
        own = PRODUCTS.point_id(TENANT, source_id)
        vectors = {} if vectors_too else points[own].vectors
        points[own] = replace(points[own], payload=changed(points[own].payload, change), vectors=vectors)
    for which, change in theirs:
        held: Any = replace(pattern, id=which, payload=changed(pattern.payload, change))  # type: ignore[arg-type]
        points[held.id] = held
    again = [
        *first,
        made.image("I-1", 2, "updated", title="Mug"),
        made.image("I-2", 2, "updated", image=drawn("another")),
        made.image("I-3", 2, "deleted"),
        made.verdict("I-2", "I-1", None, 2),
        made.image("I-5"),
    ]
    for each in again:
        world.settle(each)
    settled = [batch[0] for batch in world.parts.reported.named("batch_settled")]
    assert not any(isinstance(each, dict) and Outcome.DEAD_LETTERED in each for each in settled)
    for point in points.values():
        assert all(np.isfinite(vector).all() for vector in point.vectors.values())
    findings = world.audit()
    assert (findings.missing, findings.stale, findings.unreadable) == (0, 0, 0), findings
    list(check_foreign(world.parts.collection, PRODUCTS.points, ManualClock()))
