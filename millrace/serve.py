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
from functools import partial
from typing import Any

from millrace.customer_key import customer_key
from millrace.resources import Process, load_models, load_routing, model_card, open_broker, open_store
from millrace.wiring import Running, stream_worker
from schemas.topics import dlq_topic, input_topic, redo_topic
from shared.broker.backlog import measure_backlog
from shared.broker.transactions import OpenTransactions
from shared.clock import SystemClock
from shared.deadletters.watch import DeadLetterWatch
from shared.engine.stream import Stream
from shared.logs import get_logger
from shared.metrics import Registry
from shared.operation.lifecycle import Lifecycle
from shared.operation.probes import ProbeServer
from shared.operation.transaction_watch import LOOK_TIMEOUT_S, TransactionWatch
from shared.settings import Settings
from shared.stream_settings import StreamSettings

log = get_logger("run")


def serve(streams: Sequence[Stream[Any, Any]], settings: Settings, own: Mapping[str, StreamSettings]) -> None:
    """Run the workers of some streams until a signal ends them.

    Args:
        streams: The streams to run.
        settings: The settings of the process.
        own: The settings of each stream, by its name.

    Raises:
        Fatal: something failed that waiting cannot fix.
    """
    for stream in streams:  # errors in the configuration show before anything is started
        load_routing(own[stream.name], model_card(own[stream.name]).fingerprint)
    customer_key(settings)
    names = [topic.name for stream in streams for topic in stream.topics()]
    with ExitStack() as held:
        store = held.enter_context(open_store(settings))
        address = held.enter_context(open_broker(settings, names))
        if settings.broker.bootstrap is None:
            sys.stderr.write(f"embedded broker (not Kafka; its data is lost at exit): --bootstrap {address}\n")
        process = Process(settings, address, store, Registry())
        workers = [held.enter_context(_watched(stream, own[stream.name], process)) for stream in streams]
        lifecycles = {each.stream.name: each.lifecycle for each in workers}
        operation = settings.operation
        probes = ProbeServer(operation.host, operation.port, lifecycles, process.registry)
        held.callback(probes.close)
        stop_on_signals(list(lifecycles.values()), operation.drain_timeout_s)
        log.info("running", streams=list(lifecycles), probes_port=probes.port)
        run_together(workers)
    log.info("stopped", streams=list(lifecycles))


def run_together(workers: Sequence[Running]) -> None:
    """Run workers side by side until all have ended; one that fails ends the others.

    The first one runs on the calling thread: if torch is called from a second thread, OpenMP counts more threads than
    cores, which was measured to cost the encoder a quarter of its rate (`benchmarks/throughput.py`).

    Raises:
        Fatal: a worker failed; the first failure is raised.
        Exception: a worker failed with an unexpected error.
    """
    failures: list[BaseException] = []

    def work(running: Running) -> None:
        try:
            running.worker.run()
        except BaseException as error:  # noqa: BLE001  (raised below, on the thread that called)
            log.error("fatal", stream=running.stream.name, error=str(error))
            failures.append(error)
        finally:
            for each in workers:
                each.lifecycle.stop()

    first, *others = workers
    threads = [threading.Thread(target=work, args=(each,), name=f"worker {each.stream.name}") for each in others]
    for thread in threads:
        thread.start()
    work(first)
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@contextmanager
def _watched(stream: Stream[Any, Any], own: StreamSettings, process: Process) -> Iterator[Running]:
    """Build a worker, and watch what it does not see itself: its dead letters, and open transactions in its input."""
    models, clock = load_models(stream, own), SystemClock()
    with stream_worker(stream, own, process, models) as running:
        fingerprints = {name: model.fingerprint for name, model in models.items()}
        log.info("wired", stream=stream.name, models=fingerprints)
        letters = DeadLetterWatch(
            partial(measure_backlog, process.address, dlq_topic(stream.name)), clock, running.metrics
        )
        inputs = [input_topic(stream.name), redo_topic(stream.name)]
        open_transactions = OpenTransactions(process.address, inputs, LOOK_TIMEOUT_S)
        transactions = TransactionWatch(open_transactions.measure, clock, running.metrics)
        running.lifecycle.ask_note("transactions", transactions.note)
        try:
            yield running
        finally:
            letters.close()
            transactions.close()


def stop_on_signals(lifecycles: Sequence[Lifecycle], drain_timeout_s: float) -> None:
    """Drain on the first signal; exit at once at a second signal, or when the deadline of the drain passes."""
    asked: list[int] = []

    def stop(signum: int, _: object) -> None:
        if asked:
            os._exit(128 + signum)
        asked.append(signum)
        deadline = threading.Timer(drain_timeout_s, _exit_undrained)
        deadline.daemon = True
        deadline.start()
        # Not on this thread: when the signal came, it may have held the lock that setting the event needs.
        threading.Thread(target=_stop_all, args=(lifecycles,), daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _stop_all(lifecycles: Sequence[Lifecycle]) -> None:
    for each in lifecycles:
        each.stop()


def _exit_undrained() -> None:
    log.error(
        "drain deadline passed (MILLRACE_OPERATION__DRAIN_TIMEOUT_S): the current batch stays "
        "uncommitted and will be read again"
    )
    os._exit(1)
