"""What the settings configure: store, model, broker, cache, head and policy. This module knows nothing of workers.

Adapters of slow libraries are imported only if they are configured, so that commands without them start at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millrace.attached import with_attached
from millrace.configured import model_card
from shared.broker.embedded import EmbeddedBroker
from shared.broker.security import Address, Brokers
from shared.cache.memory import MemoryCache
from shared.cache.port import VectorCache
from shared.cache.tiered import TieredCache
from shared.clock import Clock
from shared.embedding.audio.port import Recogniser
from shared.embedding.backends import choose_backend
from shared.embedding.image.classes import ClassifyingModel
from shared.embedding.port import IMAGE, TEXT, Model, TextModel
from shared.embedding.registry import SpeechCard, TextCard, load_image_card, load_speech_card
from shared.engine.loop import FailurePolicies
from shared.engine.stream import Stream
from shared.errors import Fatal
from shared.media.port import Fetcher
from shared.metrics.registry import Registry
from shared.model_settings import EmbeddingSettings, ImageSettings
from shared.observers import Observer
from shared.reading.port import TextReader
from shared.records import Backfill
from shared.routing.decider import Routing
from shared.routing.policy import POLICY_FILE, Policy
from shared.settings import Settings, variable
from shared.stream_settings import StreamSettings
from shared.tracing.port import Tracing
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.late import LateCollection
from shared.vectorstore.port import Collection, CollectionSpec, VectorStore


@dataclass(frozen=True, slots=True)
class Backfilled:
    """The backfill of a process.

    Attributes:
        mark: Its group, and whether it publishes results.
        rate: The most records a second.
    """

    mark: Backfill
    rate: float


@dataclass(frozen=True, slots=True)
class Process:
    """What the streams of one process share.

    Attributes:
        settings: The settings of the process.
        address: The address of the brokers.
        store: The store that points are written to.
        registry: The registry that holds the metrics.
        policies: How workers behave when something fails.
        fetcher: Fetches the media of events; None for one that follows the settings.
        text_reader: Reads the text in attached pictures; None for the one that is installed.
        tracing: Makes the spans of their workers.
        backfill: What its only worker backfills; None for workers of live traffic.
    """

    settings: Settings
    address: Address
    store: VectorStore
    registry: Registry
    policies: FailurePolicies = field(default_factory=FailurePolicies)
    fetcher: Fetcher | None = None
    text_reader: TextReader | None = None
    tracing: Tracing = field(default_factory=Tracing)
    backfill: Backfilled | None = None


def group_of(own: StreamSettings, stream: str) -> str:
    """Return the consumer group of a stream's workers."""
    return own.consumer.group or f"millrace-{stream}"


@contextmanager
def open_tracing(settings: Settings, clock: Clock) -> Iterator[Tracing]:
    """Yield what makes spans: nothing, unless a collector is configured. At the end, what waits is sent.

    Raises:
        Fatal: the extra is not installed, or one of the library's variables is invalid.
    """
    if settings.tracing.endpoint is None:
        yield Tracing()
        return
    try:
        from shared.tracing.otel import open_tracing as opened
    except ImportError as error:
        needed = f"{variable('tracing', 'endpoint')} needs {error.name}: install millrace[tracing]"
        raise Fatal(needed) from error
    try:
        tracing = opened(settings.tracing, clock)
    except ValueError as error:
        raise Fatal(f"a variable OTEL_* of the environment is invalid: {error}") from error
    with closing(tracing):
        yield tracing


def load_text_model(own: StreamSettings) -> TextModel:
    """Load the configured text model.

    Raises:
        Fatal: the model or a library that it needs is not installed, or the model does not match its card.
    """
    card = model_card(own)
    try:
        return _load(card, own.embedding)
    except ImportError as error:
        extra = "openvino" if error.name == "openvino" else card.extra
        raise Fatal(f"model {card.key} needs {error.name}: install millrace[{extra}]") from error


