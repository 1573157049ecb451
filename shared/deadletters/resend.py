"""The message that a dead letter becomes when it is replayed: the original bytes and key, the envelope, one replay more."""

from schemas.topics import quarantine_topic, redo_topic
from shared.deadletters.envelope import DeadLetter, with_replays
from shared.records import Message


def resend(letter: DeadLetter, stream: str, max_replays: int) -> Message:
    """Return the letter as a message to redo; to quarantine, as it is, once it was replayed `max_replays` times.

    A letter that fails again keeps the count, because its worker carries it on (`write_letter`).
    """
    record = letter.record
    if letter.replays >= max_replays:
        return Message(quarantine_topic(stream), record.key, record.value, record.headers)
    return _to_redo(letter, stream, letter.replays + 1)


def release(letter: DeadLetter, stream: str) -> Message:
    """Return a letter of the quarantine as a message to redo, this being its first replay again.

    Somebody has decided to try it; with the count it had, it would come straight back.
    """
    return _to_redo(letter, stream, 1)


def _to_redo(letter: DeadLetter, stream: str, replays: int) -> Message:
    record = letter.record
    return Message(redo_topic(stream), record.key, record.value, with_replays(letter, replays))
