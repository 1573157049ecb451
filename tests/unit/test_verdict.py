"""From shares to an action: thresholds, the order of the reasons, the priority, and where the queue comes from.

A green run does not prove that a threshold is good, nor that a head's confidence means what it states.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from schemas.decisions import Priority
from shared.routing.policy import Policy
from shared.routing.verdict import Judged, Verdict, judge, raised

ASKED = Judged(
    shares=[("a", 0.9), ("b", 0.1)],
    kind="head",
    in_scope=True,
    agent_decided=False,
    priority="normal",
    tenant_id="acme",
)


def policy(folder: Path, rest: str = "") -> Policy:
    file = folder / "routing.toml"
    file.write_text(f"default = {{auto_at = 0.8, review_at = 0.4}}\n{rest}")
    return Policy.load(file)


def judged(folder: Path, rest: str = "", **changes: Any) -> Verdict:
    return judge(replace(ASKED, **changes), policy(folder, rest))


@pytest.mark.parametrize("kind", ["vote", "head"])
@pytest.mark.parametrize(
    ("share", "action", "reason"),
    [
        (1.0, "auto", "clear"),
        (0.8, "auto", "clear"),
        (0.79, "review", "unsure"),
        (0.4, "review", "unsure"),
        (0.39, "abstain", "split"),
        (0.0, "abstain", "split"),
    ],
)
def test_the_thresholds_decide_the_action(
    kind: Literal["vote", "head"], share: float, action: str, reason: str, tmp_path: Path
) -> None:
    verdict = judged(tmp_path, kind=kind, shares=[("a", share), ("b", 1 - share)])
    assert (verdict.action, verdict.action_reason, verdict.confidence) == (action, f"{kind}_{reason}", share)
    named = None if action == "abstain" else "a"
    assert (verdict.label, verdict.queue) == (named, named)


@pytest.mark.parametrize(
    ("share", "changes", "action", "reason"),
    [
        (1.0, {}, "review", "zero_shot"),
        (0.4, {}, "review", "zero_shot"),
        (0.39, {}, "abstain", "zero_shot_split"),
        (1.0, {"agent_decided": True}, "review", "agent_decided"),
        (0.39, {"agent_decided": True}, "abstain", "zero_shot_split"),
        (1.0, {"abstains": "no_text"}, "abstain", "no_text"),
    ],
)
def test_a_label_that_was_judged_by_its_name_is_never_auto(
    share: float, changes: dict[str, Any], action: str, reason: str, tmp_path: Path
) -> None:
    verdict = judged(tmp_path, kind="zero_shot", shares=[("a", share), ("b", 1 - share)], **changes)
    assert (verdict.action, verdict.action_reason) == (action, reason)
    assert verdict.queue == (None if action == "abstain" else "a")


NEVER = "[labels.a]\nnever_auto = true\n"


@pytest.mark.parametrize(
    ("changes", "action", "reason"),
    [
        ({"abstains": "no_text", "shares": [], "in_scope": False, "agent_decided": True}, "abstain", "no_text"),
        ({"shares": [], "kind": "vote", "in_scope": False, "agent_decided": True}, "abstain", "no_labelled_neighbours"),
        ({"in_scope": False, "shares": [("a", 0.1)], "agent_decided": True}, "abstain", "out_of_scope"),
        ({"in_scope": False}, "abstain", "out_of_scope"),
        ({"shares": [("a", 0.1)], "agent_decided": True}, "abstain", "head_split"),
        ({"shares": [("a", 0.5)], "agent_decided": True}, "review", "agent_decided"),
        ({"agent_decided": True}, "review", "agent_decided"),
        ({"shares": [("a", 0.5)]}, "review", "head_unsure"),
        ({}, "review", "never_auto"),
        ({"shares": [("b", 0.9)]}, "auto", "head_clear"),
    ],
)
def test_one_of_several_reasons_is_given(changes: dict[str, Any], action: str, reason: str, tmp_path: Path) -> None:
    verdict = judged(tmp_path, NEVER, **changes)
    assert (verdict.action, verdict.action_reason) == (action, reason)


@pytest.mark.parametrize("own", get_args(Priority))
@pytest.mark.parametrize("wanted", [None, *get_args(Priority)])
def test_a_priority_is_raised_and_never_lowered(own: Priority, wanted: Priority | None, tmp_path: Path) -> None:
    order = ["low", "normal", "high", "urgent"]
    rest = "" if wanted is None else f"[labels.a]\npriority = '{wanted}'\n"
    expected = max(order.index(own), -1 if wanted is None else order.index(wanted))
    assert judged(tmp_path, rest, priority=own).priority == order[expected] == raised(own, wanted)


@pytest.mark.parametrize("changes", [{"in_scope": False}, {"shares": [("a", 0.1)]}, {"abstains": "no_text"}])
def test_an_abstention_does_not_change_the_priority(changes: dict[str, Any], tmp_path: Path) -> None:
    assert judged(tmp_path, "[labels.a]\npriority = 'urgent'\n", **changes).priority == "normal"


def test_the_priority_is_raised_for_review_too(tmp_path: Path) -> None:
    assert judged(tmp_path, "[labels.a]\npriority = 'urgent'\n", agent_decided=True).priority == "urgent"


def test_the_rule_depends_on_the_first_label_and_the_tenant(tmp_path: Path) -> None:
    rest = "[labels.a]\nqueue = 'all'\n[tenants.acme.labels.a]\nqueue = 'ours'\nauto_at = 0.95\n"
    ours, theirs = judged(tmp_path, rest), judged(tmp_path, rest, tenant_id="other")
    assert (ours.queue, ours.action) == ("ours", "review")
    assert (theirs.queue, theirs.action) == ("all", "auto")


def test_a_share_just_above_one_by_a_rounding_error_becomes_one(tmp_path: Path) -> None:
    assert judged(tmp_path, shares=[("a", 1.0000000000000002)]).confidence == 1.0
