"""Gathers the decided items of a stream for its references: from its collection, or by deciding records again."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millrace.bars import bar
from millrace.configured import collection_spec, configured, input_fingerprints, model_cards
from millrace.drift.newest import select
from millrace.drift.references import Found
from millrace.drift.replaying import Replayed, batched, replay
from millrace.drift.stored import Period, chosen_decided, read_decided
from millrace.drift.voters import Voters
from millrace.resources import Process, existing_store, load_models, load_recogniser, open_collection
from millrace.stage_resources import dimensions_of
from millrace.wiring import trial_pipeline
from schemas.topics import input_topic
from shared.broker.reader import TopicReader
from shared.broker.security import Brokers
from shared.drift.keys import Keys
from shared.engine.stream import Stream
from shared.errors import Fatal, MillraceError, StoreInUse
from shared.metrics.registry import Registry
from shared.settings import Settings
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.port import CollectionSpec, VectorStore

HEAD_OR_STORE = "configure a head, or the store whose items shall vote"


@dataclass(frozen=True, slots=True)
class Asked:
    """What references are built for.

    Attributes:
        stream: The stream.
        own: Its settings.
        settings: The settings of the process.
        period: Which items are taken.
    """

    stream: Stream[Any, Any]
    own: StreamSettings
    settings: Settings
    period: Period

    @property
    def keys(self) -> Keys:
        """Which key an item belongs to."""
        return Keys(self.settings.drift.keyed_by, frozenset(self.settings.drift.keys))


def from_store(asked: Asked) -> Found:
    """Return decided items of the stream's collection.

    Raises:
        Fatal: the store or the collection does not exist, or is one of other models.
        Unavailable: the store cannot be read, or another process uses it.
    """
    stream = configured(asked.stream, asked.own)
    cards = {name: card.fingerprint for name, card in model_cards(stream, asked.own).items()}
    spec = collection_spec(asked.own, asked.stream)
    with open_collection(asked.settings, stream.name, spec.name) as collection:
        with bar("looking for decided items", None) as advance:
            ids = chosen_decided(stream, collection, asked.period, advance)
        with bar("reading items", len(ids)) as advance:
            items = list(read_decided(stream, collection, ids, advance))
    return Found(items, input_fingerprints(stream, cards))


def from_topic(asked: Asked, brokers: Brokers) -> tuple[Found, Replayed, str]:
    """Decide records of the stream's input topic again; nothing is written.

    Returns:
        The decided items, what has become of all records, and why the store could not be opened; empty if it could.

    Raises:
        Fatal: a configured part cannot be used.
        Unavailable: the brokers do not answer; or the store cannot be read, although only its points can decide.
    """
    stream, own = configured(asked.stream, asked.own), asked.own
    models = load_models(asked.stream, own)
    speech = own.speech
    recogniser = load_recogniser(speech.model, speech.models_file, speech.device) if stream.recognises_speech else None
    spec = collection_spec(own, asked.stream, dimensions_of(models, recogniser))
    reader, topic = TopicReader(brokers), input_topic(stream.name)
    with ExitStack() as held:
        store, reason = held.enter_context(voting_store(asked, spec))
        collection = store.open_alias(stream.name) or store.open(spec)
        process = Process(asked.settings, brokers, store, Registry())
        pipeline = held.enter_context(
            trial_pipeline(asked.stream, own, process, models, Voters(collection), recogniser)
        )
        with bar(f"looking at {topic}", None) as advance:
            selected = select(reader, topic, asked.period, advance)
        with bar("deciding records", selected.count) as advance:
            batches = batched(selected.read(reader, topic), stream, own.batch)
            replayed = replay(batches, stream, pipeline, asked.keys, advance)
    fingerprints = {name: model.fingerprint for name, model in models.items()}
    found = Found(replayed.decided, input_fingerprints(stream, fingerprints), replayed.failed)
    return found, replayed, reason


@contextmanager
def voting_store(asked: Asked, spec: CollectionSpec) -> Iterator[tuple[VectorStore, str]]:
    """Yield the configured store; or an empty one, and why, if it cannot be opened and something else decides.

    Raises:
        MillraceError: it cannot be opened, although its points are all that decides.
    """
    with ExitStack() as held:
        try:
            store = held.enter_context(existing_store(asked.settings))
            target = store.alias_target(spec.alias)
            if target not in (spec.name, None):
                raise Fatal(f"{spec.alias} are read from collection {target}, but the settings ask for {spec.name}")
            if store.open_alias(spec.alias) is None:
                raise Fatal(f"the store has no collection of the stream {spec.alias}")
            reason = ""
        except MillraceError as error:
            if asked.own.decision.head is None and not asked.own.image.classes:
                if isinstance(error, Fatal) and not isinstance(error, StoreInUse):
                    raise Fatal(f"{error}. Without a head, the points of the store decide: {HEAD_OR_STORE}") from error
                raise
            reason = str(error)
            folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
            store = held.enter_context(closing(EdgeStore(folder)))
        yield store, reason
