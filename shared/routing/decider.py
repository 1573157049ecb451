"""Decides events: a trained head, else a vote of labelled neighbours, else labels by their names; then the policy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Protocol, TypeVar
from uuid import UUID

import numpy as np

from schemas.decisions import Decision, LabelScore, Priority
from schemas.points import IsOurs
from shared.records import Vector
from shared.routing.neighbours import vote
from shared.routing.policy import Policy
from shared.routing.verdict import AnswerKind, Judged, judge, ranked
from shared.routing.zero_shot import ZeroShot
from shared.vectorstore.port import Collection, Hit, Query
from shared.vectorstore.widening import search_ours

if TYPE_CHECKING:  # the libraries of a head take seconds to import, and the vote does not need them
    from shared.routing.head import Head

TOP_LABELS = 3


@dataclass(frozen=True, slots=True)
class Routing:
    """The policy and the head that decide events.

    Attributes:
        policy: The action and the queue for each label.
        head: The trained head; if None, the vote of labelled neighbours decides.
        zero_shot: Judges the events that have no labelled neighbours; None if nothing judges them. It is not used if
            there is a head.

    Raises:
        Fatal: the policy has no row for some of the head's labels, or it has rows, but none for some of the zero-shot
            labels.
    """

    policy: Policy
    head: "Head | None" = None
    zero_shot: ZeroShot | None = None

    def __post_init__(self) -> None:
        """Check that the policy covers the labels that can be answered."""
        if self.head is not None:
            self.policy.check_labels(self.head.labels)
        elif self.zero_shot is not None:
            self.policy.check_zero_shot(self.zero_shot.labels)

    @property
    def fingerprint(self) -> str | None:
        """The head's fingerprint; None if the vote decides."""
        return None if self.head is None else self.head.fingerprint


@dataclass(frozen=True, slots=True)
class Undecided:
    """An event that needs a decision.

    Attributes:
        point_id: Id of its point, which does not vote on itself.
        tenant_id: Its tenant.
        text: The text that was embedded.
        vectors: Its vectors by the name of their input, each of shape (dim,), unit length; an input that the event
            lacks is absent.
        priority: The event's own priority.
        agent_decided: Whether a person has already chosen a label.
        previous_queue: The queue of its earlier result; None if it has no earlier result.
        abstains: Why no label may be chosen for it, as a fixed word; None if one may.
    """

    point_id: UUID
    tenant_id: str
    text: str
    vectors: Mapping[str, Vector]
    priority: Priority
    agent_decided: bool
    previous_queue: str | None = None
    abstains: str | None = None


class Decidable(Protocol):
    """An item that gets a decision, unless it has one."""

    decision: Decision | None


DecidableT = TypeVar("DecidableT", bound=Decidable)


@dataclass(frozen=True, slots=True)
class Answer:
    """The labels that were found for one event.

    Attributes:
        shares: Labels with their share of the vote or probability, best first.
        kind: What gave the shares: the vote, the head or the names of the labels.
        head: Fingerprint of the head that answered; None without a head.
        scope: The head's scope score; None without a head.
        in_scope: Whether the scope score reaches the head's threshold; always true without a head.
    """

    shares: Sequence[tuple[str, float]]
    kind: AnswerKind = "vote"
    head: str | None = None
    scope: float | None = None
    in_scope: bool = True


@dataclass(frozen=True, slots=True)
class Electorate:
    """The voters if no head exists: the nearest labelled points of the same tenant.

    Attributes:
        collection: The collection of the points.
        using: Name of the vector that is compared.
        neighbours: Number of points that vote.
        id_field: The payload field of the source id.
        is_ours: Returns whether Millrace wrote a point, judged by its id, its tenant and its source id.
    """

    collection: Collection
    using: str
    neighbours: int
    id_field: str
    is_ours: IsOurs

    def vote(self, events: Sequence[Undecided]) -> list[Answer]:
        """Return the vote on each event; nobody votes on an event that lacks the vector.

        Raises:
            Unavailable: the store cannot be read.
        """
        asked = [row for row, event in enumerate(events) if self.using in event.vectors]
        answers = [Answer([])] * len(events)
        voters = search_ours([self._voters(events[row]) for row in asked], self.collection.search, self._may_vote)
        for row, hits in zip(asked, voters, strict=True):
            others = [hit for hit in hits if hit.id != events[row].point_id]
            answers[row] = Answer(vote(others[: self.neighbours], "label"))
        return answers

    def _voters(self, event: Undecided) -> Query:
        return Query(
            vector=event.vectors[self.using],
            using=self.using,
            limit=self.neighbours + 1,  # the event's own point may be among them
            equals={"tenant_id": event.tenant_id, "flags": "labelled"},
            payload=("tenant_id", self.id_field, "label"),
        )

    def _may_vote(self, _: Query, hit: Hit) -> bool:
        """Return whether a hit is a labelled point that Millrace wrote, and not another program's."""
        return isinstance(hit.payload.get("label"), str) and isfinite(hit.score) and self.is_ours(hit.id, hit.payload)


