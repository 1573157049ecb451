"""Serving a backfill: one worker of its own group, until the whole group has reached its bounds or a signal ends it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from millrace.backfilling import Counted, Ending, Progress, progress_of, watched
from millrace.configured import input_fingerprints, model_cards
from millrace.customer_key import customer_key
from millrace.resources import (
    Backfilled,
    Process,
    group_of,
    load_models,
    load_recogniser,
    load_routing,
    open_store,
    open_tracing,
)
from millrace.serve import stop_on_signals
from millrace.wiring import Running, stream_worker
from schemas.topics import input_topic
from shared.broker.bounds import Wanted
from shared.broker.planning import Groups, planned
from shared.broker.reader import TopicReader
from shared.broker.security import Address
from shared.clock import Clock, SystemClock
from shared.engine.stream import Stream
from shared.errors import Fatal
from shared.logs import get_logger
from shared.metrics.registry import Registry
from shared.observers import Observer
from shared.operation.probes import ProbeServer
from shared.records import Backfill
from shared.retry.survey import REDRIVE_GROUP
from shared.settings import Settings
from shared.stream_settings import StreamSettings

NICENESS = 10
"""How much a backfill lowers its own priority, so that a worker on the same machine gets the cores first."""

log = get_logger("backfill")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for on the command line.

    Attributes:
        stream: The stream.
        own: Its settings.
        group: The consumer group of the backfill.
        wanted: Its times, and whether it publishes results.
        rate: The most records a second of this process.
    """

    stream: Stream[Any, Any]
    own: StreamSettings
    group: str
    wanted: Wanted
    rate: float

    @property
    def live_group(self) -> str:
        """The group of the stream's workers."""
        return group_of(self.own, self.stream.name)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a backfill has done when it ends.

    Attributes:
        total: Number of offsets within the bounds.
        outcomes: Number of records that this process has settled, by outcome.
        seconds: How long this process has run.
    """

    total: int
    outcomes: dict[str, int]
    seconds: float


def backfill(asked: Asked, settings: Settings, address: Address) -> Summary:
    """Run a backfill until the whole group has reached its bounds.

    Raises:
        Fatal: the group cannot be used, something failed that waiting cannot fix, or a signal came before the end.
        Unavailable: the brokers do not answer at the start.
    """
    if asked.group in (asked.live_group, REDRIVE_GROUP):
        raise Fatal(
            f"group {asked.group} reads live traffic: give a backfill a group of its own, such as backfill-2026"
        )
    fingerprints = {name: card.fingerprint for name, card in model_cards(asked.stream, asked.own).items()}
    load_routing(asked.own, input_fingerprints(asked.stream, fingerprints))
    clock = SystemClock()
    began_s = clock.monotonic_s()
    groups = Groups(asked.group, asked.live_group)
    plan = planned(address, input_topic(asked.stream.name), groups, asked.wanted, clock)
    measure = partial(progress_of, TopicReader(address, asked.group), asked.stream.name, plan)
    counted, before = Counted(), measure()
    log.info("bounds", group=asked.group, done=before.done, total=before.total)
    total = before.total if before.is_finished else _run(asked, settings, address, counted, measure, clock)
    return Summary(total, dict(counted.outcomes), clock.monotonic_s() - began_s)


def _run(
    asked: Asked, settings: Settings, address: Address, counted: Counted, measure: partial[Progress], clock: Clock
) -> int:
    """Run the worker, and return the number of offsets within the bounds."""
    os.nice(NICENESS)
    with ExitStack() as held:
        customer_key(settings)
        tracing = held.enter_context(open_tracing(settings, clock))
        store = held.enter_context(open_store(settings))
        registry = Registry()
        done = Backfilled(Backfill(asked.group, asked.wanted.index_only), asked.rate)
        process = Process(settings, address, store, registry, tracing=tracing, backfill=done)
        running = held.enter_context(_worker(asked, process, counted))
        operation, lifecycle = settings.operation, running.lifecycle
        held.callback(ProbeServer(operation.host, operation.port, {asked.stream.name: lifecycle}, registry).close)
        drained = stop_on_signals([lifecycle], operation.drain_timeout_s)
        ending = Ending(measure, lifecycle, clock)
        with watched(ending):
            running.run()
        drained.set()
    if ending.failure is not None:
        raise ending.failure
    if not ending.finished:
        raise Fatal("stopped before the end: run the same command again to continue where it stopped")
    return ending.total


@contextmanager
def _worker(asked: Asked, process: Process, counted: Observer) -> Iterator[Running]:
    """Build the worker, with its models."""
    models, speech = load_models(asked.stream, asked.own), asked.own.speech
    recogniser = None
    if asked.stream.recognises_speech:
        recogniser = load_recogniser(speech.model, speech.models_file, speech.device)
    with stream_worker(asked.stream, asked.own, process, models, [counted], recogniser) as running:
        yield running
