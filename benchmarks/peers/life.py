"""One life of a contender: it starts, works off a backlog, gets tickets at a steady rate, and is stopped.

A first ticket waits when the process starts, and start-up ends with its result. The backlog is then sent at once; its
time runs from the append of its first ticket to that of its last result, so that it includes neither start-up nor the
first pass of the model.
"""

import os
import random
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.contenders import Contender
from benchmarks.peers.desk import Place
from benchmarks.peers.family import cpu_s, peak_mib
from benchmarks.peers.figures import labels_of, missing_of, percentiles
from benchmarks.peers.stream import SOURCE, TARGET, Seen, Stream
from shared.clock import SystemClock

FIRST, PACED = 1_000_000, 2_000_000
"""The numbers of the first ticket and of the paced ones; the backlog is numbered from 0."""

START_LIMIT_S, WORK_LIMIT_S, STOP_LIMIT_S = 120.0, 600.0, 60.0
CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Load:
    """The tickets of a life.

    Attributes:
        backlog: Texts of the backlog.
        paced: Texts that are sent one by one.
        rate: Of these, the mean number per second; the times between them are random, the same for each contender.
    """

    backlog: Sequence[str]
    paced: Sequence[str]
    rate: float

    def due_s(self) -> list[float]:
        """Return when each paced ticket is sent."""
        rng, at_s = random.Random(22), 0.0  # noqa: S311  (not a secret)
        times = []
        for _ in self.paced:
            at_s += rng.expovariate(self.rate)
            times.append(at_s)
        return times


@dataclass(frozen=True, slots=True)
class Lived:
    """What was measured in a life: figures by their names, and the label of each ticket."""

    figures: Mapping[str, float]
    labels: Mapping[str, str]


def live(contender: Contender, bootstrap: str, model: Path, head: Path, load: Load, group: str) -> Lived:
    """Let a contender live once, and return what was measured.

    Raises:
        RuntimeError: it ended by itself, was too slow, or left tickets without a result.
    """
    with tempfile.TemporaryDirectory(prefix="millrace-peers-") as folder, closing(Stream(bootstrap)) as stream:
        place = Place(bootstrap, group, SOURCE, TARGET, model, head, Path(folder) / "store")
        stream.send(load.backlog[:1], FIRST)
        began_ms = CLOCK.now().timestamp() * 1_000
        with _running(contender, place) as process:

            def check() -> None:
                if process.poll() is not None:
                    raise RuntimeError(f"{contender.name} has ended:\n{_log(place)}")

            stream.wait_for(1, START_LIMIT_S, check)
            before_s = cpu_s(process.pid)
            stream.send(load.backlog, 0)
            stream.wait_for(1 + len(load.backlog), WORK_LIMIT_S, check)
            used_s = cpu_s(process.pid) - before_s
            stream.send_paced(load.paced, PACED, load.due_s(), check)
            stream.wait_for(1 + len(load.backlog) + len(load.paced), WORK_LIMIT_S, check)
            peak = peak_mib(process.pid)
        figures = _figures(stream.seen, load, began_ms)
        labels = labels_of([value for _, value in stream.seen.results])
    if missing := missing_of(labels, list(stream.seen.sent_ms)):
        raise RuntimeError(f"{contender.name} gave no result for {len(missing)} tickets, such as {missing[0]}")
    return Lived({**figures, "cpu_s_per_1000": used_s / len(load.backlog) * 1_000, "peak_mib": peak}, labels)


def plain_environment() -> dict[str, str]:
    """Return the environment without any setting of Millrace, and without access to a hub of models."""
    settings = [name for name in os.environ if name.startswith("MILLRACE_") and name != "MILLRACE_DATA"]
    return {name: value for name, value in os.environ.items() if name not in settings} | {"HF_HUB_OFFLINE": "1"}


@contextmanager
def _running(contender: Contender, place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """Start a contender, and stop it at the end."""
    environment = plain_environment() | contender.environment(place)
    with _log_file(place).open("wb") as log:
        process = subprocess.Popen(contender.command(), env=environment, stdout=log, stderr=log)  # noqa: S603  (our own)
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_LIMIT_S)
        finally:
            process.kill()
            process.wait()


def _figures(seen: Seen, load: Load, began_ms: float) -> dict[str, float]:
    backlog, paced = len(load.backlog), len(load.paced)
    times = [at_ms for at_ms, _ in seen.results]
    took_ms = times[backlog] - seen.sent_ms[0]
    sent = {f"T-{number}": at_ms for number, at_ms in seen.sent_ms.items() if number >= PACED}
    by_ticket = labels_of([value for _, value in seen.results[-paced:]])
    ages = [at_ms - sent[ticket] for at_ms, ticket in zip(times[-paced:], by_ticket, strict=True)]
    return {
        "start_s": (times[0] - began_ms) / 1_000,
        "tickets_per_s": backlog / took_ms * 1_000,
        **{f"age_{name}_ms": value for name, value in percentiles(ages).items()},
    }


def _log_file(place: Place) -> Path:
    return place.store.parent / "log"


def _log(place: Place) -> str:
    return _log_file(place).read_text(encoding="utf-8", errors="replace")[-3_000:]
