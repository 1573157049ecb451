"""Checks of a stream's topics on a cluster: who made them, their limits, and whether their copies are in sync."""

from collections.abc import Iterator, Mapping, Sequence

from millrace.doctor.finding import Finding
from schemas.topics import Topic
from shared.broker.replicas import MESSAGE_LIMIT, MIN_IN_SYNC, RETENTION, ReplicaSurvey, TopicState
from shared.broker.security import Address
from shared.broker.survey import survey_topics

CREATE = "millrace topics create"
SET_BY_CREATE = frozenset({RETENTION, MESSAGE_LIMIT})
"""Of these a topic shows at least one if a person made it with `millrace topics create`."""


def check_topics(
    address: Address, topics: Sequence[Topic], partitions: Mapping[str, int], timeout_s: float
) -> Iterator[Finding]:
    """Compare the topics with the schema, and look at their copies.

    Args:
        address: The brokers.
        topics: What the schema wants.
        partitions: Of each topic that is there.
        timeout_s: For each question.
    """
    there = [topic for topic in topics if topic.name in partitions]
    missing = [topic.name for topic in topics if topic.name not in partitions]
    if missing:
        yield Finding("topics", "wrong", f"there is no topic {', '.join(missing)}", CREATE)
    survey = survey_topics(address, [topic.name for topic in there], timeout_s)
    states = {state.name: state for state in survey.topics}
    made = [t for t in there if _was_made_by_a_broker(partitions[t.name], t.partitions, states.get(t.name))]
    few = [topic for topic in there if topic not in made and partitions[topic.name] < topic.partitions]
    if made:
        yield _made_by_a_broker([states[topic.name] for topic in made], made[0].partitions)
    if few:
        reported = ", ".join(f"{topic.name} {partitions[topic.name]}" for topic in few)
        fix = "as many workers as there are partitions can share a stream; more cannot be added without moving keys"
        yield Finding(
            "topics", "warning", f"fewer partitions than the {few[0].partitions} of the schema: {reported}", fix
        )
    if not missing and not few and not made:
        yield Finding("topics", "ok", f"all {len(topics)} are there: {', '.join(partitions)}")
    yield from _limits([topic for topic in there if topic not in made], states, address)
    yield from _copies(survey)
    if survey.refused:
        yield Finding(
            "topics",
            "skipped",
            f"the brokers do not let this user read the settings of {', '.join(survey.refused)}, as {MIN_IN_SYNC}",
            "allow it DescribeConfigs on them to have them compared: docs/security.md",
        )


def _was_made_by_a_broker(found: int, wanted: int, state: TopicState | None) -> bool:
    """Whether a topic has one partition and shows no setting of ours; where settings cannot be read, the one counts."""
    return found == 1 < wanted and state is not None and not state.own & SET_BY_CREATE


def _made_by_a_broker(found: Sequence[TopicState], wanted: int) -> Finding:
    names, is_sure = [state.name for state in found], all(state.settings is not None for state in found)
    who = "made by the broker itself, or without our settings" if is_sure else "perhaps made by the broker itself"
    return Finding(
        "topics",
        "wrong",
        f"{', '.join(names)}: one partition in place of {wanted}, {who}; only one worker can have work",
        "partitions cannot be added without moving keys: stop what writes to it, let the worker finish, delete it "
        f"(kafka-topics.sh --delete --topic {names[0]}), run `{CREATE}`, and set auto.create.topics.enable=false; if "
        f"one partition is meant, set its {RETENTION}",
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
                f"{topic.name} takes messages of {found} bytes, and {wanted} are wanted ({MESSAGE_LIMIT}): "
                "larger ones are refused",
                f"kafka-configs.sh --bootstrap-server {address} --alter --entity-type topics --entity-name {topic.name} "
                f"--add-config {MESSAGE_LIMIT}={wanted}",
            )


def _copies(survey: ReplicaSurvey) -> Iterator[Finding]:
    refusing = [topic for topic in survey.topics if topic.refuses_writes]
    short = [topic for topic in survey.topics if topic not in refusing and topic.min_in_sync and topic.shortage()]
    lagging = [topic for topic in survey.topics if topic not in refusing]
    if refusing:
        yield Finding(
            "topics",
            "wrong",
            f"writes are refused: {survey.with_silent(topic.shortage() for topic in refusing)}",
            "start the brokers that are down, or wait until their copies have caught up; the workers go on by themselves",
        )
    if short:
        yield Finding(
            "topics",
            "warning",
            survey.with_silent(topic.shortage() for topic in short),
            f"{MIN_IN_SYNC} is more than the replicas there are, for which older brokers refuse every write: lower it, or "
            "give the topics more replicas",
        )
    behind = survey.with_silent(topic.lag() for topic in lagging)
    if behind:
        yield Finding(
            "topics",
            "warning",
            f"copies are not in sync: {behind}",
            "start the brokers that are down; writes are confirmed, and one more loss may stop them",
        )
