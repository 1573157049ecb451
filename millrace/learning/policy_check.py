"""Tests a routing policy on labelled texts: the share of texts for each action, and how many of them are right."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from millrace.learning.labelled_files import some
from schemas.decisions import Action
from shared.errors import Fatal
from shared.routing.head import Head, Predictions
from shared.routing.policy import Policy
from shared.routing.verdict import Judged, Verdict, judge, ranked

ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class Answered:
    """The policy's verdict on one text.

    Attributes:
        verdict: The verdict.
        first: The head's first label, even if the verdict abstains.
        right: Whether the first label is the label in the file.
    """

    verdict: Verdict
    first: str
    right: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """The number of texts in a group, and the number of them whose first label is right."""

    texts: int
    right: int

    def as_dict(self, total: int) -> dict[str, float | int | None]:
        """Return the number of texts, their share of `total`, and the precision (None without texts)."""
        precision = self.right / self.texts if self.texts else None
        return {"texts": self.texts, "share": self.texts / total if total else 0.0, "precision": precision}


def answers(
    predictions: Predictions,
    prepared: Sequence[str],
    truth: Sequence[str],
    head: Head,
    policy: Policy,
    tenant_id: str | None,
) -> list[Answered]:
    """Judge each text as the worker would judge a new ticket of normal priority that no agent has touched.

    Args:
        predictions: The head's predictions for the prepared texts.
        prepared: The texts as the head read them; an empty text abstains.
        truth: The label of each text in the file.
        head: The head, with its labels and its scope threshold.
        policy: The policy to test.
        tenant_id: The tenant whose rules apply; None applies the rules for all tenants.
    """
    found = []
    for row, (text, label) in enumerate(zip(prepared, truth, strict=True)):
        shares = ranked(head.labels, predictions.probabilities[row])
        asked = Judged(
            shares=shares,
            kind="head",
            in_scope=bool(predictions.scope[row] >= head.scope_at),
            agent_decided=False,
            priority="normal",
            tenant_id=tenant_id,
            abstains=None if text else "no_text",
        )
        found.append(Answered(judge(asked, policy), shares[0][0], shares[0][0] == label))
    return found


def check_known(head: Head, truth: Sequence[str]) -> None:
    """Check that at least one text has a label that the head knows.

    Raises:
        Fatal: no text has one.
    """
    if not set(truth) & set(head.labels):
        raise Fatal(f"no text has a label that the head knows; the head has {some(head.labels)}")


def tallies(found: Iterable[Answered]) -> dict[Action, Tally]:
    """Count the texts by action."""
    by_action: dict[Action, list[bool]] = {action: [] for action in ACTIONS}
    for each in found:
        by_action[each.verdict.action].append(each.right)
    return {action: Tally(len(rights), sum(rights)) for action, rights in by_action.items()}


def by_first_label(found: Sequence[Answered]) -> dict[str, list[Answered]]:
    """Group the answers by the head's first label, whose row of the policy decided; labels are sorted by name."""
    return {label: [each for each in found if each.first == label] for label in sorted({each.first for each in found})}


def policy_report(found: Sequence[Answered], by_label: bool) -> dict[str, Any]:
    """Return all figures as plain values for JSON."""
    reported: dict[str, Any] = {
        "texts": len(found),
        "actions": _figures(found),
        "reasons": dict(Counter(each.verdict.action_reason for each in found).most_common()),
    }
    if by_label:
        reported["labels"] = {label: _figures(group) for label, group in by_first_label(found).items()}
    return reported


def warnings(head: Head, policy: Policy, truth: Sequence[str], tenant_id: str | None) -> Iterator[str]:
    """Yield warnings about conditions that make the figures less meaningful."""
    unknown = Counter(label for label in truth if label not in head.labels)
    if unknown:
        named = [f"{label} ({texts})" for label, texts in sorted(unknown.items())]
        yield (
            f"the head does not know {len(unknown)} labels of the file, so its answers for those texts are "
            f"wrong: {some(named)}"
        )
    if beyond := policy.rows_beyond(head.labels):
        yield f"{policy.source} has tables for labels that the head does not know: {some(beyond)}"
    if tenant_id is not None and tenant_id not in policy.tenants:
        yield f"{policy.source} has no section for tenant {tenant_id}: the rules for all tenants were tested"


def _figures(found: Sequence[Answered]) -> dict[str, Any]:
    return {action: tally.as_dict(len(found)) for action, tally in tallies(found).items()}
