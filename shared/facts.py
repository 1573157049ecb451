"""The facts about an item once its record is settled, for metrics and the watch for drift."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.decisions import Decision


@dataclass(frozen=True, slots=True)
class Traits:
    """What the watch for drift counts an item by, in addition to its decision. Metrics do not show it.

    Attributes:
        language: Its language; None if it is uncertain.
        channel: How it reached the company; None if its stream has no channels.
        length_chars: Number of characters of its embedded text.
        customer_id: The id of its customer, as it is stored; None if it has none.
        text: Its masked text.
    """

    language: str | None = None
    channel: str | None = None
    length_chars: int = 0
    customer_id: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Measures:
    """What a stream adds to the facts about an item.

    Attributes:
        person_label: The label that a person gave the item; None if nobody did.
        is_empty: Whether there was nothing to embed, so that the item was decided without content.
        offered: Cosine similarities of the similar items that the result offers; None if none are searched for.
        sizes: Values of histograms of the catalogue, by name, such as the length of a recording.
        counted: Counters of the catalogue that are increased by one, each with the value of its label.
        traits: What the watch for drift counts it by.
    """

    person_label: str | None = None
    is_empty: bool = False
    offered: tuple[float, ...] | None = None
    sizes: Mapping[str, float] = field(default_factory=dict)
    counted: tuple[tuple[str, str], ...] = ()
    traits: Traits = Traits()


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision that a person has judged by giving the item a label.

    Attributes:
        action: The action of the decision.
        agrees: Whether the decision named the same label.
        queue: The queue that it chose; None if it abstained.
    """

    action: str
    agrees: bool
    queue: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts about one item.

    Attributes:
        tenant_id: Its tenant.
        source_id: Its id in the source system.
        occurred_at: When the event happened at its source.
        sent_at_ms: The timestamp of its record, or when it was deferred first, in ms since the epoch; -1 if not known.
        is_published: Whether its results are published, for the first time.
        decision: The decision of the result; None if it has none.
        judged: What a label that a person has now given says about an earlier decision; None without these two.
        measures: What its stream adds.
    """

    tenant_id: str
    source_id: str
    occurred_at: datetime
    sent_at_ms: int
    is_published: bool
    decision: Decision | None
    judged: Judged | None
    measures: Measures
