"""The drift application in a process of its own, with a stand-in for judging, so that a test knows each answer.

Run as `python -m tests.support.drift_process BOOTSTRAP SESSION_S PORT`. A window with a label `new` counts as drift.
"""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from millrace.drift_watching import Watching, connected
from schemas.drift import Answer, BatchSums, Cause, packed
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.drift.board import Rules
from shared.drift.reference import Reference, Subject
from shared.drift.spikes import SpikeRules
from shared.drift.watched import Watched
from shared.drift.window import Window
from shared.engine.loop import FailurePolicies
from shared.logs import configure
from shared.metrics.registry import Registry
from shared.operation.lifecycle import Lifecycle
from shared.operation.probes import ProbeServer
from workers.services.drift_lanes import APPLICATION, changelog_topic
from workers.services.drift_watch import DriftWatch

STREAM, MODEL, REFERENCE = "tickets", "0badcafe", "12345678"
SESSION_S = 6.0
DIM = 16


@dataclass(frozen=True)
class Found:
    """A judgement."""

    answer: Answer
    p_value: float | None
    effect: float
    causes: tuple[Cause, ...]


def judged(window: Window, _: Reference | None, __: float) -> Found:
    """Say drift of a window that holds the label `new`."""
    share = window.counts["labels"]["new"] / max(window.items, 1)
    cause = Cause(kind="label", name="new", window_share=share, reference_share=0.0)
    return Found("drift", 0.0001, share, (cause,)) if share else Found("no_drift", 0.5, 0.0, ())


class References:
    """One reference for every subject."""

    def of(self, subject: Subject) -> Reference | None:
        """Return a reference that only has what the board needs."""
        now = datetime.now(UTC)
        centroids = np.eye(DIM, dtype=np.float32)
        far = np.zeros(DIM, np.float32)
        return Reference(subject, REFERENCE, now, now, now, centroids, ("",) * DIM, far, 0.5, None, None)

    def every(self) -> Sequence[Reference]:
        """Return none: no other model is known."""
        return ()


def main(bootstrap: str, session_s: str, port: str) -> None:
    """Run until SIGTERM."""
    configure("info", True)
    clock = SystemClock()
    watching = Watching((STREAM,), References(), Rules(judged, lambda: 0.01, 0.05), SpikeRules(900, 3), clock)
    lifecycle = Lifecycle(clock, 60)
    service = DriftWatch(
        partial(connected, bootstrap, float(session_s), watching, clock),
        TopicReader(bootstrap),
        lifecycle,
        FailurePolicies(),
        clock,
        lambda: None,
    )
    registry = Registry()
    watching.export(registry, service)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=lifecycle.stop).start())
    probes = ProbeServer("127.0.0.1", int(port), {service.name: lifecycle}, registry)
    service.run()
    probes.close()


def started(bootstrap: str, port: int, logs: Path, session_s: float = SESSION_S) -> subprocess.Popen[bytes]:
    """Start the application; its log lines are added to a file."""
    command = [sys.executable, "-m", "tests.support.drift_process", bootstrap, str(session_s), str(port)]
    with logs.open("ab") as stderr:
        return subprocess.Popen(command, stderr=stderr)


def batch(key: str, at: datetime, random: np.random.Generator, label: str = "usual", items: int = 20) -> BatchSums:
    """Return the sums of a batch of one label."""
    return BatchSums(
        stream=STREAM,
        input="text",
        model=MODEL,
        key=key,
        traffic="live",
        reference=REFERENCE,
        settled_at=at,
        items=items,
        vector_sum=packed(random.normal(size=DIM)),
        squared_norms=float(random.random()),
        cosines=float(random.random()),
        labels={label: items},
    )


def states(bootstrap: str) -> dict[Subject, Watched]:
    """Return the last state of each subject in the changelog of windows."""
    last = {record.key: record.value for record in TopicReader(bootstrap).read(changelog_topic(f"{STREAM}.windows"))}
    found = [Watched.from_bytes(value) for value in last.values() if value]
    return {each.subject: each for each in found}


def progress(bootstrap: str) -> dict[int, int]:
    """Return the committed offsets of the partitions of sums."""
    committed = TopicReader(bootstrap, APPLICATION).committed([f"{STREAM}.sums"])
    return {place.partition: offset for place, offset in committed.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
