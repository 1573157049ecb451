"""`millrace router`: the files it writes, the figures it prints, and errors in one line, with a stand-in for the model.

A green run does not prove that heads are good, nor that the real model is loaded: `tests/golden/test_banking77_head.py`
does.
"""

import csv
import json
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree  # the files are Millrace's own

import pytest

from millrace import cli
from millrace.cli import router
from millrace.learning import labelled_files
from tests.support.labelled import WordModel, support

FIGURES = {"accuracy", "macro_f1", "ece", "coverage_at_95_precision", "rows", "out_of_scope"}
SLICE_FIGURES = {"slices", "worse"}
OUTER_FIGURES = {"in_scope_accuracy", "in_scope_given_up", "oos_auroc", "oos_auroc_confidence", "oos_auroc_nearest"}
PLOTS = {"confusion.svg", "reliability.svg", "coverage.svg"}
WRITTEN = {"head.json", "head.safetensors", "terms.json", "texts.jsonl", "routing.toml"}
STRANGERS = [f"the weather in spring {number} is mild and sunny" for number in range(8)]


@dataclass(frozen=True)
class Ended:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The error, which is one line."""
        assert "Traceback" not in self.err
        (line,) = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return line


Millrace = Callable[..., Ended]


@pytest.fixture
def millrace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Millrace:
    """Return a function that runs the command line, with a stand-in for the model."""
    monkeypatch.setattr(labelled_files, "load_text_model", lambda _: WordModel())
    monkeypatch.setattr(router, "quiet", lambda: None)

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["millrace", "router", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        reported = capsys.readouterr()
        return Ended(ended.value.code if isinstance(ended.value.code, int) else 0, reported.out, reported.err)

    return run


def write_csv(path: Path, rows: Sequence[tuple[str, str]], columns: tuple[str, str] = ("text", "label")) -> Path:
    """Write rows under a header."""
    with path.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([columns, *rows])
    return path


def pairs(**options: int) -> list[tuple[str, str]]:
    """Return made-up texts with their labels."""
    return [(text, label) for label, texts in support(**options).items() for text in texts]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "history.csv", pairs(per_label=6))


@pytest.fixture
def head(millrace: Millrace, history: Path, tmp_path: Path) -> Path:
    assert millrace("train", history, "--out", tmp_path / "head", "--no-plots").code == 0
    return tmp_path / "head"


def test_training_writes_the_head_its_policy_and_its_plots(millrace: Millrace, history: Path, tmp_path: Path) -> None:
    folder = tmp_path / "heads" / "new"
    ended = millrace("train", history, "--out", folder)
    assert ended.code == 0, ended.err
    assert {path.name for path in folder.iterdir()} == WRITTEN | PLOTS
    for name in PLOTS:
        assert ElementTree.parse(folder / name).getroot().tag.endswith("svg")  # noqa: S314
    assert set(tomllib.loads((folder / "routing.toml").read_text(encoding="utf-8"))["labels"]) == set(support())
    fingerprint = json.loads((folder / "head.json").read_text(encoding="utf-8"))["fingerprint"]
    assert f"head {fingerprint} to {folder}" in ended.out
    assert "48 texts, 8 labels\n" in ended.out
    assert "warning: labels with fewer than 10 texts: account, card" in ended.err
    assert "warning" not in ended.out


def test_training_prints_one_json_object(millrace: Millrace, history: Path, tmp_path: Path) -> None:
    ended = millrace("train", history, "--out", tmp_path / "head", "--no-plots", "--json")
    facts = json.loads(ended.out)
    assert facts == json.loads((tmp_path / "head" / "head.json").read_text(encoding="utf-8"))
    assert facts["label_counts"]["card"] == 6
    assert not list((tmp_path / "head").glob("*.svg"))
    assert "warning: labels with fewer than 10" in ended.err


def test_rows_left_out_are_reported(millrace: Millrace, tmp_path: Path) -> None:
    rows = [*pairs(labels=2), *pairs(labels=2)[:3], ("", "card"), ("no label", "")]
    contested = (pairs(labels=2)[0][0], "card")
    ended = millrace("train", write_csv(tmp_path / "a.csv", [*rows, contested]), "--out", tmp_path / "head")
    assert "21 texts, 2 labels; left out: 3 repeated, 2 incomplete\n" in ended.out
    assert "warning: texts that occur under more than one label: 1\n" in ended.err


def test_a_text_under_three_labels_is_one_text(millrace: Millrace, tmp_path: Path) -> None:
    rows = pairs(labels=3)
    further = [(rows[0][0], label) for label in sorted({label for _, label in rows})]
    ended = millrace("train", write_csv(tmp_path / "a.csv", [*rows, *further]), "--out", tmp_path / "head")
    assert "warning: texts that occur under more than one label: 1\n" in ended.err


def test_other_columns_and_json_lines_are_read(millrace: Millrace, tmp_path: Path) -> None:
    rows = [{"body": text, "queue": number % 2, "else": None} for number, (text, _) in enumerate(pairs(labels=2))]
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    columns = ("--text-column", "body", "--label-column", "queue")
    ended = millrace("train", file, "--out", tmp_path / "head", *columns, "--no-plots", "--json")
    assert json.loads(ended.out)["label_counts"] == {"0": 10, "1": 10}, "a label may be the number 0"
    assert json.loads(millrace("evaluate", file, "--model", tmp_path / "head", *columns, "--json").out)["rows"] == 20


def test_personal_data_is_not_in_the_head(millrace: Millrace, tmp_path: Path) -> None:
    rows = [(f"{text} write to anna.k{n}@example.org", label) for n, (text, label) in enumerate(pairs(labels=2))]
    millrace("train", write_csv(tmp_path / "a.csv", rows), "--out", tmp_path / "head", "--no-plots")
    written = b"".join(path.read_bytes() for path in (tmp_path / "head").iterdir())
    assert b"example.org" not in written
    assert b"anna" not in written


def test_evaluation_gives_exactly_the_figures(millrace: Millrace, head: Path, tmp_path: Path) -> None:
    new = write_csv(tmp_path / "new.csv", pairs(seed=1))
    ended = millrace("evaluate", new, "--model", head, "--json")
    figures = json.loads(ended.out)
    assert figures.keys() == FIGURES | SLICE_FIGURES
    assert (figures["rows"], figures["out_of_scope"]) == (80, 0)
    assert figures["accuracy"] > 0.9
    assert ended.err == ""
    text = millrace("evaluate", new, "--model", head).out
    lines = text.split("accuracy by slice")[0].split("\n")
    shown = dict(line.split() for line in lines if line.strip())
    assert shown == {
        name: str(value) if isinstance(value, int) else f"{value:.4f}"
        for name, value in figures.items()
        if name not in SLICE_FIGURES
    }
    assert all(name in text for name in figures["slices"])


def test_slices_are_measured_and_the_worse_one_is_named(millrace: Millrace, head: Path, tmp_path: Path) -> None:
    rows = [(text, label, "fr" if label == "travel" else "en", "gold") for text, label in pairs(seed=1)]
    wrong = [(text, "travel" if label != "travel" else "fees", "fr", "") for text, label in pairs(seed=2)[:20]]
    lines = ["text,label,language,plan", *(",".join(row) for row in rows + wrong)]
    new = tmp_path / "new.csv"
    new.write_text("\n".join(lines), encoding="utf-8")
    figures = json.loads(millrace("evaluate", new, "--model", head, "--slice", "plan", "--json").out)
    assert figures["worse"] == ["language fr"]
    assert figures["slices"]["plan gold"]["rows"] == len(rows)
    assert {"language en", "language fr", "plan gold"} <= figures["slices"].keys()
    assert "worse than the whole beyond chance: language fr" in millrace("evaluate", new, "--model", head).out
    assert (
        "no row has a value in the column region"
        in millrace("evaluate", new, "--model", head, "--slice", "region").error
    )


def test_out_of_scope_rows_add_their_figures(millrace: Millrace, head: Path, tmp_path: Path) -> None:
    rows = [*pairs(seed=1), *((text, "weather") for text in STRANGERS)]
    new = write_csv(tmp_path / "new.csv", rows)
    ended = millrace("evaluate", new, "--model", head, "--json")
    figures = json.loads(ended.out)
    assert figures.keys() == FIGURES | OUTER_FIGURES | SLICE_FIGURES
    assert (figures["rows"], figures["out_of_scope"]) == (88, 8)
    assert figures["oos_auroc"] > 0.9
    assert ended.err == "warning: the head does not know 1 label; their rows count as out of scope: weather (8)\n"
    named = millrace("evaluate", new, "--model", head, "--json", "--out-of-scope-label", "weather")
    assert (json.loads(named.out), named.err) == (figures, "")


def test_the_out_of_scope_label_is_not_a_label(millrace: Millrace, tmp_path: Path) -> None:
    rows = [*pairs(labels=3), *((text, "none of these") for text in STRANGERS)]
    file = write_csv(tmp_path / "a.csv", rows)
    options = ("--out", tmp_path / "head", "--no-plots", "--json", "--out-of-scope-label")
    facts = json.loads(millrace("train", file, *options, "none of these").out)
    assert facts["labels"] == ["account", "card", "delivery"]
    assert facts["scope_learned"]
    without = millrace("train", file, *options, "nothing")
    assert "none of these" in json.loads(without.out)["labels"]
    assert "warning: no text has the out-of-scope label" in without.err
    millrace("train", file, *options, "none of these")
    plain = millrace("evaluate", file, "--model", tmp_path / "head", "--out-of-scope-label", "card")
    assert plain.error.startswith("error: the head was trained with card as an ordinary label")


def test_show_describes_the_head(millrace: Millrace, head: Path) -> None:
    facts = json.loads(millrace("show", head, "--json").out)
    assert facts == json.loads((head / "head.json").read_text(encoding="utf-8"))
    ended = millrace("show", head)
    said = {line.split()[0]: line for line in ended.out.splitlines()}
    assert facts["fingerprint"] in said["fingerprint"]
    assert "8, 48 texts" in said["labels"]
    assert f"{facts['held_out']['accuracy']:.4f}" in said["held"]
    assert "     6  travel" in ended.out
    assert "fewer than 10" in ended.err


def test_explain_names_terms_and_texts(millrace: Millrace, head: Path) -> None:
    ended = millrace("explain", "--text", "pin card [bold]\nnow", "--model", head, "--json")
    reported: dict[str, Any] = json.loads(ended.out)
    assert reported.keys() == {"shares", "scope", "bias", "dense", "terms", "nearest"}
    assert reported["shares"][0][0] == "card"
    assert len(reported["shares"]) == 8
    assert len(reported["terms"]) == len(reported["nearest"]) == 5
    assert reported["nearest"][0][1] == "card"
    text = millrace("explain", "--text", "please help with my pin card", "--model", head, "--limit", "2").out
    assert "scope 0." in text
    assert "for card, against" in text
    assert "the meaning (vector)" in text
    assert text.count("case") == 2


def test_a_text_without_a_word_can_be_explained_too(millrace: Millrace, head: Path) -> None:
    assert millrace("explain", "--text", "", "--model", head).code == 0


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_missing_column_is_reported_with_the_existing_ones(
    command: str, millrace: Millrace, head: Path, history: Path, tmp_path: Path
) -> None:
    where = ("--out", tmp_path / "other") if command == "train" else ("--model", head)
    ended = millrace(command, history, *where, "--label-column", "category")
    assert ended.code == 1
    assert ended.error == f"error: {history}, row 1: column category is missing; the columns are text, label"
    assert not (tmp_path / "other").exists()


def test_files_without_labelled_texts_are_refused(millrace: Millrace, tmp_path: Path) -> None:
    def error(name: str, content: str | None) -> str:
        if content is not None:
            (tmp_path / name).write_text(content, encoding="utf-8")
        ended = millrace("train", tmp_path / name, "--out", tmp_path / "head")
        assert ended.code == 1
        assert ended.out == ""
        return ended.error

    assert "expected a file that ends in .csv or .jsonl" in error("a.txt", "text,label\n")
    assert "cannot be read: No such file" in error("gone.csv", None)
    assert "no row has both text and label" in error("empty.csv", "text,label\n,\n")
    assert "line 1: expected an object" in error("a.jsonl", "[]\n")
    assert "at least two labels with two different texts each" in error("few.csv", "text,label\nx y,a\n")
    assert "the label 'xxxx" in error("long.csv", f"text,label\nsome text,{'x' * 129}\n")


def test_a_label_that_is_no_text_is_refused(millrace: Millrace, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x", "label": "\\ud800"}\n', encoding="utf-8")
    ended = millrace("train", tmp_path / "a.jsonl", "--out", tmp_path / "head")
    assert (ended.code, "is not valid" in ended.error) == (1, True)


def test_an_impossible_folder_is_reported_before_the_work_starts(
    millrace: Millrace, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace.learning.heads.train", lambda *_: pytest.fail("it was trained"))
    ended = millrace("train", history, "--out", history / "head")
    assert ended.code == 1
    assert ended.error.startswith(f"error: the head cannot be written to {history}/head: ")


def test_a_missing_matplotlib_is_reported_before_the_work_starts(
    millrace: Millrace, history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.routing.training.plots.find_spec", lambda _: None)
    ended = millrace("train", history, "--out", tmp_path / "head")
    assert "install millrace[train], or give --no-plots" in ended.error
    assert not (tmp_path / "head").exists()
    assert millrace("train", history, "--out", tmp_path / "head", "--no-plots").code == 0


@pytest.mark.parametrize("command", ["evaluate", "show", "explain"])
def test_a_folder_without_a_head_is_reported(command: str, millrace: Millrace, history: Path, tmp_path: Path) -> None:
    options: dict[str, tuple[str | Path, ...]] = {
        "evaluate": (history, "--model", tmp_path),
        "show": (tmp_path,),
        "explain": ("--text", "x", "--model", tmp_path),
    }
    ended = millrace(command, *options[command])
    assert ended.code == 1
    assert "create one with `millrace router train`" in ended.error


@pytest.mark.parametrize("command", ["evaluate", "explain"])
def test_another_model_is_reported(
    command: str, millrace: Millrace, head: Path, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WordModel, "fingerprint", "0ther000")
    asked: dict[str, tuple[str | Path, ...]] = {"evaluate": (history,), "explain": ("--text", "x")}
    ended = millrace(command, *asked[command], "--model", head)
    assert ended.code == 1
    assert "the head was trained on model 30bde1f0, but the configured model is 0ther000" in ended.error


def test_a_file_with_other_labels_is_reported(millrace: Millrace, head: Path, tmp_path: Path) -> None:
    new = write_csv(tmp_path / "new.csv", [("a text", "weather")])
    ended = millrace("evaluate", new, "--model", head)
    assert (
        "no text has a label that the head knows; the head has account, card, delivery, fees, orders and 3 more"
        in ended.error
    )
