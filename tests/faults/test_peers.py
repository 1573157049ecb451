"""The comparison with peers, in short: a naive loop and a Millrace worker, with the real encoder, on a real Kafka.

Green shows that both give a result for every ticket, with the same labels, and that each figure is measured. It shows
nothing about the figures, for which the load is too small, nor about the other contenders: `python -m benchmarks.peers`
makes the same checks with all of them.
"""

import csv
from pathlib import Path

import pytest

from benchmarks.peers.comparison import Plan, compare
from benchmarks.peers.contenders import ALL, chosen
from benchmarks.peers.report import COLUMNS, Findings
from tests.support.kafka.server import why_unavailable
from tests.support.labelled import support
from tests.support.services import missing

RECORDS = 20


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a few labelled texts, which a head is trained on in a moment."""
    path = tmp_path / "labelled.csv"
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["text", "category"])
        writer.writerows((text, label) for label, texts in support(labels=3).items() for text in texts)
    return path


def test_a_naive_loop_and_a_worker_are_compared(table: Path, tmp_path: Path) -> None:
    if reason := why_unavailable():
        missing(reason)
    plan = Plan(chosen(ALL, ["naive-batches", "millrace"]), 1, RECORDS, age_s=1.0, age_rate=10.0, bare=False)
    kept: list[Findings] = []
    folder = tmp_path / "made"
    folder.mkdir()
    found = compare(plan, table, folder, kept.append)
    assert kept == [found]
    assert list(found.rows) == ["naive-batches", "millrace"]
    for row in found.rows.values():
        assert row.figures.keys() == COLUMNS.keys()
        assert all(value > 0 for values in row.figures.values() for value in values)
        assert row.agreement >= 0.99