class Decider:
    """Decides events by a head, or by the vote of the tenant's labelled points.

    Args:
        routing: The policy, the head, if one decides instead of the vote, and what judges an event without voters.
        electorate: The labelled points that vote.
    """

    def __init__(self, routing: Routing, electorate: Electorate) -> None:
        self._routing, self._electorate = routing, electorate

    def decide(self, events: Sequence[Undecided]) -> list[Decision]:
        """Return the decision on each event.

        Raises:
            Unavailable: the store cannot be read.
        """
        if not events:
            return []
        policy, answers = self._routing.policy, self._answers(events)
        return [to_decision(event, answer, policy) for event, answer in zip(events, answers, strict=True)]

    def decide_items(self, items: Sequence[DecidableT], undecided: Callable[[DecidableT], Undecided]) -> None:
        """Set the decision of every item, except a repeat that already has one.

        Args:
            items: The items.
            undecided: Returns the data by which an item is decided.

        Raises:
            Unavailable: the store cannot be read.
        """
        open_ = [item for item in items if item.decision is None]
        for item, decision in zip(open_, self.decide([undecided(item) for item in open_]), strict=True):
            item.decision = decision

    def _answers(self, events: Sequence[Undecided]) -> list[Answer]:
        if self._routing.head is not None:
            return _ask(self._routing.head, events)
        answers, zero_shot = self._electorate.vote(events), self._routing.zero_shot
        return answers if zero_shot is None else _with_names(answers, events, zero_shot)


def to_decision(event: Undecided, answer: Answer, policy: Policy) -> Decision:
    """Apply the policy to an answer, and return the decision."""
    judged = Judged(
        shares=answer.shares,
        kind=answer.kind,
        in_scope=answer.in_scope,
        agent_decided=event.agent_decided,
        priority=event.priority,
        tenant_id=event.tenant_id,
        abstains=event.abstains,
    )
    verdict = judge(judged, policy)
    return Decision(
        action=verdict.action,
        action_reason=verdict.action_reason,
        label=verdict.label,
        queue=verdict.queue,
        priority=verdict.priority,
        confidence=verdict.confidence,
        top=tuple(LabelScore(label=label, share=min(1.0, share)) for label, share in answer.shares[:TOP_LABELS]),
        previous_queue=event.previous_queue,
        policy=policy.sha256,
        head=answer.head,
        scope=answer.scope,
    )


def _ask(head: "Head", events: Sequence[Undecided]) -> list[Answer]:
    features = head.features([event.vectors for event in events])
    predicted = head.predict([event.text for event in events], features)
    return [
        Answer(ranked(head.labels, shares), "head", head.fingerprint, float(scope), bool(scope >= head.scope_at))
        for shares, scope in zip(predicted.probabilities, predicted.scope, strict=True)
    ]


def _with_names(answers: Sequence[Answer], events: Sequence[Undecided], by_name: ZeroShot) -> list[Answer]:
    """Return the answers, with those of the zero-shot judge for the events on which nobody voted."""
    named, using = list(answers), by_name.using
    rows = [row for row, answer in enumerate(answers) if not answer.shares and using in events[row].vectors]
    if rows:
        probabilities = by_name.probabilities(np.stack([events[row].vectors[using] for row in rows]))
        for row, shares in zip(rows, probabilities, strict=True):
            named[row] = Answer(ranked(by_name.labels, shares), "zero_shot")
    return named
