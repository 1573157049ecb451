"""Checks of what a worker speaks to: the brokers and its group, the vector store, the cache."""

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from millrace.doctor.cluster import check_topics
from millrace.doctor.finding import Finding
from millrace.doctor.foreign_points import check_foreign
from millrace.doctor.lost_input import check_unread
from millrace.doctor.machine import why_unusable
from millrace.doctor.search import check_similar
from millrace.resources import collection_spec, group_of, model_card
from schemas.topics import input_topic, redo_topic
from shared.broker.security import Brokers
from shared.broker.survey import survey_cluster as survey_brokers
from shared.broker.survey import survey_group
from shared.broker.transactions import OpenTransactions, total
from shared.clock import SystemClock
from shared.engine.stream import Stream
from shared.errors import Unavailable
from shared.observers import Observer
from shared.settings import Settings
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.folder import aliases_of, owner_of
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.port import Collection, CollectionSpec

if TYPE_CHECKING:
    from shared.vectorstore.qdrant.survey import ServerSurvey

END_TRANSACTION = (
    "end or abort it in its producer; the broker aborts it after the producer's transaction.timeout.ms, and "
    "`kafka-transactions.sh find-hanging --topic T` lists what stays even then, for its command `abort`"
)
WAITING_KINDS = ("timeout", "connection")
"""Failures of Redis that may pass; others do not."""


def check_broker(
    settings: Settings, own: StreamSettings, stream: Stream[Any, Any], timeout_s: float
) -> Iterator[Finding]:
    """Reach the brokers, and compare the topics with the schema; then look at the consumer group."""
    if settings.broker.bootstrap is None:
        if settings.broker.security_protocol != "plaintext":
            fix = "set MILLRACE_BROKER__BOOTSTRAP"
            yield Finding("broker", "wrong", "how to speak to the brokers is set, but not where they are", fix)
        else:
            yield Finding("broker", "skipped", "none is configured: a worker holds an embedded one, which is not Kafka")
        return
    address = Brokers(settings.broker.bootstrap, settings.broker)
    topics, group = stream.topics(), group_of(own, stream.name)
    found = survey_brokers(address, [topic.name for topic in topics], timeout_s)
    yield Finding("broker", "ok", f"brokers: {found.brokers}, by {address}, {settings.broker.security_protocol}")
    yield from check_topics(address, topics, found.partitions, timeout_s)
    read = [input_topic(stream.name), redo_topic(stream.name)]
    if set(read) <= set(found.partitions):
        yield from _group(address, group, read, timeout_s)
        yield from check_unread(address, group, read)


def _group(address: Brokers, group: str, topics: list[str], timeout_s: float) -> Iterator[Finding]:
    waits, fix = "", ""
    with suppress(Unavailable):  # the group's survey asks the same brokers, and says why they do not answer
        waiting = total(OpenTransactions(address, topics, timeout_s).measure())
        if waiting.records:
            waits, fix = waiting.describe(SystemClock().now()), END_TRANSACTION
    try:
        found = survey_group(address, group, topics, timeout_s)
    except Unavailable as outage:
        yield Finding(
            "group", "unreachable", f"{group}: {outage.detail}", "try again, or give the user the right to read it"
        )
        if waits:
            yield Finding("group", "warning", waits, fix)
        return
    doubt = "" if found.is_counted else " (offsets, among which markers of transactions may be)"
    if found.state is None:
        reported = f"the brokers list no group {group}; {found.behind} records wait for it{doubt}"
    else:
        reported = f"{group} is {found.state}, {found.behind} records behind{doubt}"
    yield Finding("group", "warning" if waits else "ok", f"{reported}; {waits}" if waits else reported, fix)


def check_store(
    settings: Settings, own: StreamSettings, stream: Stream[Any, Any], timeout_s: float
) -> Iterator[Finding]:
    """Look at the store, and at the collection that readers are sent to."""
    spec = collection_spec(own, stream)
    if settings.store.url is None:
        yield from _embedded(settings, own, stream)
        return
    from shared.vectorstore.qdrant.store import connect  # a second, for those alone who have a server
    from shared.vectorstore.qdrant.survey import survey_server as survey_server

    yield from _proxy(settings)
    bounded = settings.store.model_copy(update={"timeout_s": min(settings.store.timeout_s, max(1, round(timeout_s)))})
    with closing(connect(bounded)) as store:
        found = survey_server(store, spec)
        yield from _server(found, spec, str(settings.store.url))
        collection = store.open_alias(spec.alias) if found.target is not None else None
        if collection is not None:
            yield from _points(collection, own, stream)


