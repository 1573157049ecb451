"""Builds the message that sends a dead letter to the redo topic, or to the quarantine after too many replays."""

from schemas.topics import quarantine_topic, redo_topic
from shared.deadletters.envelope import DeadLetter, with_replays
from shared.records import Message


def replay_message(letter: DeadLetter, stream: str, max_replays: int) -> Message:
    """Return the dead letter as a message to redo; after `max_replays` replays, unchanged to the quarantine.

    If the record fails again, its new dead letter keeps the count, because the worker copies it (`write_dead_letter`).
    """
    record = letter.record
    if letter.replays >= max_replays:
        return Message(quarantine_topic(stream), record.key, record.value, record.headers)
    return _to_redo(letter, stream, letter.replays + 1)


def replay_from_quarantine(letter: DeadLetter, stream: str) -> Message:
    """Return a dead letter of the quarantine as a message to redo, counted as its first replay.

    Somebody has decided to try it again; with its old count it would come straight back to the quarantine.
    """
    return _to_redo(letter, stream, 1)


def _to_redo(letter: DeadLetter, stream: str, replays: int) -> Message:
    record = letter.record
    return Message(redo_topic(stream), record.key, record.value, with_replays(letter, replays))
