"""Rows of JSON Lines and of Excel workbooks. A green run does not prove that every program's workbook can be read."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from schemas.failures import FailureReason
from tests.unit.test_table_files import cells, fatal, rows

# --- JSON Lines ---


def test_json_lines_are_read(tmp_path: Path) -> None:
    found = rows(tmp_path, '{"subject": "a"}\n\n  \n{"subject": "b"}', "t.jsonl")
    assert [(row.number, row.line, row.cells["subject"]) for row in found] == [(0, 1, "a"), (1, 4, "b")]
    assert cells(tmp_path, '{"subject": "a"}\n', "t.NDJSON") == [{"subject": "a"}]
    [nested] = cells(tmp_path, '{"via": {"channel": "web"}, "attributes": {"a": 1}}', "t.jsonl")
    assert (nested["via.channel"], nested["attributes"], "attributes.a" in nested) == ("web", {"a": 1}, False)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"subject": ', FailureReason.INVALID_JSON),
        ('{"a": 1, "a": 2}', FailureReason.DUPLICATE_KEY),
        ('{"a": {"b": 1, "b": 2}}', FailureReason.DUPLICATE_KEY),
        ('{"a": NaN}', FailureReason.NOT_FINITE),
        ("[1]", FailureReason.NOT_AN_OBJECT),
        ("{} {}", FailureReason.INVALID_JSON),
        ('{"n": ' + "9" * 5_000 + "}", FailureReason.INVALID_VALUE),
        ("[" * 100_000, FailureReason.TOO_DEEP),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_line_that_is_no_object_makes_only_its_own_row_faulty(
    tmp_path: Path, line: str, reason: FailureReason
) -> None:
    first, bad, last = rows(tmp_path, '{"subject": "a"}\n\n' + line + '\n{"subject": "b"}\n', "t.jsonl")
    assert (first.fault, last.fault, bad.line) == (None, None, 3)
    assert bad.fault is not None
    assert bad.fault.reason is reason


@pytest.mark.parametrize("content", ['[{"a": 1}]', '[\n{"a": 1}\n]', '{\n"a": 1\n}\n'])
def test_a_single_json_document_is_not_read_as_lines(tmp_path: Path, content: str) -> None:
    assert "found one JSON document" in fatal(tmp_path, content, "t.jsonl")


# --- workbooks ---


def book(*sheets: tuple[str, Sequence[Sequence[object]]]) -> bytes:
    made = Workbook()
    made.remove(made.worksheets[0])
    for title, lines in sheets:
        sheet = made.create_sheet(title)
        for line in lines:
            sheet.append(line)
    kept = io.BytesIO()
    made.save(kept)
    return kept.getvalue()


def test_a_sheet_s_cells_become_text(tmp_path: Path) -> None:
    content = book(("T", [["a", "b", "c"], [1, 2.5, True], [None], [3.0, None, "x"]]), ("Empty", []))
    found = rows(tmp_path, content, "t.xlsx")
    assert [dict(row.cells) for row in found] == [{"a": "1", "b": "2.5", "c": "true"}, {"a": "3", "b": "", "c": "x"}]
    assert [row.line for row in found] == [2, 4]


def test_one_of_several_sheets_is_chosen(tmp_path: Path) -> None:
    content = book(("One", [["a"], ["1"]]), ("Two", [["b"], ["2"]]))
    assert "One, Two: choose one with --sheet" in fatal(tmp_path, content, "t.xlsx")
    assert cells(tmp_path, content, "t.xlsx", sheet="Two") == [{"b": "2"}]
    assert "has no sheet Three" in fatal(tmp_path, content, "t.xlsx", sheet="Three")


def test_a_hidden_sheet_cannot_be_chosen(tmp_path: Path) -> None:
    made = Workbook()
    for line in (["a"], ["1"]):
        made.worksheets[0].append(line)
    hidden = made.create_sheet("Lookup")
    hidden.append(["x"])
    hidden.sheet_state = "hidden"
    kept = io.BytesIO()
    made.save(kept)
    assert cells(tmp_path, kept.getvalue(), "t.xlsx") == [{"a": "1"}]


def test_extra_cells_of_a_sheet_are_a_fault(tmp_path: Path) -> None:
    [bad] = rows(tmp_path, book(("T", [["a", "b"], ["1", "2", "3"]])), "t.xlsx")
    assert bad.fault is not None
    assert "3 cells, but the header names 2" in bad.fault.detail


def test_a_carriage_return_in_a_cell_stays_a_carriage_return(tmp_path: Path) -> None:
    assert cells(tmp_path, book(("T", [["a"], ["one_x000D_\ntwo"]])), "t.xlsx") == [{"a": "one\r\ntwo"}]


def test_a_workbook_that_is_truncated_or_broken_is_fatal(tmp_path: Path) -> None:
    whole = book(("T", [["a"], *([str(number)] for number in range(2_000))]))
    assert "is not an .xlsx workbook" in fatal(tmp_path, whole[: len(whole) // 2], "t.xlsx")
    broken = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, part[: len(part) // 2] if name.endswith("sheet1.xml") else part)
    assert "is not an .xlsx workbook" in fatal(tmp_path, broken.getvalue(), "t.xlsx")


def test_a_file_that_is_no_workbook_is_fatal(tmp_path: Path) -> None:
    assert "is not an .xlsx workbook" in fatal(tmp_path, "a,b\n", "t.xlsx")
    assert "is empty" in fatal(tmp_path, book(("T", [])), "t.xlsx")
