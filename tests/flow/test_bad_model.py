"""A worker whose model goes bad while it runs: it pauses, blames no record, and goes on when the model is right again.

The broker is the embedded one, and the model is a fake that the test spoils. A green run does not prove that a real
device fails in one of these ways, nor that vectors which were written before the fault was found are right.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.outcomes import Outcome
from shared.audit.comparison import AuditReport, audit
from shared.backoff import Backoff
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.embedding import canaries
from shared.engine.loop import FailurePolicies
from shared.settings import BrokerSettings, CacheSettings, OperationSettings, Settings, StoreSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.canaries import SpoiledModel, nowhere, one_for_all, rotated
from tests.support.fakes import PRIVACY
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.tickets import event
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

TIMEOUT_S = 60.0
AGAIN_S = 0.5
QUICK = FailurePolicies(backoff=Backoff(ceiling_s=0.3))


@dataclass
class Ran:
    """A worker that runs, and what it reports."""

    bootstrap: str
    model: SpoiledModel
    seen: Seen

    def arrive(self, name: str, count: int) -> None:
        """Produce new tickets."""
        produce(self.bootstrap, *(event(ticket_id=f"{name}-{at}", body=f"{name} text {at}.") for at in range(count)))


@contextmanager
def at_work(folder: Path, every_s: float) -> Iterator[tuple[Ran, "Probed"]]:
    """Run a worker of tickets, and check at the end that every record has one result and none was refused."""
    with EmbeddedBroker() as broker, closing(EdgeStore(folder / "store")) as store:
        broker.create([topic.name for topic in TICKETS.topics()])
        settings = Settings(
            broker=BrokerSettings(bootstrap=broker.bootstrap),
            cache=CacheSettings(memory_mib=4),
            privacy=PRIVACY,
            store=StoreSettings(path=folder / "store"),
            operation=OperationSettings(state_dir=folder / "state", canary_every_s=every_s),
        )
        process = process_of(settings, broker.bootstrap, store, QUICK)
        ran = Ran(broker.bootstrap, SpoiledModel(), Seen())
        with running_worker(process, ran.model, [ran.seen]) as running:
            probed = Probed(running.lifecycle.not_ready, lambda: process.registry.render().decode())
            wait_until(lambda: running.lifecycle.not_ready() == {}, TIMEOUT_S, "ready")
            yield ran, probed
        reader = TopicReader(broker.bootstrap, "millrace-tickets")
        probed.audited = audit(reader, TICKETS, store.open_alias("tickets"))


class Probed:
    """What the probes of the worker show, and the audit after its end."""

    audited: AuditReport

    def __init__(self, not_ready: Callable[[], dict[str, str]], metrics: Callable[[], str]) -> None:
        self.not_ready, self.metrics = not_ready, metrics

    def wait_canary(self) -> str:
        """Wait until the canaries keep the worker from being ready, and return why."""
        wait_until(lambda: "canary" in self.not_ready(), TIMEOUT_S, "not ready")
        return self.not_ready()["canary"]


@pytest.fixture(autouse=True)
def _looks_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canaries, "AGAIN_S", AGAIN_S)


def test_a_model_that_goes_bad_in_the_middle_costs_no_record(tmp_path: Path) -> None:
    with at_work(tmp_path, every_s=3_600) as (ran, probed):
        ran.arrive("before", 5)
        ran.seen.wait_settled(5)
        ran.model.spoil = nowhere
        ran.arrive("during", 20)
        reason = probed.wait_canary()
        assert "canary inputs" in reason
        assert "(text)" in reason
        ran.model.spoil = rotated  # no check of a vector finds these, so that the batch must not be tried with them
        calls = len(ran.model.calls)
        wait_until(lambda: len(ran.model.calls) >= calls + 2, TIMEOUT_S, "two more looks")
        assert len(ran.seen.outcomes) == 5
        assert (
            'millrace_vectors_refused_total{modality="text",reason="vector_not_finite",stream="tickets"}'
            in probed.metrics()
        )
        assert 'millrace_paused{dependency="canary",stream="tickets"} 1.0' in probed.metrics()
        ran.model.spoil = None
        ran.seen.wait_settled(25)
        wait_until(lambda: probed.not_ready() == {}, TIMEOUT_S, "ready again")
    assert set(ran.seen.outcomes) == {Outcome.ROUTED}
    assert probed.audited.clean, probed.audited
    assert (probed.audited.settled, probed.audited.repeated) == (25, 0)


def test_vectors_that_only_look_right_are_found_between_two_batches(tmp_path: Path) -> None:
    with at_work(tmp_path, every_s=0.3) as (ran, probed):
        ran.arrive("before", 5)
        ran.seen.wait_settled(5)
        ran.model.spoil = rotated
        assert "expected at least 0.999" in probed.wait_canary()
        ran.arrive("during", 5)
        calls = len(ran.model.calls)
        wait_until(lambda: len(ran.model.calls) >= calls + 2, TIMEOUT_S, "two more looks")
        assert len(ran.seen.outcomes) == 5
        ran.model.spoil = None
        ran.seen.wait_settled(10)
    assert probed.audited.clean, probed.audited
    assert set(ran.seen.outcomes) == {Outcome.ROUTED}


def test_a_model_that_is_bad_from_the_start_settles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpoiledModel, "spoil", staticmethod(one_for_all))
    with EmbeddedBroker() as broker, closing(EdgeStore(tmp_path / "store")) as store:
        broker.create([topic.name for topic in TICKETS.topics()])
        produce(broker.bootstrap, event())
        settings = Settings(
            broker=BrokerSettings(bootstrap=broker.bootstrap),
            privacy=PRIVACY,
            store=StoreSettings(path=tmp_path / "store"),
            operation=OperationSettings(state_dir=tmp_path / "state"),
        )
        seen, model = Seen(), SpoiledModel()
        with running_worker(process_of(settings, broker.bootstrap, store), model, [seen]) as running:
            wait_until(lambda: "canary" in running.lifecycle.not_ready(), TIMEOUT_S, "not ready")
            assert "one vector for all 8 canary inputs" in running.lifecycle.not_ready()["canary"]
            assert running.lifecycle.stuck() == []
            assert seen.outcomes == []
