"""The checks of the kill tests are themselves tested: a worker that commits before it settles makes them fail.

Green shows that the audit, its exit code and `assert_whole` detect records lost in this one way, on the embedded broker
and Qdrant Edge. It does not show that they detect every other mistake; `tests/unit/test_audit.py` lists what they
compare.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.broker.embedded import EmbeddedBroker
from shared.observers import SettleStep
from tests.support.crashes import ITEMS, TIMEOUT_S, VERSIONS, assert_whole, findings_of, finish, produce_versions
from tests.support.sources import ROOT
from tests.support.streams import TICKET_KIND
from tests.support.worker_process import Plan, worker_process

MAX_RECORDS = 20


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[Plan]:
    """Return a worker's plan on an embedded broker, with the tickets produced."""
    with EmbeddedBroker() as broker:
        broker.create(TICKET_KIND.topics)
        produce_versions(broker.bootstrap)
        yield Plan(broker.bootstrap, str(tmp_path / "store"), max_records=MAX_RECORDS, classic=True)


def audit_command(plan: Plan) -> tuple[int, str]:
    """Run `millrace audit` after a plan's workers have ended; return its exit code and its output."""
    command = [sys.executable, "-m", "millrace", "audit", "--bootstrap", plan.bootstrap]
    environment = os.environ | {"MILLRACE_STORE__PATH": plan.store}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_commit_before_the_settle_makes_audit_and_kill_tests_fail(plan: Plan) -> None:
    early_commit_of_second = (3, int(SettleStep.COMMIT))  # each batch is committed twice: before and after settling
    with worker_process(replace(plan, commit_first=True, kill_at=early_commit_of_second)) as doomed:
        assert doomed.wait(TIMEOUT_S) == -signal.SIGKILL
    finish(plan)
    findings = findings_of(plan)
    assert not findings.clean
    assert 0 < findings.missing <= MAX_RECORDS
    assert findings.settled == ITEMS * VERSIONS - findings.missing
    with pytest.raises(AssertionError, match="missing"):
        assert_whole(plan, findings)
    code, printed = audit_command(plan)
    assert code == 1, printed
    assert f"audit: missing {findings.missing}, " in printed


def test_a_settle_before_the_commit_passes_under_the_same_kill(plan: Plan) -> None:
    with worker_process(replace(plan, kill_at=(2, int(SettleStep.FLUSH)))) as doomed:
        assert doomed.wait(TIMEOUT_S) == -signal.SIGKILL
    finish(plan)
    assert_whole(plan, findings_of(plan))
    code, printed = audit_command(plan)
    assert code == 0, printed
    assert "audit: missing 0, " in printed