def _load(card: TextCard, embedding: EmbeddingSettings) -> TextModel:
    """Load the model that the card's backend runs; only the libraries of that backend are imported."""
    backend = choose_backend(card, embedding.backend, embedding.device)
    if backend == "numpy":
        from shared.embedding.universal import UniversalModel

        return UniversalModel(card, embedding.device)
    if backend == "openvino":
        from shared.embedding.openvino.model import OpenVinoModel

        return OpenVinoModel(card, embedding.device, embedding.micro_batch_tokens, embedding.dtype, embedding.streams)
    from shared.embedding.text import SentenceModel

    return SentenceModel(card, embedding.device, embedding.micro_batch_tokens)


def load_image_model(image: ImageSettings) -> ClassifyingModel:
    """Load the configured model of pictures.

    Raises:
        Fatal: the model or a library that it needs is not installed, or the model does not match its card.
    """
    card = load_image_card(image.model, image.models_file)
    try:
        from shared.embedding.pictures import load_pictures

        return load_pictures(card, image)
    except ImportError as error:
        extra = "openvino" if error.name == "openvino" else card.extra
        raise Fatal(f"model {card.key} needs {error.name}: install millrace[{extra}]") from error


def load_recogniser(key: str, models_file: Path | None, device: str) -> Recogniser:
    """Load a model of speech.

    Args:
        key: The name of its row.
        models_file: A models.toml to use instead of the packaged one.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        Fatal: the model or a library that it needs is not installed, or the model does not match its card.
    """
    card = load_speech_card(key, models_file)
    try:
        return _recogniser(card, device)
    except ImportError as error:
        raise Fatal(f"model {card.key} needs {error.name}: install millrace[{card.extra}]") from error


def _recogniser(card: SpeechCard, device: str) -> Recogniser:
    """Load the model that the card's backend runs; only the libraries of that backend are imported."""
    if card.backend == "openai":
        from shared.embedding.audio.openai_whisper import OpenAiRecogniser

        return OpenAiRecogniser(card, device)
    from shared.embedding.audio.whisper import WhisperRecogniser

    return WhisperRecogniser(card, device)


def load_models(stream: Stream[Any, Any], own: StreamSettings) -> Mapping[str, Model[Any]]:
    """Load the models of a stream, by modality; the model of speech is loaded by `load_recogniser`.

    Raises:
        Fatal: a model cannot be loaded.
    """
    loaders: Mapping[str, Callable[[], Model[Any]]] = {
        TEXT.name: lambda: load_text_model(own),
        IMAGE.name: lambda: load_image_model(own.image),
    }
    modalities = sorted({each.modality.name for each in with_attached(stream, own).inputs})
    unknown = [each for each in modalities if each not in loaders]
    if unknown:
        raise Fatal(
            f"stream {stream.name} needs a model of {unknown[0]}; there are models of {', '.join(loaders)} only"
        )
    return {each: loaders[each]() for each in modalities}


def load_policy(own: StreamSettings) -> Policy:
    """Return the configured policy, else the one beside the configured head, else the packaged one.

    Raises:
        Fatal: the policy cannot be read, or something in it is wrong.
    """
    beside = own.decision.head / POLICY_FILE if own.decision.head is not None else None
    return Policy.load(own.decision.routing or (beside if beside is not None and beside.exists() else None))


def load_routing(own: StreamSettings, fingerprints: Mapping[str, str]) -> Routing:
    """Return the routing of events: the policy, with the configured head if there is one (else neighbours vote).

    Args:
        own: The settings that name head and policy.
        fingerprints: Fingerprint of the model of each input whose vectors the head can receive, by the input's name.

    Raises:
        Fatal: the head or the policy cannot be used, or they do not fit the model or each other.
    """
    policy = load_policy(own)
    if own.decision.head is None:
        policy.check_zero_shot(own.image.classes)
        return Routing(policy)
    from shared.routing.head_files import load_head

    head = load_head(own.decision.head)
    head.check_model(fingerprints)
    return Routing(policy, head)


