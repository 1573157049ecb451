"""The composition root: the only file that puts a worker together from concrete adapters.

Adapters of slow libraries are imported where they are configured, so that commands without them start at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from millrace.customer_key import customer_key
from schemas.topics import input_topic, redo_topic
from shared.broker.embedded import EmbeddedBroker
from shared.broker.kafka import KafkaSink
from shared.broker.security import Address, Brokers
from shared.broker.source import KafkaSource
from shared.cache.memory import MemoryCache
from shared.cache.port import VectorCache
from shared.cache.tiered import TieredCache
from shared.clock import Clock, SystemClock
from shared.embedding.port import TEXT, TextModel
from shared.embedding.registry import TextCard, load_text_card
from shared.embedding.service import Embedder
from shared.engine.envelope import Envelopes
from shared.engine.gather import Gatherer
from shared.engine.loop import Worker
from shared.engine.pipeline import Pipeline
from shared.engine.settle import Settler
from shared.errors import Fatal
from shared.metrics import Metrics
from shared.observers import Observer, Observers
from shared.operation.lifecycle import Lifecycle
from shared.retrieval.similar import SimilarSearch
from shared.routing.policy import POLICY_FILE, Policy
from shared.settings import Settings
from shared.text.customers import CustomerIds
from shared.text.preparation import Preparer
from shared.vectorstore.edge import EdgeStore
from shared.vectorstore.late import LateCollection
from shared.vectorstore.port import Aliased, Collection, CollectionSpec, VectorStore
from workers.tickets.decide import Decider
from workers.tickets.prepare import TEXT_VECTOR, TicketItem, estimated_tokens
from workers.tickets.stages import TicketStages, collection_spec


@dataclass(frozen=True, slots=True)
class Running:
    """A worker and what is known about it from outside."""

    worker: Worker[TicketItem]
    lifecycle: Lifecycle
    metrics: Metrics
    source: KafkaSource


def group_of(settings: Settings, stream: str) -> str:
    """Return the consumer group of a stream's workers."""
    return settings.broker.group or f"millrace-{stream}"


def model_card(settings: Settings) -> TextCard:
    """Return the card of the configured model."""
    return load_text_card(settings.embedding.model, settings.embedding.models_file)


def load_text_model(settings: Settings) -> TextModel:
    """Load the configured text model.

    Raises:
        Fatal: the model or what it needs is not installed, or it is not what its card says.
    """
    card = model_card(settings)
    try:
        from shared.embedding.text import SentenceModel
    except ImportError as error:
        raise Fatal(f"model {card.key} needs {error.name}: install millrace[text]") from error
    return SentenceModel(card, settings.embedding.device, settings.embedding.micro_batch_tokens)


def load_policy(settings: Settings) -> Policy:
    """Return the configured policy, else the one beside the configured head, else the packaged one.

    Raises:
        Fatal: it cannot be read, or something in it is wrong.
    """
    beside = settings.decision.head / POLICY_FILE if settings.decision.head is not None else None
    return Policy.load(settings.decision.routing or (beside if beside is not None and beside.exists() else None))


def load_decider(settings: Settings, model_fingerprint: str) -> Decider:
    """Return what decides: the configured head under its policy, or the vote under the policy.

    Args:
        settings: Which head and policy.
        model_fingerprint: Of the model whose vectors will be decided on.

    Raises:
        Fatal: the head or the policy cannot be used, or they do not fit the model or each other.
    """
    policy, chosen = load_policy(settings), settings.decision
    if chosen.head is None:
        return Decider(policy, chosen.neighbours)
    from shared.routing.head_files import load_head

    head = load_head(chosen.head)
    head.check_model(model_fingerprint)
    return Decider(policy, chosen.neighbours, head)


@contextmanager
def open_store(settings: Settings) -> Iterator[VectorStore]:
    """Open the configured vector store."""
    with closing(_connected(settings)) as store:
        yield store


def _connected(settings: Settings) -> VectorStore:
    if settings.store.url is None:
        return EdgeStore(settings.store.path)
    from shared.vectorstore.qdrant import connect

    return connect(settings.store)


