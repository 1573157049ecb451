"""Poison among healthy records, one in a hundred, then nothing else, through a whole worker on the embedded broker.

Green shows that every healthy record has one result, every poison record is one dead letter, and the breaker opens,
probes and closes by itself; its minute between probes is shortened here (`benchmarks/faults/poison.py` waits the whole
minute). It does not show how a real model handles a text that it cannot process.
"""

from pathlib import Path

from shared.engine.breaker import BreakerLimits
from shared.engine.loop import FailurePolicies
from shared.stream_settings import BatchSettings
from tests.support.poison import REASONS, stream

TIMEOUT_S = 120.0

LEAST_DEAD = BreakerLimits().min_dead_letters


def test_one_poison_record_in_a_hundred_is_dead_lettered_and_the_rest_pass(tmp_path: Path) -> None:
    with stream(tmp_path, BatchSettings()) as on:
        on.send([number % 100 == 50 for number in range(2_000)])
        on.wait_settled(TIMEOUT_S)
        judged = on.judge()
        on.assert_expected(judged)
        assert judged.reasons == REASONS
        assert on.watch.paused_at_s == []


def test_poison_alone_opens_the_breaker_and_healthy_records_close_it(tmp_path: Path) -> None:
    policies = FailurePolicies(breaker=BreakerLimits(probe_every_s=0.2))
    with stream(tmp_path, BatchSettings(max_records=50), policies) as on:
        on.send([True] * 2 * LEAST_DEAD)
        on.wait_outcomes(TIMEOUT_S)
        assert on.watch.steps.index("paused") >= LEAST_DEAD // 50, "it opened before the least number of dead letters"
        assert len(on.watch.paused_at_s) >= 2, "it did not open and probe"
        on.send([False] * LEAST_DEAD)
        on.wait_settled(TIMEOUT_S)
        assert set(on.watch.probes()) == {1}, "a probe is not one batch"
        pauses = len(on.watch.paused_at_s)
        on.send([False] * LEAST_DEAD)
        on.wait_settled(TIMEOUT_S)
        on.assert_expected(on.judge())
        assert len(on.watch.paused_at_s) == len(on.watch.resumed_at_s) == pauses, "it did not close and stay closed"