@contextmanager
def open_store(settings: Settings) -> Iterator[VectorStore]:
    """Open the configured vector store."""
    with closing(connected_store(settings)) as store:
        yield store


def connected_store(settings: Settings) -> VectorStore:
    """Return the configured vector store; the caller closes it."""
    if settings.store.url is None:
        return EdgeStore(settings.store.path)
    from shared.vectorstore.qdrant.store import connect

    return connect(settings.store)


@contextmanager
def open_cache(settings: Settings, dim: int, clock: Clock, observer: Observer) -> Iterator[VectorCache]:
    """Open the cache of vectors: in memory and, if an address is configured, Redis behind it.

    Args:
        settings: The settings, of which those of the cache are used.
        dim: Length of the model's vectors.
        clock: Measures how long Redis is not used after a failure.
        observer: Is notified of hits, misses and failures.
    """
    memory: tuple[str, VectorCache] = ("memory", MemoryCache(settings.cache.memory_mib << 20))
    if settings.cache.redis_url is None:
        yield TieredCache([memory], observer)
        return
    from shared.cache.redis import RedisCache

    with closing(RedisCache(settings.cache, dim, clock, observer)) as shared:
        yield TieredCache([memory, ("redis", shared)], observer)


@contextmanager
def open_collection(settings: Settings, stream: str, expected: str | None = None) -> Iterator[Collection]:
    """Open the collection that a stream's readers use, in the configured store; nothing is created.

    Args:
        settings: The settings of the process.
        stream: The name of the stream.
        expected: The name of the collection that the stream's settings ask for; None if any will do.

    Raises:
        Fatal: the store does not exist, or holds no collection of the stream, or another one is in use.
    """
    where = settings.store.url or str(settings.store.path)
    with existing_store(settings) as store:
        collection = store.open_alias(stream)
        if collection is None:
            raise Fatal(
                f"the store at {where} has no collection of the stream {stream}: start a worker of this "
                "stream, which creates it; "
                "or set MILLRACE_STORE__PATH or MILLRACE_STORE__URL to another store"
            )
        target = store.alias_target(stream)
        if expected is not None and target not in (expected, None):
            raise Fatal(
                f"{stream} are read from collection {target}, but the settings ask for {expected}: change the settings "
                "back, or fill that collection and move the alias to it (docs/models.md)"
            )
        yield collection


@contextmanager
def existing_store(settings: Settings) -> Iterator[VectorStore]:
    """Open the configured store; an embedded one must exist.

    Raises:
        Fatal: it does not exist.
    """
    if settings.store.url is None and not settings.store.path.exists():
        raise Fatal(f"there is no store at {settings.store.path}; set MILLRACE_STORE__PATH or MILLRACE_STORE__URL")
    with open_store(settings) as store:
        yield store


@contextmanager
def open_broker(settings: Settings, topics: Sequence[str]) -> Iterator[Address]:
    """Yield the brokers' addresses; if none are configured, run an embedded broker with these topics.

    Raises:
        Fatal: TLS or SASL is configured, but no brokers to use it with.
    """
    if settings.broker.bootstrap is not None:
        yield Brokers(settings.broker.bootstrap, settings.broker)
        return
    if settings.broker.security_protocol != "plaintext":
        raise Fatal(
            "MILLRACE_BROKER__SECURITY_PROTOCOL is set, but the embedded broker has no TLS or SASL: "
            "set MILLRACE_BROKER__BOOTSTRAP too"
        )
    with EmbeddedBroker() as broker:
        broker.create(topics)
        yield broker.bootstrap


def opened_collection(settings: Settings, store: VectorStore, spec: CollectionSpec) -> Collection:
    """Open a server's collection at its first use, an embedded one now, as that may take long and stops all threads."""
    return store.open(spec) if settings.store.url is None else LateCollection(store, spec)