@contextmanager
def open_cache(settings: Settings, dim: int, clock: Clock, observer: Observer) -> Iterator[VectorCache]:
    """Open the cache of vectors: in the process and, where an address is configured, Redis behind it.

    Args:
        settings: Of the cache.
        dim: Length of the model's vectors.
        clock: For how long Redis is left alone after a failure.
        observer: Told of hits, misses and failures.
    """
    memory: tuple[str, VectorCache] = ("memory", MemoryCache(settings.cache.memory_mib << 20))
    if settings.cache.redis_url is None:
        yield TieredCache([memory], observer)
        return
    from shared.cache.redis import RedisCache

    with closing(RedisCache(settings.cache, dim, clock, observer)) as shared:
        yield TieredCache([memory, ("redis", shared)], observer)


@contextmanager
def open_collection(settings: Settings, stream: str) -> Iterator[Collection]:
    """Open what a stream's readers use, in the configured store; nothing is created.

    Raises:
        Fatal: there is no store, or it holds nothing of the stream.
    """
    where = settings.store.url or str(settings.store.path)
    if settings.store.url is None and not settings.store.path.exists():
        raise Fatal(f"there is no store at {where}; set MILLRACE_STORE__PATH, or MILLRACE_STORE__URL")
    with open_store(settings) as store:
        collection = store.open_alias(stream)
        if collection is None:
            raise Fatal(f"{where} holds no collection of {stream}")
        yield collection


@contextmanager
def open_broker(settings: Settings, topics: Sequence[str]) -> Iterator[Address]:
    """Yield the brokers' addresses; where none are configured, hold an embedded broker with these topics.

    Raises:
        Fatal: the embedded broker is to be spoken to in secret.
    """
    if settings.broker.bootstrap is not None:
        yield Brokers(settings.broker.bootstrap, settings.broker)
        return
    if settings.broker.security_protocol != "plaintext":
        raise Fatal("MILLRACE_BROKER__SECURITY_PROTOCOL is set, but no MILLRACE_BROKER__BOOTSTRAP that it could be for")
    with EmbeddedBroker() as broker:
        broker.create(topics)
        yield broker.bootstrap


def _opened(settings: Settings, store: VectorStore, spec: CollectionSpec) -> Collection:
    """Open a server's collection when it is first asked, the embedded one now: that may take long and stops all threads."""
    return store.open(spec) if settings.store.url is None else LateCollection(store, spec)


@contextmanager
def ticket_worker(
    settings: Settings, bootstrap: Address, store: VectorStore, model: TextModel, observers: Sequence[Observer] = ()
) -> Iterator[Running]:
    """Build the worker of the tickets stream; what it holds is let go in reverse order."""
    stream, clock = TicketStages.stream, SystemClock()
    metrics = Metrics(stream)
    observer = Observers([metrics, *observers])
    lifecycle = Lifecycle(clock, settings.operation.stuck_after_s)
    card, decider = model_card(settings), load_decider(settings, model.fingerprint)
    customers = CustomerIds(customer_key(settings), card.preparation.phone_region)
    with ExitStack() as held:
        collection = _opened(settings, store, collection_spec(card.collection(stream), model.dim))
        if isinstance(collection, Aliased):
            collection.tell_alias(observer.alias_elsewhere)
            lifecycle.ask("alias", collection.alias_fault)
        cache = held.enter_context(open_cache(settings, model.dim, clock, observer))
        embedder = Embedder(TEXT, model, cache, observer)
        similar = SimilarSearch(collection, TEXT_VECTOR, settings.similar)
        stages = TicketStages(collection, embedder, Preparer(card.preparation), customers, decider, similar)
        pipeline = Pipeline(stages, collection, clock, observer)
        sink = KafkaSink(bootstrap, settings.broker)
        held.callback(sink.close)
        topics = [input_topic(stream), redo_topic(stream)]
        source = KafkaSource(bootstrap, topics, group_of(settings, stream), settings.broker, clock)
        held.callback(source.close)
        lifecycle.watch("poll", lambda: source.last_poll_s)
        lifecycle.ask("consumer", lambda: source.fault)
        envelopes = Envelopes(stream, model.fingerprint, decider.head_fingerprint)
        settler = Settler(collection, source, sink, envelopes, clock, observer)
        gatherer = Gatherer(source, settings.batch, estimated_tokens, clock, observer)
        worker = Worker(source, gatherer, pipeline, settler, lifecycle, (clock, observer))
        yield Running(worker, lifecycle, metrics, source)
