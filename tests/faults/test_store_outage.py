"""A worker whose vector store is unavailable, slow, failing, full or replaced for a while, under load.

Green shows on the stand-in for Qdrant's server and the embedded broker: nothing is dead-lettered, missing or embedded
twice, and the worker pauses and continues by itself. It does not show how soon (`benchmarks/faults/store_outage.py`
measures that), how a real server restarts (the stand-in's docstring lists more), nor a broker that fails too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from schemas.outcomes import Outcome
from shared.settings import StoreSettings
from shared.stream_settings import BatchSettings
from tests.support.qdrant.trial import Trial, trial

PART = 120
"""Numbers of records sent before the fault, during it and after it."""


@dataclass(frozen=True)
class Outage:
    """How the store is made to fail, and restored; and how often the worker pauses before that."""

    begin: Callable[[Trial], None]
    end: Callable[[Trial], None]
    pauses: int = 1


def _reported(**faults: object) -> Outage:
    return Outage(lambda on: on.server.set_faults(**faults), lambda on: on.server.set_faults())


OUTAGES = {
    "killed": Outage(lambda on: on.server.kill(), lambda on: on.server.start()),
    "cut off": Outage(lambda on: on.proxy.set_mode("cut"), lambda on: on.proxy.set_mode("open")),
    "silent": Outage(lambda on: on.proxy.set_mode("silent"), lambda on: on.proxy.set_mode("open")),
    "10 s late": _reported(delay_s=10),
    "failing after half of the points": Outage(
        lambda on: on.server.set_faults(fail_upsert=2, written="half"), lambda on: on.server.set_faults(), pauses=2
    ),
    "failing after all of the points": Outage(
        lambda on: on.server.set_faults(fail_upsert=1, written="all"), lambda on: on.server.set_faults(), pauses=2
    ),
    "full": _reported(full=True),
    "a proxy's page instead": _reported(invalid="html"),
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_of_the_store_costs_only_time(outage: Outage) -> None:
    with trial(StoreSettings(timeout_s=1, parallel_upserts=2), BatchSettings(max_records=40)) as on:
        on.send(PART)
        on.watch.wait_settled(1)
        outage.begin(on)
        on.send(PART)
        on.wait_paused(outage.pauses)
        outage.end(on)
        on.send(PART)
        findings = on.finish()
        assert findings.clean, findings
        assert (findings.settled, findings.pending, findings.repeated) == (on.sent, 0, 0)
        assert findings.points == on.sent // 2
        assert Outcome.DEAD_LETTERED not in on.watch.outcomes
        assert on.embedded_twice() == []
        assert on.watch.dependencies == {"store"}
        assert len(on.watch.resumed_at_s) == len(on.watch.paused_at_s)
        assert on.server.report()["unknown"] == []


def test_a_store_that_is_unavailable_at_start_is_waited_for() -> None:
    with trial(StoreSettings(timeout_s=1), BatchSettings(max_records=40), mode="cut") as on:
        on.send(PART)
        on.wait_paused()
        assert "store" in on.running.lifecycle.not_ready()
        on.proxy.set_mode("open")
        findings = on.finish()
        assert findings.clean, findings
        assert (findings.settled, findings.repeated, on.watch.dependencies) == (on.sent, 0, {"store"})
