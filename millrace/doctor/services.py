"""Checks of the services that a worker connects to: the brokers and its group, the vector store, the cache."""

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from millrace.configured import collection_spec, model_card
from millrace.doctor.cluster import check_topics
from millrace.doctor.finding import Finding
from millrace.doctor.foreign_points import check_foreign
from millrace.doctor.lost_unread import check_lost_unread
from millrace.doctor.machine import why_unusable
from millrace.doctor.search import check_similar
from millrace.resources import group_of
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
from shared.wording import counted

if TYPE_CHECKING:
    from shared.vectorstore.qdrant.survey import ServerSurvey

END_TRANSACTION = (
    "end or abort it in its producer; the broker aborts it after the producer's transaction.timeout.ms. If it stays open "
    "after that, find it with `kafka-transactions.sh find-hanging --topic T` and end it with `kafka-transactions.sh abort`"
)
WAITING_KINDS = ("timeout", "connection")
"""Failures of Redis that may be temporary; others are not."""


def check_broker(
    settings: Settings, own: StreamSettings, stream: Stream[Any, Any], timeout_s: float
) -> Iterator[Finding]:
    """Connect to the brokers, and compare the topics with the schema; then check the consumer group."""
    if settings.broker.bootstrap is None:
        if settings.broker.security_protocol != "plaintext":
            fix = "set MILLRACE_BROKER__BOOTSTRAP"
            what = "MILLRACE_BROKER__SECURITY_PROTOCOL is set, but no address of the brokers"
            yield Finding("broker", "wrong", what, fix)
        else:
            what = "no brokers are configured: a worker runs an embedded broker, which is not Kafka"
            yield Finding("broker", "skipped", what)
        return
    address = Brokers(settings.broker.bootstrap, settings.broker)
    topics, group = stream.topics(), group_of(own, stream.name)
    found = survey_brokers(address, [topic.name for topic in topics], timeout_s)
    yield Finding(
        "broker", "ok", f"{counted(found.brokers, 'broker')} at {address}, by {settings.broker.security_protocol}"
    )
    yield from check_topics(address, topics, found.partitions, timeout_s)
    read = [input_topic(stream.name), redo_topic(stream.name)]
    if set(read) <= set(found.partitions):
        yield from _group(address, group, read, timeout_s)
        yield from check_lost_unread(address, group, read)


def _group(address: Brokers, group: str, topics: list[str], timeout_s: float) -> Iterator[Finding]:
    waits, fix = "", ""
    with suppress(Unavailable):  # the survey of the group asks the same brokers, and reports why they do not answer
        waiting = total(OpenTransactions(address, topics, timeout_s).measure())
        if waiting.records:
            waits, fix = waiting.describe(SystemClock().now()), END_TRANSACTION
    try:
        found = survey_group(address, group, topics, timeout_s)
    except Unavailable as outage:
        yield Finding(
            "group",
            "unreachable",
            f"{group}: {outage.detail}",
            "try again, or grant the user Describe on the group: docs/security.md",
        )
        if waits:
            yield Finding("group", "warning", waits, fix)
        return
    doubt = "" if found.is_counted else " (counted in offsets, which may include transaction markers)"
    if found.state is None:
        reported = f"the group {group} does not exist yet; waiting for it: {counted(found.behind, 'record')}{doubt}"
    else:
        reported = f"{group} is {found.state}, {counted(found.behind, 'record')} behind{doubt}"
    yield Finding("group", "warning" if waits else "ok", f"{reported}; {waits}" if waits else reported, fix)


def check_store(
    settings: Settings, own: StreamSettings, stream: Stream[Any, Any], timeout_s: float
) -> Iterator[Finding]:
    """Check the store, and the collection that the readers' alias points to."""
    spec = collection_spec(own, stream)
    if settings.store.url is None:
        yield from _embedded(settings, own, stream)
        return
    from shared.vectorstore.qdrant.store import connect  # takes a second, so imported only if a server is configured
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
    """Report which proxy is used for the store, and which variables of the environment are not used for it."""
    from shared.vectorstore.qdrant.client import proxy_of, unused_proxies

    used, unused = proxy_of(settings.store), unused_proxies(os.environ)
    reported = [f"the store is reached through the proxy {used}" if used else "no proxy is used for the store"]
    if unused:
        reported.append(f"{', '.join(unused)} is ignored for the store; to use a proxy, set MILLRACE_STORE__PROXY")
    if used or unused:
        yield Finding("proxy", "ok", "; ".join(reported))


