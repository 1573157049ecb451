"""The classes that an item is counted by: one function for workers, which count, and for the building of references."""

from schemas.decisions import Decision
from shared.drift.classes import confidence_class, length_class
from shared.facts import Traits

UNKNOWN = "unknown"
"""The class of items whose language, label or confidence is not known."""


def counted_by(decision: Decision | None, traits: Traits) -> dict[str, str]:
    """Return the class of an item in each field of `schemas.drift.BatchSums` that counts items.

    Streams without decisions or channels have no such classes. The class of a language that is uncertain is `unknown`.
    """
    classes = {"languages": traits.language or UNKNOWN, "lengths": length_class(traits.length_chars)}
    if traits.channel is not None:
        classes["channels"] = traits.channel
    if decision is not None:
        classes["labels"] = decision.label or UNKNOWN
        classes["actions"] = decision.action
        confidence = decision.confidence
        classes["confidences"] = UNKNOWN if confidence is None else confidence_class(confidence)
    return classes
