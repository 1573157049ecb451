"""A worker process killed (SIGKILL) after each settle step on the embedded broker, and one that is stopped by SIGTERM.

Green shows: nothing missing, nothing stale, points == distinct ids after a restart. It does not show how Kafka behaves
(`tests/faults` does) nor that the operating system's unwritten data survives a power cut.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.broker.embedded import EmbeddedBroker
from shared.observers import SettleStep
from tests.support.crashes import (
    TIMEOUT_S,
    assert_whole,
    kill_and_recover,
    message_of_second_owner,
    produce_versions,
    stop_and_resume,
)
from tests.support.streams import PRODUCT_KIND, SLOW_KINDS, Kind, kind_of_name
from tests.support.waiting import wait_until
from tests.support.worker_process import Plan, worker_process


@pytest.fixture(params=SLOW_KINDS, ids=lambda kind: kind.name)
def embedded_plan(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Plan]:
    """Yield a worker's plan on an embedded broker of its own, for each stream."""
    kind: Kind = request.param
    with EmbeddedBroker() as broker:
        broker.create(kind.topics)
        yield Plan(broker.bootstrap, str(tmp_path / "store"), stream=kind.name, max_records=20)


def _killed_after(step: SettleStep, folder: Path, kind: Kind) -> None:
    with EmbeddedBroker() as broker:
        broker.create(kind.topics)
        produce_versions(broker.bootstrap, kind)
        plan = Plan(broker.bootstrap, str(folder), stream=kind.name, classic=True)
        findings = kill_and_recover(plan, batch=3, step=step)
        assert_whole(plan, findings)
        before_publishing = step < SettleStep.PRODUCE
        after_committing = step >= SettleStep.COMMIT
        if before_publishing or after_committing:
            assert findings.repeated == 0, "only results that were published and not committed may be published again"
        else:
            assert 0 <= findings.repeated <= plan.max_records


@pytest.mark.parametrize("kind", [*SLOW_KINDS, PRODUCT_KIND], ids=lambda kind: kind.name)
def test_killed_after_each_settle_step(kind: Kind, tmp_path: Path) -> None:
    with ThreadPoolExecutor(
        len(SettleStep)
    ) as pool:  # each spends most of its time waiting for the group to notice the death
        runs = {step: pool.submit(_killed_after, step, tmp_path / step.name, kind) for step in SettleStep}
        failed = {step.name: error for step, run in runs.items() if (error := run.exception()) is not None}
    assert not failed


def test_sigterm_repeats_nothing(embedded_plan: Plan) -> None:
    """After SIGTERM the batch in hand is committed, the next worker continues, and no result is repeated."""
    produce_versions(embedded_plan.bootstrap, kind_of_name(embedded_plan.stream))
    findings = stop_and_resume(embedded_plan)
    assert_whole(embedded_plan, findings)
    assert findings.repeated == 0


def test_a_second_process_on_the_store_is_refused_with_the_owner_s_name(embedded_plan: Plan) -> None:
    with worker_process(embedded_plan) as owner:
        held = f"in use by process {owner.pid}"
        folder = Path(embedded_plan.store)
        wait_until(lambda: held in message_of_second_owner(folder), TIMEOUT_S, "the folder being held")
        with worker_process(embedded_plan) as second:
            _, errors = second.communicate(timeout=TIMEOUT_S)
            assert second.returncode == 1
            assert held in errors
            assert "Traceback" not in errors