def _server(found: "ServerSurvey", spec: CollectionSpec, url: str) -> Iterator[Finding]:
    yield Finding("store", "ok", f"Qdrant {found.version} at {url}")
    for fault in found.faults:
        fix = "delete the collection, after a snapshot if its points are needed, then index again"
        yield Finding("store", "wrong", f"collection {spec.name} was created with other parameters: {fault}", fix)
    for limit in found.limits:
        fix = "raise the limit, or switch strict mode off"
        yield Finding("store", "wrong", f"the strict mode of collection {spec.name} sets a limit too low: {limit}", fix)
    if found.exists and not found.faults and not found.limits:
        yield Finding("store", "ok", f"collection {spec.name} exists, and its version guard works")
    if found.target is None and not found.sees_alias:
        reported = (
            f"the API key may not read the alias {spec.alias}: a worker starts, but does not notice if the "
            "alias is moved"
        )
        yield Finding("alias", "warning", reported, f"extend the key's access to {spec.alias}")
    else:
        yield _alias(spec, found.target)


def _points(collection: Collection, own: StreamSettings, stream: Stream[Any, Any]) -> Iterator[Finding]:
    yield from check_foreign(collection, stream.points, SystemClock())
    yield from check_similar(collection, own.search, stream)


def _embedded(settings: Settings, own: StreamSettings, stream: Stream[Any, Any]) -> Iterator[Finding]:
    folder, spec = settings.store.path, collection_spec(own, stream)
    fix = "set MILLRACE_STORE__PATH, or change the folder's owner or permissions"
    why = why_unusable(folder)
    if why is not None:
        yield Finding("store", "wrong", f"{folder} cannot be written: {why}", fix)
        return
    try:
        owner = owner_of(folder)
    except OSError as error:
        why = f"user {os.getuid()} cannot read {error.filename}: {error.strerror}"
        yield Finding("store", "wrong", f"the process that uses {folder} cannot be determined: {why}", fix)
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
        return Finding("alias", "ok", f"there is no alias {alias} yet: the first worker creates {wanted}")
    if target == wanted:
        return Finding("alias", "ok", f"{alias} points to {target}")
    return Finding(
        "alias",
        "warning",
        f"{alias} points to {target}, but the configured model writes {wanted}: readers and the audit use {target}",
        f"configure the model of {target} again, or index all items into {wanted} and switch the alias",
    )


class _Failures(Observer):
    """Keeps the kinds of the cache's failures."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def cache_failed(self, operation: str, kind: str) -> None:
        """Keep the kind of the failure."""
        self.kinds.append(kind)


def check_cache(settings: Settings, own: StreamSettings) -> Iterator[Finding]:
    """Ask Redis for a vector under a key that is not in use."""
    if settings.cache.redis_url is None:
        yield Finding(
            "cache",
            "skipped",
            "no Redis is "
            "configured: vectors "
            "are cached "
            "only in the "
            "worker's "
            "memory, up to "
            f"{settings.cache.memory_mib} MiB",
        )
        return
    from shared.cache.redis import RedisCache  # takes half a second, so imported only if Redis is configured

    failures = _Failures()
    with closing(RedisCache(settings.cache, model_card(own).dim, SystemClock(), failures)) as cache:
        cache.get_many([b"doctor"])
    if not failures.kinds:
        yield Finding("cache", "ok", f"Redis answers within {settings.cache.timeout_s:g} s")
        return
    kind = failures.kinds[0]
    reported = (
        f"Redis fails ({kind}): workers continue without Redis, and embed texts again whose vectors are only there"
    )
    if kind in WAITING_KINDS:
        yield Finding("cache", "unreachable", reported, "start it, or correct MILLRACE_CACHE__REDIS_URL")
    else:
        yield Finding("cache", "wrong", reported, "correct the user, the password or the permissions: docs/security.md")
