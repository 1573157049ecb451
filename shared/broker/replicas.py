"""Replication and configuration of a stream's topics: in-sync replicas, leaders, and the settings that affect writes.

`doctor` checks every topic, and a producer checks the topics whose messages timed out. If the brokers refuse a write
because too few replicas are in sync, the client retries it until the delivery timeout and then reports only that timeout.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka import admin as kafka_admin
from confluent_kafka.admin import AdminClient

from shared.broker.embedded import CLUSTER
from shared.broker.security import REFUSED_CODES

library: Any = kafka_admin  # its type stubs leave out the names of settings

MIN_IN_SYNC, MESSAGE_LIMIT, RETENTION = "min.insync.replicas", "max.message.bytes", "retention.ms"
SET_ON_TOPIC = library.ConfigSource.DYNAMIC_TOPIC_CONFIG.value


@dataclass(frozen=True, slots=True)
class TopicState:
    """The state of a topic.

    Attributes:
        name: The topic.
        replicas: For each partition, the number of its replicas.
        in_sync: For each partition, the number of its in-sync replicas on brokers that answer.
        without_leader: Number of partitions that have no leader, or whose leader does not answer.
        settings: The settings in force; None if they could not be read.
        own: The names of the settings that were set on the topic itself.
    """

    name: str
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]
    without_leader: int
    settings: Mapping[str, str] | None = None
    own: frozenset[str] = frozenset()

    @property
    def min_in_sync(self) -> int | None:
        """The configured number of in-sync replicas that a confirmed write needs; None if not known."""
        return None if self.settings is None else int(self.settings[MIN_IN_SYNC])

    @property
    def refuses_writes(self) -> bool:
        """Whether a partition has no leader, or too few in-sync replicas: fewer than required, and not all.

        Current brokers require no more in-sync replicas than there are; older ones refuse every write in that case.
        """
        wanted = self.min_in_sync or 1
        return self.without_leader > 0 or any(
            found < min(wanted, replicas) for found, replicas in zip(self.in_sync, self.replicas, strict=True)
        )

    def shortage(self) -> str:
        """Return, in words, what can prevent writes from being confirmed; empty if nothing does."""
        needed = self.min_in_sync
        short = [found for found in self.in_sync if found < (needed or 1)]
        reasons = []
        if needed is not None and short:
            reasons.append(f"{self._have(short)}, {MIN_IN_SYNC} requires {needed}")
        if needed is None and self._behind:
            reasons.append(f"{self._have(self._behind)} of {max(self.replicas)}, and {MIN_IN_SYNC} could not be read")
        if self.without_leader:
            reasons.append(f"{self.without_leader} of {len(self.replicas)} partitions have no leader")
        return f"{self.name}: {'; '.join(reasons)}" if reasons else ""

    def lag(self) -> str:
        """Return, in words, how many partitions have fewer in-sync replicas than replicas; empty if no partition has."""
        return f"{self.name}: {self._have(self._behind)} of {max(self.replicas)}" if self._behind else ""

    @property
    def _behind(self) -> list[int]:
        return [found for found, replicas in zip(self.in_sync, self.replicas, strict=True) if found < replicas]

    def _have(self, found: list[int]) -> str:
        least, most = min(found), max(found)
        span = str(least) if least == most else f"{least} to {most}"
        replicas = "in-sync replica" if least == most == 1 else "in-sync replicas"
        return f"{len(found)} of {len(self.in_sync)} partitions have {span} {replicas}"


@dataclass(frozen=True, slots=True)
class ReplicaSurvey:
    """The state of the requested topics that exist.

    Attributes:
        topics: In the requested order.
        silent: The ids of brokers that do not answer although, by the cluster's metadata, they hold in-sync replicas.
        refused: The topics whose settings this user may not read.
        is_embedded: Whether this is librdkafka's mock cluster.
    """

    topics: tuple[TopicState, ...]
    silent: tuple[int, ...]
    refused: tuple[str, ...]
    is_embedded: bool

    def with_silent(self, found: Iterable[str]) -> str:
        """Return the findings about topics as one text, with the brokers that do not answer; empty without findings."""
        texts = [text for text in found if text]
        if texts and self.silent:
            one, ids = len(self.silent) == 1, ", ".join(map(str, self.silent))
            texts.append(f"broker {ids} does not answer" if one else f"brokers {ids} do not answer")
        return "; ".join(texts)

    def shortage(self) -> str:
        """Return, in words, what can prevent writes from being confirmed; empty if nothing does."""
        return self.with_silent(topic.shortage() for topic in self.topics)


def survey_replicas(admin: AdminClient, topics: Sequence[str], timeout_s: float) -> ReplicaSurvey:
    """Query the topics' partitions and settings, and check whether every broker that holds a replica answers.

    The metadata alone does not show a lost replica while the controllers have no majority: then nothing updates it.

    Args:
        admin: Sends the requests; it must be configured not to create topics when it asks for them.
        topics: The topics; a missing topic is left out.
        timeout_s: For each of the two requests.

    Raises:
        KafkaException: no broker answers.
    """
    cluster = admin.list_topics(timeout=timeout_s)
    found = {name: cluster.topics[name] for name in topics if name in cluster.topics}
    existing = {name: topic.partitions.values() for name, topic in found.items() if topic.error is None}
    if not existing or str(cluster.cluster_id).startswith(CLUSTER):
        return ReplicaSurvey((), (), (), is_embedded=bool(existing))
    holders = {each for partitions in existing.values() for p in partitions for each in p.isrs} & set(cluster.brokers)
    asked = {holder: _ask(admin, holder, list(existing), timeout_s) for holder in sorted(holders)}
    silent = [holder for holder, answers in asked.items() if _is_silent(answers[str(holder)], timeout_s)]
    answering = set(cluster.brokers) - {*silent}
    answers = next((asked[holder] for holder in asked if holder not in silent), {})
    states, refused = [], []
    for name, partitions in existing.items():
        values, own = None, frozenset[str]()
        try:
            entries = answers[name].result(timeout_s + 1) if answers else None
        except KafkaException as error:
            entries = None
            if error.args[0].code() in REFUSED_CODES:
                refused.append(name)
        if entries is not None:
            values = {key: entry.value for key, entry in entries.items()}
            own = frozenset(key for key, entry in entries.items() if entry.source == SET_ON_TOPIC)
        states.append(
            TopicState(
                name=name,
                replicas=tuple(len(p.replicas) for p in partitions),
                in_sync=tuple(len(answering & set(p.isrs)) for p in partitions),
                without_leader=sum(p.leader not in answering for p in partitions),
                settings=values,
                own=own,
            )
        )
    return ReplicaSurvey(tuple(states), tuple(silent), tuple(refused), is_embedded=False)


def _ask(admin: AdminClient, broker: int, topics: list[str], timeout_s: float) -> "dict[str, Future[Any]]":
    """Request the settings of a broker and of topics, and return the pending answers by name, without waiting.

    Because the request names the broker, the client sends it to that broker. A request about topics alone would go to
    the controller named in the metadata, which can be any broker, even one that does not answer.
    """
    kinds = library.ResourceType
    wanted = [library.ConfigResource(kinds.BROKER, str(broker))]
    wanted += [library.ConfigResource(kinds.TOPIC, topic) for topic in topics]
    answers = admin.describe_configs(wanted, request_timeout=timeout_s)
    return {resource.name: answer for resource, answer in answers.items()}


def _is_silent(answer: "Future[Any]", timeout_s: float) -> bool:
    """Return whether a broker did not answer; refusing this user counts as an answer."""
    try:
        answer.result(timeout_s + 1)
    except KafkaException as error:
        return bool(error.args[0].code() < 0)  # the client's own codes are negative
    except TimeoutError:
        return True
    return False
