"""Turns the shares of labels into an action, `auto`, `review` or `abstain`, and a reason from a fixed list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from schemas.decisions import Action, Priority
from shared.routing.policy import Policy

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""All priorities, lowest first."""


AnswerKind = Literal["vote", "head", "zero_shot"]
"""What names the labels of an event: its labelled neighbours, a trained head, or the names of the labels alone."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The facts about one event that its verdict depends on.

    Attributes:
        shares: Labels with their share of the vote or probability, best first; empty if no point voted.
        kind: What gave the shares.
        in_scope: Whether the scope score reaches the head's threshold; always true without a head.
        abstains: Why no label may be chosen, as a fixed word; None if one may.
        agent_decided: Whether a person has already chosen a label.
        priority: The event's own priority.
        tenant_id: The event's tenant; None stands for a tenant that has no section in the policy.
    """

    shares: Sequence[tuple[str, float]]
    kind: AnswerKind
    in_scope: bool
    agent_decided: bool
    priority: Priority
    tenant_id: str | None
    abstains: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The action for an event, with its details. `docs/routing.md` explains each `action_reason`."""

    action: Action
    action_reason: str
    label: str | None
    queue: str | None
    priority: Priority
    confidence: float | None


def judge(event: Judged, policy: Policy) -> Verdict:
    """Return the verdict on an event.

    If several reasons apply, the first in this list is reported: the stream's own reason to abstain, such as `no_text`,
    `no_labelled_neighbours`, `out_of_scope`, `vote_split`, `head_split` or `zero_shot_split` (these abstain),
    `agent_decided`, `zero_shot`, `vote_unsure` or `head_unsure`, `never_auto` (these are for review), `vote_clear` or
    `head_clear` (auto). So `never_auto` always means that the event would otherwise have been routed without review.

    The priority is raised to the rule's, never lowered; an abstention, which trusts no label, leaves it unchanged.
    """
    if event.abstains is not None:
        return _abstention(event, event.abstains, None)
    if not event.shares:
        return _abstention(event, "no_labelled_neighbours", None)
    label, share = event.shares[0]
    confidence = min(1.0, share)
    if not event.in_scope:
        return _abstention(event, "out_of_scope", confidence)
    rule = policy.rule(event.tenant_id, label)
    if confidence < rule.review_at:
        return _abstention(event, f"{event.kind}_split", confidence)
    action: Action = "review"
    if event.agent_decided:
        reason = "agent_decided"
    elif event.kind == "zero_shot":
        reason = "zero_shot"
    elif confidence < rule.auto_at:
        reason = f"{event.kind}_unsure"
    elif rule.never_auto:
        reason = "never_auto"
    else:
        action, reason = "auto", f"{event.kind}_clear"
    return Verdict(action, reason, label, rule.queue, raised(event.priority, rule.priority), confidence)


def raised(own: Priority, wanted: Priority | None) -> Priority:
    """Return the higher of two priorities."""
    return own if wanted is None else max(own, wanted, key=PRIORITIES.index)


def _abstention(event: Judged, reason: str, confidence: float | None) -> Verdict:
    return Verdict("abstain", reason, None, None, event.priority, confidence)


def ranked(labels: Sequence[str], probabilities: NDArray[np.float32]) -> list[tuple[str, float]]:
    """Return a head's labels with their probabilities, best first; labels of equal probability keep the head's order.

    Args:
        labels: The head's labels, in its order.
        probabilities: The probabilities for one item: shape (labels,), float32, summing to 1.
    """
    return [(labels[at], float(probabilities[at])) for at in np.argsort(-probabilities, kind="stable")]
