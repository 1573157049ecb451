"""Poison among healthy records, one in a hundred and nothing but, through a whole worker on the embedded broker.

Green shows that every healthy record has one result, every poisonous one is one dead letter, and the breaker opens, probes
and closes by itself; its minute between probes is shortened here (`benchmarks/faults/poison.py` waits the whole of it).
It does not show what a real model does with a text it cannot take.
"""

from pathlib import Path

from shared.engine.breaker import BreakerLimits
from shared.engine.loop import Policies
from shared.stream_settings import BatchSettings
from tests.support.poison import REASONS, stream

TIMEOUT_S = 120.0

LEAST_DEAD = BreakerLimits().least_dead


def test_one_in_a_hundred_is_dead_lettered_and_the_rest_pass(tmp_path: Path) -> None:
    with stream(tmp_path, BatchSettings()) as on:
        on.send([number % 100 == 50 for number in range(2_000)])
        on.wait_settled(TIMEOUT_S)
        judged = on.judge()
        on.assert_as_it_should(judged)
        assert judged.reasons == REASONS
        assert on.watch.paused_at_s == []


def test_nothing_but_poison_opens_the_breaker_and_healthy_records_close_it(tmp_path: Path) -> None:
    policies = Policies(breaker=BreakerLimits(probe_every_s=0.2))
    with stream(tmp_path, BatchSettings(max_records=50), policies) as on:
        on.send([True] * 2 * LEAST_DEAD)
        on.wait_outcomes(TIMEOUT_S)
        assert on.watch.steps.index("paused") >= LEAST_DEAD // 50, "not before so many were dead"
        assert len(on.watch.paused_at_s) >= 2, "it opened and probed"
        on.send([False] * LEAST_DEAD)
        on.wait_settled(TIMEOUT_S)
        assert set(on.watch.probes()) == {1}, "one batch a probe"
        pauses = len(on.watch.paused_at_s)
        on.send([False] * LEAST_DEAD)
        on.wait_settled(TIMEOUT_S)
        on.assert_as_it_should(on.judge())
        assert len(on.watch.paused_at_s) == len(on.watch.resumed_at_s) == pauses, "it closed, and stays closed"
