"""`millrace run`."""

import os
import signal
import sys
import threading
from functools import partial
from typing import Annotated

import typer

from millrace.cli.options import Bootstrap, load_settings, require_stream
from millrace.customer_key import customer_key
from millrace.wiring import load_decider, load_text_model, model_card, open_broker, open_store, ticket_worker
from schemas.topics import dlq_topic, input_topic, redo_topic, topics_of
from shared.broker.backlog import measure
from shared.broker.transactions import OpenTransactions
from shared.clock import SystemClock
from shared.deadletters.watch import DeadLetterWatch
from shared.errors import Fatal
from shared.logs import configure, get_logger
from shared.operation.lifecycle import Lifecycle
from shared.operation.probes import ProbeServer
from shared.operation.transaction_watch import LOOK_TIMEOUT_S, TransactionWatch
from shared.settings import Settings

log = get_logger("run")


def run(
    stream: Annotated[str, typer.Argument(help="Which worker to run; tickets is the only one today.")],
    bootstrap: Bootstrap = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of /metrics, /healthz, /readyz; 0 picks a free one.")
    ] = None,
) -> None:
    """Run a stream's worker until SIGTERM or Ctrl-C; it finishes the batch in hand and commits before it leaves.

    Without brokers it holds an embedded broker, whose address it prints, and a store in .millrace/store. Settings are
    read from MILLRACE_<PART>__<FIELD>; docs/settings.md lists them all.
    """
    settings = load_settings(bootstrap)
    configure(settings.operation.log_level, settings.operation.log_format == "json")
    load_decider(settings, model_card(settings).fingerprint)  # what is wrong shows before anything is started
    customer_key(settings)
    names = [topic.name for topic in topics_of(require_stream(stream))]
    with open_store(settings) as store, open_broker(settings, names) as address:
        if settings.broker.bootstrap is None:
            sys.stderr.write(f"embedded broker (not Kafka; gone when this ends): --bootstrap {address}\n")
        model = load_text_model(settings)
        with ticket_worker(settings, address, store, model) as running:
            wanted = settings.operation.port if port is None else port
            probes = ProbeServer(settings.operation.host, wanted, running.lifecycle, running.metrics)
            watch = DeadLetterWatch(partial(measure, address, dlq_topic(stream)), SystemClock(), running.metrics)
            transactions = TransactionWatch(
                OpenTransactions(address, [input_topic(stream), redo_topic(stream)], LOOK_TIMEOUT_S).measure,
                SystemClock(),
                running.metrics,
            )
            running.lifecycle.ask_note("transactions", transactions.note)
            _stop_on_signals(running.lifecycle, settings)
            log.info("running", stream=stream, model=model.fingerprint, probes_port=probes.port)
            try:
                running.worker.run()
            except Fatal as error:
                log.error("fatal", error=str(error))
                raise
            finally:
                watch.close()
                transactions.close()
                probes.close()
    log.info("stopped", stream=stream)


def _stop_on_signals(lifecycle: Lifecycle, settings: Settings) -> None:
    """Drain on the first signal; end without further ado when the drain's deadline passes or a second one comes."""
    asked: list[int] = []

    def stop(signum: int, _: object) -> None:
        if asked:
            os._exit(128 + signum)
        asked.append(signum)
        deadline = threading.Timer(settings.operation.drain_timeout_s, _give_up)
        deadline.daemon = True
        deadline.start()
        # Not on this thread: the signal may have come while it held the very lock that setting the event takes.
        threading.Thread(target=lifecycle.stop, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _give_up() -> None:
    log.error("drain deadline passed: what is in hand stays uncommitted and will be read again")
    os._exit(1)
