"""Reading files of rows: formats, delimiters, encodings, and faults of a file, named by their line.

A green run does not prove that the files of every program are read; those of some are in
`tests/support/ingest_files.py`.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from millrace.ingest.delimited import recognise
from millrace.ingest.file_survey import survey_file
from millrace.ingest.header_row import looks_like_data
from millrace.ingest.rows import Row
from millrace.ingest.table_files import FileOptions, TableFile
from schemas.failures import FailureReason
from shared.errors import Fatal


def opened(folder: Path, content: str | bytes, name: str = "t.csv", **how: Any) -> TableFile:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return TableFile.open(path, FileOptions(**how))


def rows(folder: Path, content: str | bytes, name: str = "t.csv", **how: Any) -> list[Row]:
    return list(opened(folder, content, name, **how).rows())


def cells(folder: Path, content: str | bytes, name: str = "t.csv", **how: Any) -> list[dict[str, Any]]:
    return [dict(row.cells) for row in rows(folder, content, name, **how)]


def fatal(folder: Path, content: str | bytes, name: str = "t.csv", **how: Any) -> str:
    with pytest.raises(Fatal) as caught:
        rows(folder, content, name, **how)
    return str(caught.value)


AB = [{"a": "1", "b": "2"}]


# --- delimited files ---


def test_rows_of_a_csv_are_read(tmp_path: Path) -> None:
    found = rows(tmp_path, 'subject,body\n"a, b","two\nlines"\n\nc,d\n')
    assert [row.cells for row in found] == [{"subject": "a, b", "body": "two\nlines"}, {"subject": "c", "body": "d"}]
    assert [(row.number, row.line) for row in found] == [(0, 2), (1, 5)]
    assert found[1].name == "row 2 (line 5)"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_recognised(tmp_path: Path, delimiter: str) -> None:
    assert cells(tmp_path, f"a{delimiter}b\n1{delimiter}2\n") == AB


@pytest.mark.parametrize("hint", ["sep=;", '"sep=;"', "SEP=;", "sep=;\r"])
def test_the_delimiter_hint_of_excel_is_obeyed_and_is_no_row(tmp_path: Path, hint: str) -> None:
    assert cells(tmp_path, f"{hint}\na;b\n1;2\n") == AB
    assert rows(tmp_path, f"{hint}\na;b\n1;2\n")[0].line == 3


@pytest.mark.parametrize(
    ("sample", "wanted"),
    [
        ("subject;body\nHello, you, there;x\nAnd, you;y\n", ";"),
        ("subject, or title;body\nHello;x, y\nAnd, you;y\n", ";"),
        ("subject,body\na;b;c,d|e\nf;g,h\n", ","),
        ("text\nHello, you; there|and\there\n", ","),
        ("id\ttext\n1\tHello, you, and, you\n2\tHello\n", "\t"),
        ("id|text|tags\n1|a;b|x,y\n2|c;d|z\n", "|"),
        ('"a;b","c;d"\n"1;2","3;4"\n', ","),
        ('a,b\n"x\ny;z;z;z",2\n', ","),
        ("", ","),
    ],
)
def test_of_several_possible_delimiters_the_one_that_fits_the_header(sample: str, wanted: str) -> None:
    assert recognise(sample) == wanted


def test_a_given_delimiter_is_used(tmp_path: Path) -> None:
    assert cells(tmp_path, "a;b\n1;2\n", delimiter=",") == [{"a;b": "1;2"}]
    assert cells(tmp_path, "a^b\n1^2\n", delimiter="^") == AB


@pytest.mark.parametrize("name", ["t.CSV", "t.Csv", "t.csv"])
def test_the_file_name_extension_is_recognised_in_any_case(tmp_path: Path, name: str) -> None:
    assert cells(tmp_path, "a,b\n1,2\n", name) == AB


def test_rows_with_more_cells_than_the_header_are_faulty(tmp_path: Path) -> None:
    good, bad, blank, after = rows(tmp_path, "a,b\n1,2\n1,2,3\n1,2,\n4,5\n")
    assert (good.fault, after.fault) == (None, None)
    assert blank.fault is not None, "an extra empty cell may show that the others have shifted"
    assert bad.fault is not None
    assert (bad.fault.field, bad.fault.reason) == ("row", FailureReason.UNKNOWN_FIELD)
    assert "3 cells, but the header names 2" in bad.fault.detail


def test_rows_with_fewer_cells_list_the_missing_columns(tmp_path: Path) -> None:
    assert [(row.missing, dict(row.cells)) for row in rows(tmp_path, "a,b\n1\n1,2\n")] == [
        (("b",), {"a": "1", "b": ""}),
        ((), {"a": "1", "b": "2"}),
    ]


def test_a_repeated_header_is_no_row(tmp_path: Path) -> None:
    found = rows(tmp_path, "a,b\n1,2\n\ufeffa,b\n3,4\na,b\na,x\n")
    assert [(row.line, row.cells["a"]) for row in found] == [(2, "1"), (4, "3"), (6, "a")]


def test_a_title_above_the_header_is_named(tmp_path: Path) -> None:
    [bad] = rows(tmp_path, "Export of May\na,b\n")
    assert "title" in str(bad.fault)


def test_commas_in_a_tsv_do_not_split_a_column(tmp_path: Path) -> None:
    assert cells(tmp_path, "body\nHello, you\nplain\n", "t.tsv") == [{"body": "Hello, you"}, {"body": "plain"}]


@pytest.mark.parametrize(("name", "content"), [("t.csv", "sep=;\na,b\n1,2\n"), ("t.tsv", "a;b\n1;2\n")])
def test_a_hint_that_contradicts_the_header_is_not_obeyed(tmp_path: Path, name: str, content: str) -> None:
    assert cells(tmp_path, content, name) == AB


def test_a_header_that_ends_in_delimiters_makes_no_row_too_short(tmp_path: Path) -> None:
    found = rows(tmp_path, "a,b,,\n1,2\n3,4,,\n5,6,,x\n")
    assert [row.missing for row in found] == [(), (), ()]
    assert [row.fault is None for row in found] == [True, True, False]


def test_rows_without_any_value_are_skipped(tmp_path: Path) -> None:
    assert cells(tmp_path, "\na,b\n,\n1,2\n,,,,\n\n") == AB


def test_a_cell_above_python_s_default_limit_is_read(tmp_path: Path) -> None:
    [row] = rows(tmp_path, f"a,b\n{'x' * 300_000},2\n")
    assert len(row.cells["a"]) == 300_000


def test_rows_swallowed_by_an_open_quote_make_the_row_faulty(tmp_path: Path) -> None:
    swallowed = 'id,subject,body\n1,Login,"Hello I cannot\n2,Refund,Please\n3,Screen,Mine is 19"\n4,X,Y\n'
    bad, good = rows(tmp_path, swallowed)
    assert (bad.fault is not None, good.fault) == (True, None)
    assert "a closing quote is missing" in str(bad.fault)
    mail = 'id,subject,body\n1,Login,"Dear Ann, dear Bo, hello\nI, you, we wait\nT-7, T-8, T-9"\n'
    assert [row.fault for row in rows(tmp_path, mail)] == [None]


def test_blanks_between_delimiter_and_quote_do_not_belong_to_a_cell(tmp_path: Path) -> None:
    [row] = rows(tmp_path, 'a, b\n1, "two, and\nthree"\n')
    assert list(row.cells.values()) == ["1", "two, and\nthree"]
    assert cells(tmp_path, "a,b\n1, 2\n") == [{"a": "1", "b": " 2"}]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('a,b\n1,2\n"b" c,d\n', ["line 3", "written twice"]),
        ('a,b\n1,"2\n3,4\n', ["a quote that was opened in the row of line 2 is never closed"]),
        ('sep=,\na,b\n1,"2\n3,4\n', ["line 4", "row of line 3"]),
        ("", ["is empty"]),
        ("\n\n", ["is empty"]),
    ],
)
def test_a_file_whose_rows_cannot_be_separated_is_fatal(tmp_path: Path, content: str, says: list[str]) -> None:
    message = fatal(tmp_path, content)
    assert all(each in message for each in says), message


def test_line_ends_of_any_system_are_read(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        assert cells(tmp_path, f"a,b{end}1,2{end}") == AB


# --- encodings ---


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b"\xef\xbb\xbf"),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-32-le", b"\xff\xfe\0\0"),
    ],
)
@pytest.mark.parametrize("given", [None, "latin-1"])
def test_a_byte_order_mark_decides_the_encoding(tmp_path: Path, encoding: str, mark: bytes, given: str | None) -> None:
    content = mark + "a,b\né,ü\n".encode(encoding)
    assert cells(tmp_path, content, encoding=given) == [{"a": "é", "b": "ü"}]
    lines = mark + '{"a": "é"}\n'.encode(encoding)
    assert cells(tmp_path, lines, "t.jsonl", encoding=given) == [{"a": "é"}]


def test_a_given_encoding_is_used(tmp_path: Path) -> None:
    assert cells(tmp_path, "a\né€\n".encode("cp1252"), encoding="cp1252") == [{"a": "é€"}]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_an_invalid_byte_is_named_by_line_and_byte(tmp_path: Path, name: str) -> None:
    content = b'a\n"xy"\n' + b"x\n" * 30_000 + b'"caf\xe9"\n'
    message = fatal(tmp_path, content, name)
    assert "line 30003, byte 5: 0xE9 is not UTF-8" in message
    assert "--encoding cp1252" in message


def test_a_character_truncated_at_the_end_is_fatal(tmp_path: Path) -> None:
    assert "cut off" in fatal(tmp_path, b"a\nx\n" + "é".encode()[:1])


def test_utf_16_without_a_mark_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    assert "is not UTF-16" in fatal(tmp_path, "a,b\n1,2\n".encode("utf-16-le"), encoding="utf-16")
    assert "--encoding utf-16-le" in fatal(tmp_path, "a,b\n1,2\n".encode("utf-16-le"))
    assert "--encoding utf-16-be" in fatal(tmp_path, "a,b\n1,2\n".encode("utf-16-be"))
    assert cells(tmp_path, "a,b\n1,2\n".encode("utf-16-le"), encoding="utf-16-le") == AB


@pytest.mark.parametrize("encoding", ["klingon", "base64", "undefined"])
def test_an_encoding_that_does_not_exist_is_fatal(tmp_path: Path, encoding: str) -> None:
    assert "--encoding" in fatal(tmp_path, "a\n1\n", encoding=encoding)


# --- any file ---


@pytest.mark.parametrize(("name", "says"), [("t.xls", "save the sheet"), ("t.json", "jq"), ("t.gz", "decompress")])
def test_another_extension_is_fatal_and_the_error_states_what_to_do(tmp_path: Path, name: str, says: str) -> None:
    message = fatal(tmp_path, "", name)
    assert "ends in .csv or .jsonl (or in .tsv, .ndjson, .xlsx)" in message
    assert says in message


@pytest.mark.parametrize(
    ("name", "how"),
    [("t.xlsx", {"encoding": "cp1252"}), ("t.jsonl", {"delimiter": ";"}), ("t.csv", {"sheet": "One"})],
)
def test_an_option_that_does_not_apply_to_a_file_is_refused(tmp_path: Path, name: str, how: dict[str, str]) -> None:
    assert f"--{next(iter(how))} is for files" in fatal(tmp_path, "", name, **how)


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF-1.7", b"\n<!DOCTYPE html>"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_file_with_the_wrong_extension_is_fatal(tmp_path: Path, head: bytes, name: str) -> None:
    assert f"although its name ends in {name[1:]}" in fatal(tmp_path, head + b"rest", name)


def test_a_path_that_is_no_file_is_fatal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "folder.csv"):
        with pytest.raises(Fatal, match="cannot be read: it is not a file"):
            TableFile.open(tmp_path / name)


def test_a_missing_file_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="cannot be read"):
        TableFile.open(tmp_path / "none.csv")


def test_the_digest_covers_the_content_alone(tmp_path: Path) -> None:
    assert opened(tmp_path, "{}", "a.jsonl").digest == opened(tmp_path, "{}", "b.csv").digest


def test_a_reader_that_needs_every_row_gets_an_error_for_the_first_unusable_one(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"row 2 \(line 3\): 3 cells"):
        list(opened(tmp_path, "a,b\n1,2\n1,2,3\n").sound_rows(("a",)))


# --- the survey of the whole file ---


def test_a_survey_counts_rows_and_finds_all_names(tmp_path: Path) -> None:
    looked = survey_file(opened(tmp_path, '{"a": 1}\n{"b": 1, "a": 2}\nbroken\n', "t.jsonl"), lambda _: None)
    assert (looked.rows, looked.columns) == (3, ("a", "b"))
    assert survey_file(opened(tmp_path, "x,y\n1,2\n"), lambda _: None).columns == ("x", "y")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.csv", "a,b\n", "has no rows, only a header"),
        ("t.jsonl", "\n\n", "has no rows"),
        ("t.csv", "a,b\n1,2,3\n4,5,6\n", "none of its 2 rows can be used; the first: row 1 (line 2): 3 cells"),
        ("t.jsonl", "a\nb\n", "none of its 2 rows can be used; the first: row 1 (line 1)"),
    ],
)
def test_a_file_without_a_usable_row_is_fatal(tmp_path: Path, name: str, content: str, says: str) -> None:
    with pytest.raises(Fatal) as caught:
        survey_file(opened(tmp_path, content, name), lambda _: None)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "header",
    [["1", "a"], ["T-1", "ann@example.com"], ["id", "2026-01-01"], ["x", "My parcel is late."], ["x", "a b c d e f"]],
)
def test_a_first_line_of_data_is_detected(header: list[str]) -> None:
    assert looks_like_data(header)


@pytest.mark.parametrize(
    "header",
    [
        ["id", "Ticket Subject"],
        ["Custom field (Story Points)"],
        ["First reply time in minutes"],
        ["What is your question to us today?"],
    ],
)
def test_a_header_is_not_mistaken_for_data(header: list[str]) -> None:
    assert not looks_like_data(header)
