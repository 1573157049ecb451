"""The demo: the real worker on the embedded broker and store, with sample tickets that were written for Millrace.

A head is trained on the solved tickets, which are then ingested; open ones arrive live and are routed by the head.
"""

import json
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from millrace.configured import model_card
from millrace.dead_letter_text import line
from millrace.demo.calls import play_calls, recogniser_or_reason
from millrace.demo.counting import Counting
from millrace.demo.display import ROWS_SHOWN, judgement, open_console, routed_table, show_actions
from millrace.demo.part import Part
from millrace.demo.pictured import PicturedTickets, reads_pictures
from millrace.demo.products import image_model_or_reason, play_products
from millrace.demo.search import DemoSearch, say_how_to_search
from millrace.demo.text_model import text_model
from millrace.federated import SearchModels
from millrace.ingest.file_survey import survey_file
from millrace.ingest.mapping import MappingOptions, match_columns
from millrace.ingest.sending import ImportProgress, send
from millrace.ingest.table_files import TableFile
from millrace.learning.heads import train_head
from millrace.learning.labelled_files import LabelledFile, Reading
from millrace.resources import Process, group_of, load_text_model, open_broker, open_store
from millrace.search_answers import TextAsked, ask, print_found, searching
from millrace.streams import DEFAULT, PICTURED, RECORDED
from millrace.wiring import Running, stream_worker
from schemas.topics import dlq_topic, input_topic
from shared.audit.comparison import audit
from shared.broker.delivery import deliver
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.broker.source import KafkaSource
from shared.clock import Clock, SystemClock
from shared.deadletters.envelope import WithoutEnvelope, read_dead_letter
from shared.embedding.image.classes import ClassifyingModel
from shared.embedding.port import IMAGE, TEXT, Model, TextModel
from shared.engine.stream import Stream
from shared.errors import Fatal, MillraceError, Unavailable
from shared.metrics.registry import Registry
from shared.operation.probes import LOOPBACK, ProbeServer
from shared.records import Message
from shared.settings import BrokerSettings, OperationSettings, Settings, StoreSettings
from shared.stream_settings import BatchSettings, DecisionSettings, DuplicateSettings, StreamSettings
from shared.text.preparation import Preparer
from shared.vectorstore.port import VectorStore

