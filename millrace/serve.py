"""Serving: the workers of one process, side by side, with their probes, their watches and the handling of signals.

Each stream has its own consumer, group, readiness and metric labels: a stream that is held up does not hold up the
others. A failure that waiting cannot fix ends the process, because its supervisor restarts it.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from millrace.configured import input_fingerprints, model_cards
from millrace.customer_key import customer_key
from millrace.drift_watching import drift_watch
from millrace.lag_measuring import Measured, lag_exporter
from millrace.resources import (
    Process,
    load_models,
    load_recogniser,
    load_routing,
    open_broker,
    open_store,
    open_tracing,
)
from millrace.wiring import Running, redrive_of, stream_worker
from schemas.topics import dlq_topic, input_topic, redo_topic
from shared.broker.backlog import measure_backlog
from shared.broker.reader import TopicReader
from shared.broker.security import Address
from shared.broker.transactions import OpenTransactions
from shared.clock import SystemClock
from shared.deadletters.watch import DeadLetterWatch
from shared.engine.stream import Stream
from shared.logs import get_logger
from shared.metrics.observer import Metrics
from shared.metrics.registry import Registry
from shared.operation.lifecycle import Lifecycle
from shared.operation.probes import ProbeServer
from shared.operation.transaction_watch import LOOK_TIMEOUT_S, TransactionWatch
from shared.retry.survey import REDRIVE_GROUP, RetrySurvey
from shared.retry.watch import RetryWatch
from shared.settings import Settings
from shared.stream_settings import StreamSettings
from workers.services.redrive import Redrive

log = get_logger("run")


class Service(Protocol):
    """What runs beside others in a process: a worker, the redrive, the measurement of lag or the watch for drift."""

    @property
    def name(self) -> str:
        """Its name in logs and probes."""
        ...

    @property
    def lifecycle(self) -> Lifecycle:
        """Its state, and the request to stop."""
        ...

    def run(self) -> None:
        """Run until asked to stop."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a process runs.

    Attributes:
        streams: The streams whose workers run.
        own: The settings of each of these streams, by its name.
        redriven: The streams whose retry lanes are redriven; empty for no redrive.
        lag: What lag is measured of; None for no measurement.
        drift: The streams that are watched for drift; empty for no watch.
    """

    streams: Sequence[Stream[Any, Any]]
    own: Mapping[str, StreamSettings]
    redriven: Sequence[Stream[Any, Any]] = ()
    lag: Measured | None = None
    drift: Sequence[str] = ()


def serve(wanted: Wanted, settings: Settings) -> None:
    """Run workers and services until a signal ends them.

    Args:
        wanted: What to run.
        settings: The settings of the process.

    Raises:
        Fatal: something failed that waiting cannot fix.
    """
    streams, own = wanted.streams, wanted.own
    for stream in streams:  # errors in the configuration show before anything is started
        cards = model_cards(stream, own[stream.name])
        fingerprints = {name: card.fingerprint for name, card in cards.items()}
        load_routing(own[stream.name], input_fingerprints(stream, fingerprints))
    names = [topic.name for stream in (*streams, *wanted.redriven) for topic in stream.topics()]
    with ExitStack() as held:
        address = held.enter_context(open_broker(settings, names))
        if settings.broker.bootstrap is None:
            sys.stderr.write(f"embedded broker (not Kafka; its data is lost at exit): --bootstrap {address}\n")
        registry = Registry()
        services: list[Service] = []
        if streams:
            customer_key(settings)
            tracing = held.enter_context(open_tracing(settings, SystemClock()))
            store = held.enter_context(open_store(settings))
            process = Process(settings, address, store, registry, tracing=tracing)
            services += [held.enter_context(_watched(stream, own[stream.name], process)) for stream in streams]
        if wanted.redriven:
            services.append(held.enter_context(_watched_redrive(wanted.redriven, settings, address, registry)))
        if wanted.lag is not None:
            services.append(lag_exporter(wanted.lag, settings, address, registry))
        if wanted.drift:
            services.append(drift_watch(settings, wanted.drift, address, registry))
        lifecycles = {each.name: each.lifecycle for each in services}
        operation = settings.operation
        probes = ProbeServer(operation.host, operation.port, lifecycles, registry)
        held.callback(probes.close)
        drained = stop_on_signals(list(lifecycles.values()), operation.drain_timeout_s)
        log.info("running", streams=list(lifecycles), probes_port=probes.port)
        run_together(services)
        drained.set()
    log.info("stopped", streams=list(lifecycles))


def run_together(services: Sequence[Service]) -> None:
    """Run services side by side until all have ended; one that fails ends the others.

    The first one runs on the calling thread: if torch is called from a second thread, OpenMP counts more threads than
    cores, which was measured to cost the encoder a quarter of its rate (`benchmarks/throughput.py`).

    Raises:
        Fatal: a service failed; the first failure is raised.
        Exception: a service failed with an unexpected error.
    """
    failures: list[BaseException] = []

    def work(service: Service) -> None:
        try:
            service.run()
        except BaseException as error:  # noqa: BLE001  (raised below, on the thread that called)
            log.error("fatal", stream=service.name, error=str(error))
            failures.append(error)
        finally:
            for each in services:
                each.lifecycle.stop()

    first, *others = services
    threads = [threading.Thread(target=work, args=(each,), name=f"worker {each.name}") for each in others]
    for thread in threads:
        thread.start()
    work(first)
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@contextmanager
def _watched(stream: Stream[Any, Any], own: StreamSettings, process: Process) -> Iterator[Running]:
    """Build a worker and watch it."""
    models = load_models(stream, own)
    speech = own.speech
    recogniser = load_recogniser(speech.model, speech.models_file, speech.device) if stream.recognises_speech else None
    with stream_worker(stream, own, process, models, recogniser=recogniser) as running:
        fingerprints = {name: model.fingerprint for name, model in models.items()}
        if recogniser is not None:
            fingerprints["audio"] = recogniser.fingerprint
        log.info("wired", stream=stream.name, models=fingerprints)
        with watching(stream, process, running):
            yield running


@contextmanager
def watching(stream: Stream[Any, Any], process: Process, running: Running) -> Iterator[None]:
    """Measure what a worker does not see itself, while it runs: its dead letters, and open transactions in its input."""
    clock = SystemClock()
    letters = DeadLetterWatch(partial(measure_backlog, process.address, dlq_topic(stream.name)), clock, running.metrics)
    inputs = [input_topic(stream.name), redo_topic(stream.name)]
    open_transactions = OpenTransactions(process.address, inputs, LOOK_TIMEOUT_S)
    transactions = TransactionWatch(open_transactions.measure, clock, running.metrics)
    running.lifecycle.ask_note("transactions", transactions.note)
    try:
        yield
    finally:
        letters.close()
        transactions.close()


@contextmanager
def _watched_redrive(
    streams: Sequence[Stream[Any, Any]], settings: Settings, address: Address, registry: Registry
) -> Iterator[Redrive]:
    """Build the redrive, and measure the retry lane of each stream."""
    clock = SystemClock()
    reader = TopicReader(address, REDRIVE_GROUP)
    with ExitStack() as held:
        for stream in streams:
            survey = RetrySurvey(reader, stream.name)
            held.callback(RetryWatch(survey.states, clock, Metrics(stream.name, registry)).close)
        yield redrive_of(streams, settings, address, registry)


def stop_on_signals(lifecycles: Sequence[Lifecycle], drain_timeout_s: float) -> threading.Event:
    """Drain on the first signal; exit at once at a second signal, or when the deadline of the drain passes.

    Returns:
        The event that the caller sets when everything has ended well, and only connections remain to be closed.
    """
    asked: list[int] = []
    drained = threading.Event()

    def stop(signum: int, _: object) -> None:
        if asked:
            os._exit(128 + signum)
        asked.append(signum)
        deadline = threading.Timer(drain_timeout_s, _exit_at_deadline, (drained,))
        deadline.daemon = True
        deadline.start()
        # Not on this thread: when the signal came, it may have held the lock that setting the event needs.
        threading.Thread(target=_stop_all, args=(lifecycles,), daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return drained


def _stop_all(lifecycles: Sequence[Lifecycle]) -> None:
    for each in lifecycles:
        each.stop()


def _exit_at_deadline(drained: threading.Event) -> None:
    if drained.is_set():
        log.warning(
            "drain deadline passed (MILLRACE_OPERATION__DRAIN_TIMEOUT_S): the work had ended; what was still being "
            "closed, such as a collector of spans that does not answer, is not waited for"
        )
        os._exit(0)
    log.error(
        "drain deadline passed (MILLRACE_OPERATION__DRAIN_TIMEOUT_S): the current batch stays "
        "uncommitted and will be read again"
    )
    os._exit(1)
