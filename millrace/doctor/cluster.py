"""Checks of a stream's topics on a cluster: who created them, their limits, and whether their replicas are in sync."""

from collections.abc import Iterator, Mapping, Sequence

from millrace.doctor.finding import Finding
from schemas.topics import Topic
from shared.broker.replicas import MESSAGE_LIMIT, MIN_IN_SYNC, RETENTION, ReplicaSurvey, TopicState
from shared.broker.security import Address
from shared.broker.survey import survey_topics

CREATE = "millrace topics create --replication 3"
SET_BY_CREATE = frozenset({RETENTION, MESSAGE_LIMIT})
"""Settings of which a topic has at least one if it was created with `millrace topics create`."""


def check_topics(
    address: Address, topics: Sequence[Topic], partitions: Mapping[str, int], timeout_s: float
) -> Iterator[Finding]:
    """Compare the topics with the schema, and check whether their replicas are in sync.

    Args:
        address: The brokers.
        topics: The topics that the schema requires, that of the input first.
        partitions: Number of partitions of each topic that exists.
        timeout_s: Timeout of each request.
    """
    create = f"{CREATE} --stream {topics[0].name}"
    existing = [topic for topic in topics if topic.name in partitions]
    missing = [topic.name for topic in topics if topic.name not in partitions]
    if missing:
        yield Finding("topics", "wrong", f"missing topics: {', '.join(missing)}", create)
    survey = survey_topics(address, [topic.name for topic in existing], timeout_s)
    states = {state.name: state for state in survey.topics}
    automatic = [t for t in existing if _was_created_by_broker(partitions[t.name], t.partitions, states.get(t.name))]
    few = [topic for topic in existing if topic not in automatic and partitions[topic.name] < topic.partitions]
    if automatic:
        yield _created_by_broker([states[topic.name] for topic in automatic], automatic[0].partitions, address, create)
    if few:
        reported = ", ".join(f"{topic.name} {partitions[topic.name]}" for topic in few)
        fix = (
            "nothing, if at "
            "most this "
            "many workers "
            "will share "
            "the stream; "
            "otherwise create "
            "the topic "
            "again with more "
            "partitions"
        )
        yield Finding("topics", "warning", f"fewer partitions than the default of {few[0].partitions}: {reported}", fix)
    if not missing and not few and not automatic:
        yield Finding("topics", "ok", f"all {len(topics)} exist: {', '.join(partitions)}")
    yield from _limits([topic for topic in existing if topic not in automatic], states, address)
    yield from _replicas(survey)
    if survey.refused:
        yield Finding(
            "topics",
            "skipped",
            f"the brokers do not let this user read the settings of {', '.join(survey.refused)}, for example {MIN_IN_SYNC}",
            "grant the user DescribeConfigs on these topics to have the settings checked: docs/security.md",
        )


def _was_created_by_broker(found: int, wanted: int, state: TopicState | None) -> bool:
    """Return whether a topic has one partition and, if its settings can be read, none of those that Millrace sets."""
    return found == 1 < wanted and state is not None and not state.own & SET_BY_CREATE


def _created_by_broker(found: Sequence[TopicState], wanted: int, address: Address, create: str) -> Finding:
    names, is_sure = [state.name for state in found], all(state.settings is not None for state in found)
    who = "not created by `millrace topics create`, probably by the broker itself"
    who = who if is_sure else "perhaps created by the broker itself"
    return Finding(
        "topics",
        "wrong",
        f"{', '.join(names)}: one partition instead of {wanted}, {who}; only one worker can read it",
        "set auto.create.topics.enable=false on the brokers; stop the producers of each topic and let the worker finish; "
        "delete the topic "
        "(kafka-topics.sh "
        "--bootstrap-server "
        f"{address} "
        "--delete --topic "
        f"{names[0]}), "
        "whose content is lost "
        "with it; "
        "then run "
        f"`{create}`. Do not add partitions: records of one id would move to another partition and lose their order. If "
        f"one partition is intended, set {RETENTION} on the topic itself, which marks it as created on purpose",
    )


def _limits(topics: Sequence[Topic], states: Mapping[str, TopicState], address: Address) -> Iterator[Finding]:
    for topic in topics:
        state = states.get(topic.name)
        if state is None or state.settings is None or MESSAGE_LIMIT not in state.settings:
            continue
        found, wanted = int(state.settings[MESSAGE_LIMIT]), topic.message_limit_bytes
        if found < wanted:
            yield Finding(
                "topic limits",
                "warning",
                f"{topic.name} refuses messages above {found} bytes, but Millrace may write up to {wanted} "
                f"({MESSAGE_LIMIT})",
                f"kafka-configs.sh --bootstrap-server {address} --alter --entity-type topics --entity-name {topic.name} "
                f"--add-config {MESSAGE_LIMIT}={wanted}",
            )


def _replicas(survey: ReplicaSurvey) -> Iterator[Finding]:
    refusing = [topic for topic in survey.topics if topic.refuses_writes]
    short = [topic for topic in survey.topics if topic not in refusing and topic.min_in_sync and topic.shortage()]
    lagging = [topic for topic in survey.topics if topic not in refusing]
    if refusing:
        yield Finding(
            "topics",
            "wrong",
            f"writes are refused: {survey.with_silent(topic.shortage() for topic in refusing)}",
            "start the brokers that are down, or wait until their replicas have caught up; the workers then continue by "
            "themselves",
        )
    if short:
        yield Finding(
            "topics",
            "warning",
            survey.with_silent(topic.shortage() for topic in short),
            f"{MIN_IN_SYNC} is larger than the number of replicas, so older brokers refuse every write: lower it, or "
            "give the topics more replicas",
        )
    behind = survey.with_silent(topic.lag() for topic in lagging)
    if behind:
        yield Finding(
            "topics",
            "warning",
            f"replicas are not in sync: {behind}",
            "start the brokers that are down; writes still succeed, but the loss of one more broker may stop them",
        )
