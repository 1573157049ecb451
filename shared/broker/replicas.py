"""How a stream's topics are replicated and configured: in-sync copies, leaders, and the settings that decide on writes.

`doctor` asks this of every topic, and a producer asks it of the topics whose messages timed out: the client repeats a write
that the brokers refuse for want of in-sync copies until its time is over, and then reports the time alone.
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

library: Any = kafka_admin  # whose types leave out the names of settings

MIN_IN_SYNC, MESSAGE_LIMIT, RETENTION = "min.insync.replicas", "max.message.bytes", "retention.ms"
SET_ON_TOPIC = library.ConfigSource.DYNAMIC_TOPIC_CONFIG.value


@dataclass(frozen=True, slots=True)
class TopicState:
    """What was found of a topic.

    Attributes:
        name: The topic.
        copies: Of each partition, how many replicas it has.
        in_sync: Of each partition, how many replicas are in sync, on brokers that answer.
        without_leader: How many partitions have no leader that answers.
        settings: The settings in force; None: they could not be read.
        own: The names of those that were set on the topic itself.
    """

    name: str
    copies: tuple[int, ...]
    in_sync: tuple[int, ...]
    without_leader: int
    settings: Mapping[str, str] | None = None
    own: frozenset[str] = frozenset()

    @property
    def min_in_sync(self) -> int | None:
        """How many in-sync copies a confirmed write needs, as configured; None: unknown."""
        return None if self.settings is None else int(self.settings[MIN_IN_SYNC])

    @property
    def refuses_writes(self) -> bool:
        """Whether a partition has no leader, or fewer in-sync copies than are wanted and than it has replicas.

        Brokers of today want no more copies than there are replicas; older ones refuse every write then.
        """
        wanted = self.min_in_sync or 1
        return self.without_leader > 0 or any(
            found < min(wanted, copies) for found, copies in zip(self.in_sync, self.copies, strict=True)
        )

    def shortage(self) -> str:
        """Return what may keep writes from being confirmed, in words; empty if nothing does."""
        wanted = self.min_in_sync
        short = [found for found in self.in_sync if found < (wanted or 1)]
        said = []
        if wanted is not None and short:
            said.append(f"{self._have(short)}, {MIN_IN_SYNC} wants {wanted}")
        if wanted is None and self._behind:
            said.append(f"{self._have(self._behind)} of {max(self.copies)}, and {MIN_IN_SYNC} could not be read")
        if self.without_leader:
            said.append(f"{self.without_leader} of {len(self.copies)} partitions have no leader")
        return f"{self.name}: {'; '.join(said)}" if said else ""

    def lag(self) -> str:
        """Return how many partitions have fewer in-sync copies than replicas, in words; empty if none has."""
        return f"{self.name}: {self._have(self._behind)} of {max(self.copies)}" if self._behind else ""

    @property
    def _behind(self) -> list[int]:
        return [found for found, copies in zip(self.in_sync, self.copies, strict=True) if found < copies]

    def _have(self, found: list[int]) -> str:
        least, most = min(found), max(found)
        span = str(least) if least == most else f"{least} to {most}"
        copies = "in-sync copy" if least == most == 1 else "in-sync copies"
        return f"{len(found)} of {len(self.in_sync)} partitions have {span} {copies}"


@dataclass(frozen=True, slots=True)
class ReplicaSurvey:
    """What was found of all topics asked about that are there.

    Attributes:
        topics: In the order asked for.
        silent: The ids of brokers that hold in-sync copies, by the cluster's metadata, and do not answer.
        refused: The topics whose settings this user may not read.
        is_embedded: Whether this is librdkafka's mock cluster.
    """

    topics: tuple[TopicState, ...]
    silent: tuple[int, ...]
    refused: tuple[str, ...]
    is_embedded: bool

    def with_silent(self, found: Iterable[str]) -> str:
        """Return what was found of some topics as one text, with the brokers that do not answer; empty if nothing was."""
        said = [text for text in found if text]
        if said and self.silent:
            one, ids = len(self.silent) == 1, ", ".join(map(str, self.silent))
            said.append(f"broker {ids} does not answer" if one else f"brokers {ids} do not answer")
        return "; ".join(said)

    def shortage(self) -> str:
        """Return what may keep writes from being confirmed, in words; empty if nothing does."""
        return self.with_silent(topic.shortage() for topic in self.topics)


def survey_replicas(admin: AdminClient, topics: Sequence[str], timeout_s: float) -> ReplicaSurvey:
    """Ask for the topics' partitions and settings, and every broker that holds a copy whether it answers.

    The metadata alone do not show a copy that is gone while the controllers have no majority: nobody notes it then.

    Args:
        admin: Asks; it should not create topics by asking.
        topics: A topic that is missing is left out.
        timeout_s: For each of the two questions.

    Raises:
        KafkaException: no broker answers.
    """
    cluster = admin.list_topics(timeout=timeout_s)
    found = {name: cluster.topics[name] for name in topics if name in cluster.topics}
    there = {name: topic.partitions.values() for name, topic in found.items() if topic.error is None}
    if not there or str(cluster.cluster_id).startswith(CLUSTER):
        return ReplicaSurvey((), (), (), is_embedded=bool(there))
    holders = {each for partitions in there.values() for p in partitions for each in p.isrs} & set(cluster.brokers)
    asked = {holder: _ask(admin, holder, list(there), timeout_s) for holder in sorted(holders)}
    silent = [holder for holder, answers in asked.items() if _is_silent(answers[str(holder)], timeout_s)]
    answering = set(cluster.brokers) - {*silent}
    answers = next((asked[holder] for holder in asked if holder not in silent), {})
    states, refused = [], []
    for name, partitions in there.items():
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
                copies=tuple(len(p.replicas) for p in partitions),
                in_sync=tuple(len(answering & set(p.isrs)) for p in partitions),
                without_leader=sum(p.leader not in answering for p in partitions),
                settings=values,
                own=own,
            )
        )
    return ReplicaSurvey(tuple(states), tuple(silent), tuple(refused), is_embedded=False)


def _ask(admin: AdminClient, broker: int, topics: list[str], timeout_s: float) -> "dict[str, Future[Any]]":
    """Ask a broker for its settings and those of topics, and return the answers by name; nothing is waited for.

    Naming the broker makes the client turn to it. Topics alone are asked of what the metadata call the controller, which is
    any broker, and perhaps one that does not answer.
    """
    kinds = library.ResourceType
    wanted = [library.ConfigResource(kinds.BROKER, str(broker))]
    wanted += [library.ConfigResource(kinds.TOPIC, topic) for topic in topics]
    answers = admin.describe_configs(wanted, request_timeout=timeout_s)
    return {resource.name: answer for resource, answer in answers.items()}


def _is_silent(answer: "Future[Any]", timeout_s: float) -> bool:
    """Whether nothing came from a broker; that it refuses this user is an answer."""
    try:
        answer.result(timeout_s + 1)
    except KafkaException as error:
        return bool(error.args[0].code() < 0)  # the client's own codes are negative
    except TimeoutError:
        return True
    return False