def _proxy(settings: Settings) -> Iterator[Finding]:
    """Say by which proxy the store is asked, and which variables of the environment have no say in it."""
    from shared.vectorstore.qdrant.client import proxy_of, unused_proxies

    used, unused = proxy_of(settings.store), unused_proxies(os.environ)
    reported = [f"the store is asked by the proxy {used}" if used else "no proxy is used for the store"]
    if unused:
        reported.append(f"{', '.join(unused)} of the environment: not used for it, MILLRACE_STORE__PROXY is")
    if used or unused:
        yield Finding("proxy", "ok", "; ".join(reported))


def _server(found: "ServerSurvey", spec: CollectionSpec, url: str) -> Iterator[Finding]:
    yield Finding("store", "ok", f"Qdrant {found.version} at {url}")
    for fault in found.faults:
        fix = "move the collection aside and index again"
        yield Finding("store", "wrong", f"collection {spec.name} was made with other parameters: {fault}", fix)
    for limit in found.limits:
        fix = "raise it, or switch strict mode off"
        yield Finding("store", "wrong", f"the strict mode of collection {spec.name} allows too little: {limit}", fix)
    if found.exists and not found.faults and not found.limits:
        yield Finding("store", "ok", f"collection {spec.name} is there, and guarded writes are honoured")
    if found.target is None and not found.sees_alias:
        reported = (
            f"the key is not shown where {spec.alias} stands: a worker starts, but does not notice when it is moved"
        )
        yield Finding("alias", "warning", reported, f"scope the key to {spec.alias} too")
    else:
        yield _alias(spec, found.target)


def _points(collection: Collection, own: StreamSettings, stream: Stream[Any, Any]) -> Iterator[Finding]:
    yield from check_foreign(collection, stream.points, SystemClock())
    yield from check_similar(collection, own.search, stream.name)


def _embedded(settings: Settings, own: StreamSettings, stream: Stream[Any, Any]) -> Iterator[Finding]:
    folder, spec = settings.store.path, collection_spec(own, stream)
    fix = "set MILLRACE_STORE__PATH, or change the owner or the rights"
    why = why_unusable(folder)
    if why is not None:
        yield Finding("store", "wrong", f"{folder} cannot be written: {why}", fix)
        return
    try:
        owner = owner_of(folder)
    except OSError as error:
        why = f"user {os.getuid()} cannot read {error.filename}: {error.strerror}"
        yield Finding("store", "wrong", f"who holds {folder} cannot be seen: {why}", fix)
        return
    if owner is None:
        yield Finding("store", "ok", f"{folder} is free (embedded, for one process at a time)")
    else:
        yield Finding(
            "store", "ok", f"{folder} is in use by process {owner or '(unknown)'}: a worker, or another command"
        )
    target = aliases_of(folder).get(spec.alias)
    yield _alias(spec, target)
    if target == spec.name and owner is None:
        with closing(EdgeStore(folder)) as store:
            collection = store.open_alias(spec.alias)
            if collection is not None:
                yield from _points(collection, own, stream)


def _alias(spec: CollectionSpec, target: str | None) -> Finding:
    alias, wanted = spec.alias, spec.name
    if target is None:
        return Finding("alias", "ok", f"there is no alias {alias} yet: the first worker makes {wanted}")
    if target == wanted:
        return Finding("alias", "ok", f"{alias} stands for {target}")
    return Finding(
        "alias",
        "warning",
        f"{alias} stands for {target}, but the configured model writes {wanted}: readers and the audit see the old one",
        "configure the model of that collection again, or index all of it under the new one and switch the alias",
    )


class _Failures(Observer):
    """Keeps what the cache tells of a failed call."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def cache_failed(self, operation: str, kind: str) -> None:
        """Keep the kind."""
        self.kinds.append(kind)


def check_cache(settings: Settings, own: StreamSettings) -> Iterator[Finding]:
    """Ask Redis for a vector that nobody has."""
    if settings.cache.redis_url is None:
        yield Finding("cache", "skipped", f"no Redis is configured; {settings.cache.memory_mib} MiB in the process")
        return
    from shared.cache.redis import RedisCache  # half a second, for those alone who have a Redis

    failures = _Failures()
    with closing(RedisCache(settings.cache, model_card(own).dim, SystemClock(), failures)) as cache:
        cache.get_many([b"doctor"])
    if not failures.kinds:
        yield Finding("cache", "ok", f"Redis answers within {settings.cache.timeout_s:g} s")
        return
    kind = failures.kinds[0]
    reported = f"Redis fails ({kind}): workers go on without it, and embed what it would have known"
    if kind in WAITING_KINDS:
        yield Finding("cache", "unreachable", reported, "start it, or correct MILLRACE_CACHE__REDIS_URL")
    else:
        yield Finding("cache", "wrong", reported, "correct the user, the password or the rights: docs/security.md")
