"""The table of faults in docs/operations.md names parts, metrics and counts that exist.

A green run does not prove that a row is true: the tests that it names show it; `test_docs.py` shows that these exist.
"""

import re
from dataclasses import fields

import pytest

from shared.audit.comparison import AuditReport
from shared.metrics.catalogue import CATALOGUE
from tests.support.sources import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in PAGE.split("## What each fault looks like")[1].split("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| situation"))
]
PARTS = set(re.findall(r"^\| `(\w+)` \|", PAGE.split("## When it is not ready")[1].split("\n## ")[0], re.MULTILINE))
DOCTORING = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "millrace" / "doctor").glob("*.py"))
WORD = re.compile(r"`([a-z][\w ]*)`")


def test_there_is_a_row_for_each_kind_of_fault() -> None:
    assert len(ROWS) >= 15


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_a_row_names_parts_and_metrics_that_exist(row: list[str]) -> None:
    _, ready, metrics, doctor, audit, held_by = row
    assert set(WORD.findall(ready)) <= PARTS
    assert set(re.findall(r"`(millrace_\w+)", metrics)) <= {metric.name for metric in CATALOGUE}
    assert all(f'"{part}"' in DOCTORING for part in WORD.findall(doctor))
    assert set(WORD.findall(audit)) <= {field.name for field in fields(AuditReport)}
    assert "::test_" in held_by
