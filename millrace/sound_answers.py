"""Searches the configured store for recordings that sound like a file, and prints them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from millrace.bars import bar
from millrace.configured import collection_spec
from millrace.resources import open_collection
from millrace.search_answers import only_tenant
from millrace.transcribing import FileTranscriber, SpeechOptions, file_transcriber
from schemas.search import SIMILAR_LIMIT, SimilarItem
from shared.engine.stream import Stream
from shared.errors import Fatal
from shared.records import Vector
from shared.search.nearest import find_nearest
from shared.settings import Settings, variable
from shared.speech.sound import SoundModel
from shared.stream_settings import StreamSettings
from shared.vectorstore.conditions import Condition
from shared.vectorstore.port import Query


@dataclass(frozen=True, slots=True)
class SoundAsked:
    """What a person asks.

    Attributes:
        file: The recording.
        tenant_id: The tenant whose recordings are searched; None if the store has only one.
        where: Conditions that each hit must meet; see `shared.search.conditions.read_condition`.
        limit: Maximum number of hits, 1 to 10; None for the limit of the settings.
    """

    file: Path
    tenant_id: str | None = None
    where: tuple[Condition, ...] = ()
    limit: int | None = None


def find_sounding_alike(
    stream: Stream[Any, Any], own: StreamSettings, settings: Settings, asked: SoundAsked
) -> tuple[str, tuple[SimilarItem, ...]]:
    """Return the tenant that was searched, and its recordings that sound most like a file, whatever their ratings.

    Raises:
        Fatal: the recording cannot be used, nobody speaks in it, or the stored recordings have no vector of sound.
        Unavailable: the store cannot be read.
    """
    if stream.sound is None or stream.searchable is None:
        raise Fatal(f"{stream.name} are no recordings, so that they have no sound")
    if not own.speech.sound_vector:
        raise Fatal(
            f"{stream.name} have no vector of their sound: {variable(stream.name, 'speech', 'sound_vector')} is off"
        )
    speech = own.speech
    with open_collection(settings, stream.name, collection_spec(own, stream).name) as collection:
        tenant_id = asked.tenant_id or only_tenant([(stream, collection)])
        options = SpeechOptions(speech.model, speech.models_file, speech.device, speech.batch_pieces)
        with file_transcriber(options, settings) as transcriber:
            vector = _vector(transcriber, asked.file)
        query = Query(
            vector,
            stream.sound.name,
            asked.limit or own.search.limit or SIMILAR_LIMIT,
            {"tenant_id": tenant_id, "flags": stream.searchable.flag},
            payload=stream.searchable.fields,
            where=asked.where,
        )
        return tenant_id, find_nearest(collection, query, stream.searchable, stream.points.is_ours)


def print_sounding_alike(console: Console, hits: Sequence[SimilarItem]) -> None:
    """Print the hits, best first, with their cosine."""
    if not hits:
        console.print("  no recording with a vector of its sound was found", soft_wrap=True)
    for hit in hits:
        console.print(f"  [bold]{hit.score:.3f}[/bold]  {escape(hit.shown_id)}  {escape(hit.shown_title)}")
        rated = "unrated" if hit.satisfaction is None else f"rated {hit.satisfaction}"
        language = escape(hit.language or "language unknown")
        console.print(f"         {hit.occurred_at:%Y-%m-%d}, {rated}, {language}", style="dim")


def _vector(transcriber: FileTranscriber, file: Path) -> Vector:
    recording = transcriber.read(file)
    if not recording.analysed.speech_s:
        raise Fatal(f"{file}: nobody speaks in it")
    with bar("encoding", round(recording.analysed.speech_s)) as advance:
        model = SoundModel(
            transcriber.reader,
            transcriber.recogniser,
            transcriber.batch_pieces,
            lambda seconds: advance(round(seconds)),
        )
        vector: Vector = model.embed([recording]).vectors[0]
    return vector
