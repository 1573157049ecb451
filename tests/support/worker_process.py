"""A worker in a process of its own, which can kill itself after a settle step.

Run as `python -m tests.support.worker_process`; the arguments are one JSON object. The model is a stand-in unless
`model` is set: these tests show delivery, not vectors.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from millrace import wiring
from millrace.resources import Process, load_text_model, open_store
from millrace.wiring import stream_worker
from shared.embedding.canary_inputs import TEXTS as CANARIES
from shared.embedding.port import Embeddings, TextModel
from shared.engine.pipeline import Batch
from shared.engine.settle import Settler
from shared.engine.snapshots import ItemT
from shared.errors import Fatal
from shared.logs import configure
from shared.metrics.registry import Registry
from shared.model_settings import EmbeddingSettings
from shared.observers import Observer, SettleStep
from shared.operation.probes import ProbeServer
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import RetrySettings, StreamSettings
from tests.support.drawn_tickets import DRAWN_TICKETS
from tests.support.fake_models import models_for
from tests.support.fakes import PRIVACY, FakeModel
from tests.support.next_release import environment
from tests.support.pictured import FakeTextReader
from tests.support.sources import ROOT
from tests.support.streams import kind_of_name, limited_to

SESSION_TIMEOUT_S = 6.0
QUICK = RetrySettings(tiers_s=(0.2, 0.2, 0.2))


@dataclass(frozen=True)
class Plan:
    """The instructions for a worker process.

    Attributes:
        store: Folder of the embedded store, or the address of a server.
        classic: Use the classic group protocol, whose session time the worker chooses; with the new one the embedded broker
            takes half a minute to evict a killed member.
        model: The name of a real model; None for a stand-in that costs nothing.
        port: Port of the probes; None: no probes.
        kill_at: (batch, step): SIGKILL itself when that step of that batch, counted from 1, has taken effect.
        commit_first: Commit before settling, which is wrong: shows that the checks detect it. Each batch then has two
            commits to be counted by `kill_at`.
        slow_s: The longest time that the model takes for a batch, drawn at random for each: others decide meanwhile.
        pictured: Whether pictures follow the tickets; they are drawings.
    """

    bootstrap: str
    store: str
    stream: str = "tickets"
    max_records: int = 50
    kill_at: tuple[int, int] | None = None
    model: str | None = None
    classic: bool = False
    port: int | None = None
    commit_first: bool = False
    slow_s: float = 0.0
    pictured: bool = False

    @property
    def group(self) -> str:
        """The consumer group."""
        return f"millrace-{self.stream}"


class SlowModel(FakeModel):
    """A model that takes a while, a different time for each batch."""

    def __init__(self, most_s: float) -> None:
        super().__init__()
        self._most_s = most_s

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Wait, then embed; the canaries at the start of a worker take no time."""
        if texts[0] not in CANARIES:
            time.sleep(random.uniform(0, self._most_s))  # noqa: S311  (no secret)
        return super().embed(texts)


class CommitsFirst(Settler):
    """Commits a batch before any of its effects is durable: the mistake that the order of effects prevents."""

    def settle(self, batch: Batch[ItemT]) -> bool:
        """Commit, then settle."""
        self._source.commit(batch.records)
        self._done(SettleStep.COMMIT)
        return super().settle(batch)


class Killer(Observer):
    """Kills its own process after a settle step, as a power cut would."""

    def __init__(self, batch: int, step: int) -> None:
        self._batch, self._step = batch, SettleStep(step)
        self._seen = 0

    def settle_step_done(self, step: SettleStep) -> None:
        """Count batches by their step, and kill at the chosen one."""
        self._seen += step is self._step
        if self._seen == self._batch:
            os.kill(os.getpid(), signal.SIGKILL)


def settings_of(plan: Plan) -> Settings:
    """Return the settings of a plan's workers."""
    protocol: Literal["consumer", "classic"] = "classic" if plan.classic else "consumer"
    return Settings(
        broker=BrokerSettings(bootstrap=plan.bootstrap, group_protocol=protocol, session_timeout_s=SESSION_TIMEOUT_S),
        privacy=PRIVACY,
        store=StoreSettings(url=plan.store) if "://" in plan.store else StoreSettings(path=Path(plan.store)),
    )


@contextmanager
def worker_process(plan: Plan, root: Path = ROOT) -> Iterator[subprocess.Popen[str]]:
    """Run a worker process of the release in `root`, usually this checkout; it is killed at the end if it still runs."""
    command = [sys.executable, "-m", "tests.support.worker_process", json.dumps(asdict(plan))]
    process = subprocess.Popen(command, cwd=root, env=environment(root), stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def main(plan: Plan) -> None:
    """Run the worker until SIGTERM."""
    configure("error", json_lines=True)
    settings = settings_of(plan)
    if plan.commit_first:
        wiring.Settler = CommitsFirst  # type: ignore[attr-defined]  # in this process alone
    stream = DRAWN_TICKETS if plan.pictured else kind_of_name(plan.stream).stream
    retry = QUICK if plan.pictured else RetrySettings()
    embedding = EmbeddingSettings() if plan.model is None else EmbeddingSettings(model=plan.model)
    own = StreamSettings(batch=limited_to(plan.max_records), retry=retry, embedding=embedding)
    text_model: TextModel = load_text_model(own) if plan.model is not None else SlowModel(plan.slow_s)
    models = models_for(stream, text_model)
    killers = [Killer(*plan.kill_at)] if plan.kill_at else []
    registry = Registry()
    with (
        open_store(settings) as store,
        stream_worker(
            stream,
            own,
            Process(settings, plan.bootstrap, store, registry, text_reader=FakeTextReader()),
            models,
            killers,
        ) as running,
    ):
        signal.signal(signal.SIGTERM, lambda *_: running.lifecycle.stop())
        if plan.port is not None:
            ProbeServer("127.0.0.1", plan.port, {stream.name: running.lifecycle}, registry)
        running.worker.run()


if __name__ == "__main__":
    try:
        main(Plan(**json.loads(sys.argv[1])))
    except Fatal as error:
        sys.exit(f"error: {error}")
