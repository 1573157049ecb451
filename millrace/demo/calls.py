"""The part of the demo with calls: recorded samples are transcribed, routed by the head, matched with solved tickets."""

from importlib.util import find_spec
from typing import Any

from rich.table import Table

from millrace.demo.part import Part
from millrace.demo.sample_files import inline, rows_of
from millrace.resources import load_recogniser
from shared.embedding.audio.port import Recogniser
from shared.errors import Fatal
from shared.stream_settings import StreamSettings

RATIOS = {"call": 2, "what was said": 14, "language": 3, "label": 6, "action": 3, "most similar solved ticket": 10}
SENT = ("call_id", "occurred_at", "language", "agent_channel", "customer_id", "satisfaction")
SPEECH_PACKAGE = "faster_whisper"


def recogniser_or_reason(own: StreamSettings) -> Recogniser | str:
    """Load the model of speech; if it is not installed, return what is missing."""
    if find_spec(SPEECH_PACKAGE) is None:
        return "install millrace[media,speech,weights]"
    try:
        return load_recogniser(own.speech.model, own.speech.models_file, own.speech.device)
    except Fatal as error:
        return str(error)


def play_calls(part: Part, recogniser: Recogniser) -> bool:
    """Send the sample calls, show what became of them, and return whether their audit is clean."""
    rows = rows_of("calls.jsonl")
    part.console.print(f"\n{len(rows)} recorded calls arrive; Whisper ({part.own.speech.model}) transcribes them ...")
    results = part.work([[_event(row) for row in rows]], {}, recogniser)
    part.console.print(_table(part.stream.result_topic, results))
    part.console.print(_judgement(results, {row["call_id"]: row["label"] for row in rows}))
    return part.is_clean()


def _event(row: dict[str, Any]) -> dict[str, Any]:
    return {"reason": "recorded", "audio": inline(row["file"]), **{name: row[name] for name in SENT}}


def _table(title: str, results: list[Any]) -> Table:
    table = Table(title=title, title_justify="left", expand=True)
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
