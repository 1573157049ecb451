"""What `millrace policy check` counts: actions, shares, precision, by label, and its warnings.

A green run does not prove that a head's figures on one file are true for another.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np

from millrace.learning.policy_check import Answered, answers, by_first_label, policy_report, warnings
from shared.routing.head import Head, Predictions
from shared.routing.policy import Policy
from shared.routing.verdict import ranked

HEAD = cast(Head, SimpleNamespace(labels=("a", "b", "c"), scope_at=0.5))
ROWS = [  # text, true label, probabilities, scope
    ("1", "a", (0.9, 0.1, 0.0), 1.0),  # auto, right
    ("2", "b", (0.9, 0.1, 0.0), 1.0),  # auto, wrong
    ("3", "b", (0.2, 0.8, 0.0), 0.5),  # auto, right, just in scope
    ("4", "a", (0.6, 0.4, 0.0), 1.0),  # review, right
    ("5", "c", (0.3, 0.3, 0.4), 1.0),  # review, right
    ("6", "a", (0.35, 0.35, 0.3), 1.0),  # split, the first would have been right
    ("7", "zebra", (1.0, 0.0, 0.0), 0.49),  # out of scope, rightly
    ("", "a", (1.0, 0.0, 0.0), 1.0),  # no text
]
POLICY = "default = {auto_at = 0.75, review_at = 0.375}\n[labels.a]\n[labels.b]\n[labels.c]\n"


def policy(folder: Path, rest: str = "") -> Policy:
    file = folder / "routing.toml"
    file.write_text(POLICY + rest)
    return Policy.load(file)


def found(folder: Path, rest: str = "", tenant_id: str | None = None) -> list[Answered]:
    texts, truth, probabilities, scope = zip(*ROWS, strict=True)
    answered = Predictions(
        np.array(probabilities, np.float32), np.zeros(len(ROWS), np.float32), np.array(scope, np.float32)
    )
    return answers(answered, texts, truth, HEAD, policy(folder, rest), tenant_id)


def test_each_text_is_judged_and_compared(tmp_path: Path) -> None:
    reported = policy_report(found(tmp_path), by_label=False)
    assert reported == {
        "texts": 8,
        "actions": {
            "auto": {"texts": 3, "share": 3 / 8, "precision": 2 / 3},
            "review": {"texts": 2, "share": 2 / 8, "precision": 1.0},
            "abstain": {"texts": 3, "share": 3 / 8, "precision": 2 / 3},
        },
        "reasons": {"head_clear": 3, "head_unsure": 2, "head_split": 1, "out_of_scope": 1, "no_text": 1},
    }


def test_by_label_the_first_label_of_the_head_counts(tmp_path: Path) -> None:
    labels = policy_report(found(tmp_path), by_label=True)["labels"]
    assert list(labels) == ["a", "b", "c"]
    assert labels["a"]["auto"] == {"texts": 2, "share": 2 / 6, "precision": 0.5}
    assert labels["b"]["auto"] == {"texts": 1, "share": 1.0, "precision": 1.0}
    assert labels["c"]["auto"] == {"texts": 0, "share": 0.0, "precision": None}
    assert sum(len(group) for group in by_first_label(found(tmp_path)).values()) == len(ROWS)


def test_a_change_of_the_policy_changes_the_figures(tmp_path: Path) -> None:
    reported = policy_report(found(tmp_path, "[tenants.t.labels.a]\nnever_auto = true\n", "t"), by_label=False)
    assert reported["actions"]["auto"]["texts"] == 1
    assert reported["reasons"]["never_auto"] == 2


def test_everything_that_weakens_the_figures_is_reported(tmp_path: Path) -> None:
    tried = policy(tmp_path, "[labels.d]\n[tenants.t.labels.'e f']\n")
    truth = ["a", "x", "x", "y"]
    strange, rows, tenant = warnings(HEAD, tried, truth, "nobody")
    assert strange.endswith(
        "does not know 2 labels of the file, so its answers for those texts are wrong: x (2), y (1)"
    )
    assert rows.endswith('that the head does not know: [labels.d], [tenants.t.labels."e f"]')
    assert "has no section for tenant nobody" in tenant
    assert list(warnings(HEAD, policy(tmp_path), ["a"], None)) == []
    assert list(warnings(HEAD, policy(tmp_path, "[tenants.t.default]\n"), ["a"], "t")) == []


def test_of_equal_probabilities_the_first_label_of_the_head_leads() -> None:
    shares = ranked(("b", "a", "c"), np.array([0.25, 0.25, 0.5], np.float32))
    assert shares == [("c", 0.5), ("b", 0.25), ("a", 0.25)]
