"""Several worker processes of one group on one store: the stand-in for Qdrant's server, over the embedded broker.

Green shows: the work of a worker killed in the middle of settling is taken over by two others at once, and nothing is
missing, stale or double. It does not show what only a real server does (listed in `tests/support/qdrant/server.py`),
nor a rebalance of Kafka (`tests/faults`).
"""

import signal
from dataclasses import replace

import pytest

from shared.audit.comparison import audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.observers import SettleStep
from shared.settings import StoreSettings
from shared.vectorstore.qdrant.store import connect
from tests.support.crashes import ITEMS, TIMEOUT_S, VERSIONS, produce_versions, wait_settled
from tests.support.qdrant.process import StandinProcess
from tests.support.streams import CALL_KIND, TICKET_KIND, Kind
from tests.support.worker_process import Plan, worker_process

CASES = [(TICKET_KIND, SettleStep.UPSERT), (TICKET_KIND, SettleStep.FLUSH), (CALL_KIND, SettleStep.FLUSH)]
"""Stream, and the step after which a worker is killed."""


@pytest.mark.parametrize(("kind", "step"), CASES, ids=lambda each: each.name)
def test_the_batch_in_hand_of_a_killed_worker_is_settled_by_others(kind: Kind, step: SettleStep) -> None:
    with StandinProcess() as server, EmbeddedBroker() as broker:
        broker.create(kind.topics)
        plan = Plan(broker.bootstrap, server.url, stream=kind.name, max_records=20, classic=True)
        produce_versions(broker.bootstrap, kind)
        with worker_process(replace(plan, kill_at=(2, step))) as doomed:
            assert doomed.wait(TIMEOUT_S) == -signal.SIGKILL
        with worker_process(plan) as one, worker_process(plan) as another:
            wait_settled(plan)
            for each in (one, another):
                each.terminate()
            assert [each.wait(TIMEOUT_S) for each in (one, another)] == [0, 0]
        store = connect(StoreSettings(url=server.url))
        findings = audit(TopicReader(plan.bootstrap, plan.group), kind.stream, store.open_alias(kind.name))
        store.close()
        assert server.report()["unknown"] == []
    assert findings.clean, findings
    assert (findings.settled, findings.pending, findings.points) == (ITEMS * VERSIONS, 0, ITEMS)
    assert findings.repeated <= (plan.max_records if step is SettleStep.FLUSH else 0)