TENANT = "acme"
QUESTION = "Tracking says my parcel was delivered, but nothing has arrived. What now?"
POISON = b'{"schema_version": 1, "ticket_id": "T-9999", "subject": "half a rec'
DEADLINE_S = 300.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Samples:
    """The packaged sample tickets.

    Attributes:
        solved: Solved tickets, labelled by agents.
        opened: Open tickets.
        intended: The label that the author of an open ticket intended; None if no label of the samples fits.
    """

    solved: list[dict[str, Any]]
    opened: list[dict[str, Any]]
    intended: dict[str, str | None]

    @classmethod
    def load(cls) -> "Samples":
        """Read the packaged samples."""
        folder = files("millrace.demo").joinpath("samples")
        lines = folder.joinpath("tickets.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        parts = {opened: [row for row in rows if (row["reason"] == "created") is opened] for opened in (False, True)}
        return cls(parts[False], parts[True], json.loads(folder.joinpath("expected.json").read_text(encoding="utf-8")))


@dataclass(slots=True)
class Stage:
    """What the steps of the demo share."""

    console: Console
    settings: Settings
    own: StreamSettings
    bootstrap: str
    counting: Counting
    clock: Clock
    worker: threading.Thread
    failure: list[BaseException]

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Wait until something is done, or the worker fails, or the deadline passes.

        Raises:
            MillraceError: the worker failed.
            Unavailable: the deadline passed.
        """
        until_s = self.clock.monotonic_s() + DEADLINE_S
        while not done():
            if self.failure:
                raise MillraceError(f"the worker failed: {self.failure[0]}")
            if self.clock.monotonic_s() > until_s:
                raise Unavailable("worker", f"a step of the demo was not done after {DEADLINE_S:.0f} s")
            self.clock.wait(threading.Event(), POLL_S)


def run_demo(keep: bool, store_folder: Path | None = None, port: int = 0) -> bool:
    """Run the demo; return whether its audit is clean.

    Args:
        keep: Whether to leave everything running after the audit until Ctrl-C.
        store_folder: Where the store is, and stays; None for a temporary folder.
        port: Port of the probes and the metrics; 0 selects a free one.

    Raises:
        Fatal: the folder of the store is not empty (the demo's broker knows nothing of it), or the port cannot be bound.
    """
    if (
        store_folder is not None
        and store_folder.exists()
        and (not store_folder.is_dir() or any(store_folder.iterdir()))
    ):
        raise Fatal(f"{store_folder} is not an empty folder: name one that does not exist yet")
    console = open_console()
    with tempfile.TemporaryDirectory(prefix="millrace-demo-") as folder:
        settings = _settings(Path(folder), store_folder)
        own = StreamSettings(batch=BatchSettings(max_records=64), embedding=text_model())
        names = [topic.name for stream in (DEFAULT, RECORDED, PICTURED) for topic in stream.topics()]
        console.print(f"Loading the embedding model ({own.embedding.model}, from its wheel) ...")
        model, samples, counting = load_text_model(own), Samples.load(), Counting()
        own = _train(console, own, model, samples, Path(folder) / "head")
        image_model = image_model_or_reason(own)
        own = reads_pictures(own, has_image_model=not isinstance(image_model, str))
        models = SearchModels(texts={model.fingerprint: model})
        if not isinstance(image_model, str):
            models.pictures[image_model.fingerprint] = image_model
        with open_store(settings) as store, open_broker(settings, names) as bootstrap, ExitStack() as held:
            process = Process(settings, bootstrap, store, Registry())
            every: dict[str, Model[Any]] = {TEXT.name: model}
            if not isinstance(image_model, str):
                every[IMAGE.name] = image_model
            running = held.enter_context(stream_worker(DEFAULT, own, process, every, [counting]))
            probes = ProbeServer(LOOPBACK, port, {DEFAULT.name: running.lifecycle}, process.registry)
            held.callback(probes.close)
            worker, failure = _start(running)
            stage = Stage(console, settings, own, str(bootstrap), counting, SystemClock(), worker, failure)
            try:
                _play(stage, Path(folder), samples)
                _show_similar(stage, DEFAULT, store, model)
                _show_dead_letter(stage)
                others_are_clean = [_calls(stage, process, model), _products(stage, process, image_model, models)]
                _pictured(stage, process)
                streams = [(each, stage.own) for each in (DEFAULT, RECORDED, PICTURED)]
                DemoSearch(console, store, streams, models, TENANT).show(settings)
                clean = _audit(stage, store) and all(others_are_clean)
                if keep:
                    _keep(stage, probes.port)
            finally:
                running.lifecycle.stop()
                stage.worker.join()
    if store_folder is not None:
        say_how_to_search(console, store_folder, [(each, own) for each in (DEFAULT, RECORDED, PICTURED)])
    return clean


def _settings(folder: Path, store_folder: Path | None) -> Settings:
    return Settings(
        broker=BrokerSettings(),
        store=StoreSettings(path=store_folder or folder / "store"),
        operation=OperationSettings(state_dir=folder),
    )


def _start(running: Running) -> tuple[threading.Thread, list[BaseException]]:
    """Start the worker; if it fails, the list will hold its error."""
    failure: list[BaseException] = []

    def work() -> None:
        try:
            running.worker.run()
        except BaseException as error:  # noqa: BLE001  (reported by `wait_until`)
            failure.append(error)

    worker = threading.Thread(target=work, name="worker", daemon=True)
    worker.start()
    return worker, failure


def _train(console: Console, own: StreamSettings, model: TextModel, samples: Samples, folder: Path) -> StreamSettings:
    """Train a head on the solved samples; return settings that use it."""
    labels = tuple(str(row["agent_label"]) for row in samples.solved)
    console.print(f"Training a routing head on {len(labels)} solved tickets with {len(set(labels))} labels ...")
    texts = tuple(f"{row['subject']}\n\n{row['body']}" for row in samples.solved)
    outcome = train_head(Reading(own, model), LabelledFile(texts, labels, skipped=0), None, folder)
    held_out: Any = outcome.head.facts["held_out"]
    console.print(
        f"head {outcome.head.fingerprint}: {held_out['accuracy']:.1%} of the labels are right on held-out tickets; "
        f"{held_out['coverage_at_95_precision']:.0%} of these tickets can be decided with a precision of 95 %"
    )
    return own.model_copy(update={"decision": own.decision.model_copy(update={"head": folder})})


def _play(stage: Stage, folder: Path, samples: Samples) -> None:
    history, arriving = (
        _part(folder / "history.jsonl", samples.solved),
        _part(folder / "arriving.jsonl", samples.opened),
    )
    with closing(KafkaSink(stage.bootstrap, stage.settings.broker)) as sink:
        start_s = stage.clock.monotonic_s()
        stage.console.print("Ingesting the solved tickets ...")
        solved = _ingest(stage, history, sink)
        stage.wait_until(lambda: stage.counting.settled >= solved)
        stage.console.print(f"{solved} solved tickets indexed. Open tickets arrive:")
        opened = _ingest(stage, arriving, sink)
        sink.produce([Message(input_topic(DEFAULT.name), f"{TENANT}:T-9999".encode(), POISON)])
        sink.flush()
        subjects = {row["ticket_id"]: row["subject"] for row in samples.opened}
        results = _show_routed(stage, subjects, opened)
        show_actions(stage.console, results, subjects)
        stage.console.print(judgement(results, samples.intended))
        stage.wait_until(lambda: stage.counting.settled > solved + opened)
        seconds = stage.clock.monotonic_s() - start_s
    total = stage.counting.settled
    stage.console.print(f"throughput: {total} records settled in {seconds:.1f} s, {total / seconds:.0f} a second")


def _part(path: Path, rows: list[dict[str, object]]) -> TableFile:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return TableFile.open(path)


def _ingest(stage: Stage, source: TableFile, sink: KafkaSink) -> int:
    survey, progress = survey_file(source, lambda _: None), ImportProgress()
    mapped = match_columns(source.path, survey.columns, MappingOptions(TENANT), is_header=False).mapped
    send(source, mapped, partial(deliver, sink=sink, clock=stage.clock), progress, lambda _: None)
    return progress.counts.sent


def _show_routed(stage: Stage, subjects: dict[str, str], wanted: int) -> list[Any]:
    """Fill a table with results as they are published, until the wanted number is shown; return the results."""
    source = KafkaSource(stage.bootstrap, [DEFAULT.result_topic], "millrace-demo", BrokerSettings(), stage.clock)
    results: list[Any] = []
    with closing(source), Live(console=stage.console, refresh_per_second=8) as live:

        def all_shown() -> bool:
            for record in source.take(100, POLL_S):
                results.append(DEFAULT.result.model_validate_json(record.value or b""))
            live.update(routed_table(results[-ROWS_SHOWN:], subjects, len(results)))
            return len(results) >= wanted

        stage.wait_until(all_shown)
    return results


def _show_similar(stage: Stage, stream: Stream[Any, Any], store: VectorStore, model: TextModel) -> None:
    collection = store.open_alias(stream.name)
    assert collection is not None  # noqa: S101  (the worker has opened it)
    text = Preparer(model_card(stage.own).preparation).embedded("", QUESTION)
    asked = TextAsked(TENANT, text, limit=3)
    found = ask(searching(stream, collection, stage.own.search), model, asked)
    stage.console.print(f'\n{stream.name.capitalize()} similar to: "{QUESTION}"')
    print_found(stage.console, found, stage.own.search, asked, stream)


def _show_dead_letter(stage: Stage) -> None:
    for record in TopicReader(stage.bootstrap).read(dlq_topic(DEFAULT.name)):
        letter = read_dead_letter(record)
        if isinstance(letter, WithoutEnvelope):
            stage.console.print(line(letter), markup=False)
            continue
        stage.console.print(f"\n{record.topic}: {letter.origin}")
        for name, text in (("reason", letter.reason), ("field", letter.field), ("detail", letter.detail)):
            stage.console.print(f"  {name}: {text}", markup=False)
        stage.console.print(f"  original bytes: {record.value!r}", markup=False)


def _calls(stage: Stage, process: Process, model: TextModel) -> bool:
    """Play the part with calls; without a model of speech, say what is missing."""
    recogniser = recogniser_or_reason(stage.own)
    if isinstance(recogniser, str):
        stage.console.print(f"\nCalls are left out: {recogniser}", markup=False)
        return True
    part = Part(RECORDED, stage.console, process, stage.own, model, TENANT, stage.wait_until)
    is_clean = play_calls(part, recogniser)
    _show_similar(stage, RECORDED, process.store, model)
    return is_clean


def _products(stage: Stage, process: Process, image_model: ClassifyingModel | str, models: SearchModels) -> bool:
    """Play the part with products; without a model of pictures, say what is missing."""
    own = stage.own.model_copy(
        update={
            "decision": DecisionSettings(),  # the head of the tickets knows no pictures
            "duplicates": DuplicateSettings(same_picture_at=0.8, same_product_at=0.9),  # drawings are more alike
        }
    )
    if isinstance(image_model, str):
        stage.console.print(f"\nProducts are left out: {image_model}", markup=False)
        return True
    part = Part(PICTURED, stage.console, process, own, models.text(own), TENANT, stage.wait_until)
    return play_products(part, image_model)


def _pictured(stage: Stage, process: Process) -> None:
    """Play the part with tickets that have pictures; without what reads them, say what is missing."""
    if not stage.own.attachments.read:
        stage.console.print(
            "\nPictures of tickets are left out: install millrace[media,images,weights,reading]", markup=False
        )
        return
    with closing(KafkaSink(stage.bootstrap, stage.settings.broker)) as sink:
        PicturedTickets(DEFAULT, stage.console, process, TENANT, stage.wait_until).play(sink)


def _audit(stage: Stage, store: VectorStore) -> bool:
    reader = TopicReader(stage.bootstrap, group_of(stage.own, DEFAULT.name))
    findings = audit(reader, DEFAULT, store.open_alias(DEFAULT.name))
    outcomes = ", ".join(f"{name} {count}" for name, count in sorted(findings.outcomes.items()))
    stage.console.print(f"outcomes: {outcomes}; pending {findings.pending}; points {findings.points}")
    stage.console.print(f"tickets: {findings.line()}")
    return findings.clean and findings.pending == 0


def _keep(stage: Stage, port: int) -> None:
    served = f"embedded broker at {stage.bootstrap}, metrics at http://{LOOPBACK}:{port}/metrics"
    stage.console.print(f"still running; {served}; stop it with Ctrl-C")
    try:
        stage.clock.wait(threading.Event(), float(threading.TIMEOUT_MAX))
    except KeyboardInterrupt:
        stage.console.print("stopping")
