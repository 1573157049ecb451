"""`millrace classes`: what it reads and writes, its figures, and what it says of files that it cannot use.

Pictures are decoded by the real decoder; stand-ins compute the vectors. A green run does not prove that a head on real
pictures is good: `tests/golden/test_product_classes.py` does.
"""

import csv
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from millrace import cli
from millrace.cli import classes
from millrace.learning import labelled_files, product_reading
from shared.embedding.port import Embeddings, Pixels
from shared.routing.head_files import load_head
from shared.text.preparation import joined
from tests.support.labelled import WordModel
from tests.support.pictures import PICTURE_DIM, PictureModel

COLOURS = {"apple": (200, 30, 30), "leaf": (30, 180, 40), "sky": (60, 90, 220)}
WRITTEN = {"head.json", "head.safetensors", "terms.json", "texts.jsonl", "routing.toml"}
FIGURES = {"accuracy", "accuracy_interval", "macro_f1", "ece", "coverage_at_95_precision", "rows", "out_of_scope"}
SIDE = 40


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


class FailingModel(PictureModel):
    """Fails on every call with a black picture."""

    def embed(self, inputs: Sequence[Pixels]) -> Embeddings:
        """Embed pictures, or fail."""
        if not all(each.any() for each in inputs):
            raise ZeroDivisionError
        return super().embed(inputs)


Millrace = Callable[..., Ended]


@pytest.fixture
def millrace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Millrace:
    """Return a function that runs the command line, with stand-ins for the models."""
    monkeypatch.setattr(labelled_files, "load_text_model", lambda _: WordModel())
    monkeypatch.setattr(product_reading, "load_image_model", lambda _: PictureModel(1_000_000))
    monkeypatch.setattr(classes, "quiet", lambda: None)

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["millrace", "classes", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        reported = capsys.readouterr()
        return Ended(ended.value.code if isinstance(ended.value.code, int) else 0, reported.out, reported.err)

    return run


def draw(path: Path, label: str, seed: int) -> Path:
    """Write a picture in the colour of its label, with noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 25, (SIDE, SIDE, 3))
    noise[: SIDE // 2] += np.random.default_rng(seed + 1).normal(0, 25, 3)
    pixels = (np.array(COLOURS[label]) + noise).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def draw_folder(folder: Path, each: int = 8, first: int = 0) -> Path:
    """Write pictures of each label below a folder, each label at another depth."""
    for depth, label in enumerate(COLOURS):
        for number in range(each):
            draw(folder.joinpath(*["deeper"] * depth, label, f"{number}.png"), label, first + 100 * depth + number)
    return folder


def write_manifest(folder: Path, rows: Sequence[Sequence[str]], columns: Sequence[str] = ("file", "label")) -> Path:
    """Write a manifest."""
    path = folder / "manifest.csv"
    with path.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([columns, *rows])
    return path


def listed(folder: Path) -> list[tuple[str, str]]:
    """Return the pictures of a folder as rows of a manifest."""
    return [(path.relative_to(folder).as_posix(), path.parent.name) for path in sorted(folder.rglob("*.png"))]


def facts_of(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "head.json").read_text(encoding="utf-8"))
    return read


def test_a_folder_is_learned_by_its_pictures_alone(millrace: Millrace, tmp_path: Path) -> None:
    known, asked = draw_folder(tmp_path / "train"), draw_folder(tmp_path / "test", 4, first=7_000)
    ended = millrace("train", known, "--out", tmp_path / "head", "--no-plots")
    assert ended.code == 0, ended.err
    assert {path.name for path in (tmp_path / "head").iterdir()} == WRITTEN
    assert "24 pictures, 3 labels\n" in ended.out
    facts, head = facts_of(tmp_path / "head"), load_head(tmp_path / "head")
    assert (facts["inputs"], facts["model"], facts["recipe"]["kind"]) == (["image"], PictureModel.fingerprint, "dense")
    assert set(facts["held_out_log_loss"]) == {"dense"}, "nothing is fitted on terms, as there are none"
    assert (len(head.terms), head.linear.dense.shape) == (0, (PICTURE_DIM, 3))
    assert "deeper/leaf/0.png" in head.known.texts
    measured = millrace("evaluate", asked, "--model", tmp_path / "head", "--json")
    figures = json.loads(measured.out)
    assert figures.keys() >= FIGURES
    assert (figures["rows"], figures["accuracy"], figures["damaged"]) == (12, 1.0, 0)
    assert figures["accuracy_interval"] == [pytest.approx(12 / (12 + 1.96**2), abs=1e-3), 1.0]


def test_titles_make_the_text_an_input(millrace: Millrace, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "train")
    rows = [(file, label, f"{label} number{n}", "<p>a fine one</p>") for n, (file, label) in enumerate(listed(folder))]
    manifest = write_manifest(folder, rows, ("file", "label", "title", "description"))
    assert millrace("train", manifest, "--out", tmp_path / "head", "--no-plots").code == 0
    head = load_head(tmp_path / "head")
    assert (head.inputs, head.dims) == (("image", "text"), (PICTURE_DIM, WordModel.dim))
    assert head.model == f"{PictureModel.fingerprint}+{WordModel.fingerprint}"
    assert {"apple", "leaf", "sky"} <= set(head.terms.words)
    assert f"apple/0.png: {joined('apple number0', 'a fine one')}" in head.known.texts
    untitled = json.loads(millrace("evaluate", folder, "--model", tmp_path / "head", "--json").out)
    assert untitled["rows"] == 24, "a product without a title is decided by its picture"


def test_a_damaged_picture_is_named_and_counted(millrace: Millrace, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "train")
    (folder / "apple" / "torn.png").write_bytes((folder / "apple" / "0.png").read_bytes()[:60])
    (folder / "apple" / "page.jpg").write_text("<html>not found</html>", encoding="utf-8")
    (folder / "loose.png").write_bytes((folder / "apple" / "1.png").read_bytes())
    (folder / "apple" / ".hidden.png").write_bytes((folder / "apple" / "1.png").read_bytes())
    (folder / "notes.txt").write_text("a note", encoding="utf-8")
    (folder / "apple" / "0.png").rename(folder / "apple" / "0.picture")
    (folder / "apple" / "again.png").write_bytes((folder / "apple" / "1.png").read_bytes())
    ended = millrace("train", folder, "--out", tmp_path / "head", "--no-plots")
    assert ended.code == 0, ended.err
    assert "left out: 1 repeated, 1 without a label, 2 that cannot be used" in ended.out
    assert "warning: 2 pictures cannot be used:" in ended.err
    assert "  apple/torn.png: " in ended.err
    assert "  apple/page.jpg: the content is" in ended.err
    assert facts_of(tmp_path / "head")["texts"] == 24
    figures = json.loads(millrace("evaluate", folder, "--model", tmp_path / "head", "--json").out)
    assert (figures["rows"], figures["damaged"], figures["unlabelled"]) == (25, 2, 1)


def test_a_picture_that_makes_the_model_fail_is_named_and_counted(
    millrace: Millrace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model fails on a call with a black picture; the pictures of the same call are learned."""
    monkeypatch.setattr(product_reading, "load_image_model", lambda _: FailingModel(1_000_000))
    folder = draw_folder(tmp_path / "train")
    Image.new("RGB", (SIDE, SIDE)).save(folder / "apple" / "black.png")
    ended = millrace("train", folder, "--out", tmp_path / "head", "--no-plots")
    assert ended.code == 0, ended.err
    assert "24 pictures, 3 labels; left out: 0 repeated, 0 without a label, 1 that cannot be used" in ended.out
    assert "  apple/black.png: the model cannot embed it: ZeroDivisionError\n" in ended.err


def test_the_manifest_of_an_import_is_learned_by_the_column_that_is_named(millrace: Millrace, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "train")
    rows = [(file, f"I-{number}", "P-1", label) for number, (file, label) in enumerate(listed(folder))]
    manifest = write_manifest(folder, rows, ("file", "image_id", "product_id", "agent_label"))
    column, out = ("--label-column", "agent_label"), ("--out", tmp_path / "head", "--no-plots")
    assert "column label is missing; the other columns are image_id" in millrace("train", manifest, *out).error
    assert millrace("train", manifest, *column, *out).code == 0
    assert load_head(tmp_path / "head").labels == ("apple", "leaf", "sky")
    measured = json.loads(millrace("evaluate", manifest, *column, "--model", tmp_path / "head", "--json").out)
    assert measured["rows"] == 24


def test_rows_without_a_label_are_counted(millrace: Millrace, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "train")
    manifest = write_manifest(folder, [*listed(folder), ("apple/0.png", ""), ("apple/1.png", "")])
    ended = millrace("train", manifest, "--out", tmp_path / "head", "--no-plots")
    assert "left out: 0 repeated, 2 without a label, 0 that cannot be used" in ended.out


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("gone.png", "the file gone.png does not exist"),
        ("../outside.png", "../outside.png lies outside the folder of the manifest"),
        ("/etc/hostname", "/etc/hostname lies outside the folder of the manifest"),
        ("apple", "the file apple does not exist"),
        ("", "the file is missing"),
        ("link.png", "link.png lies outside the folder of the manifest"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_that_names_the_row(
    millrace: Millrace, tmp_path: Path, file: str, reason: str
) -> None:
    folder = draw_folder(tmp_path / "train", 2)
    draw(tmp_path / "outside.png", "sky", 1)
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    manifest = write_manifest(folder, [*listed(folder)[:3], (file, "apple")])
    ended = millrace("train", manifest, "--out", tmp_path / "head", "--no-plots")
    assert ended.code == 1
    assert ended.error.startswith(f"error: {manifest}, row 4 (line 5): ")
    assert reason in ended.error


def test_a_manifest_without_a_needed_column_is_refused(millrace: Millrace, tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, [("a.png", "apple")], ("picture", "label"))
    ended = millrace("train", manifest, "--out", tmp_path / "head", "--no-plots")
    assert "column file is missing; the columns are picture, label" in ended.error


def test_a_folder_without_pictures_is_refused(millrace: Millrace, tmp_path: Path) -> None:
    ended = millrace("train", tmp_path, "--out", tmp_path / "head", "--no-plots")
    assert f"error: {tmp_path}: there is no labelled picture" in ended.error


def test_pictures_of_no_class_are_used_for_the_scope(millrace: Millrace, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "train")
    options = ("--out-of-scope-label", "sky", "--out", tmp_path / "head", "--no-plots")
    assert millrace("train", folder, *options).code == 0
    assert load_head(tmp_path / "head").labels == ("apple", "leaf")
    figures = json.loads(millrace("evaluate", folder, "--model", tmp_path / "head", "--json").out)
    assert (figures["out_of_scope"], figures["oos_auroc"]) == (8, pytest.approx(1, abs=0.1))


def test_uneven_classes_are_weighted_without_terms(millrace: Millrace, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "train", 12)
    for path in sorted((folder / "apple").iterdir())[2:]:
        path.unlink()
    assert millrace("train", folder, "--out", tmp_path / "head", "--no-plots").code == 0
    facts = facts_of(tmp_path / "head")
    assert facts["recipe"]["class_weights"], "apple has two pictures, which held-out figures hardly show"
    assert set(facts["held_out_log_loss"]) == {"dense", "dense with class weights"}


def test_vectors_of_another_model_are_refused(
    millrace: Millrace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = draw_folder(tmp_path / "train", 4)
    assert millrace("train", folder, "--out", tmp_path / "head", "--no-plots").code == 0
    monkeypatch.setattr(PictureModel, "fingerprint", "00000000")
    ended = millrace("evaluate", folder, "--model", tmp_path / "head")
    assert (
        f"trained on model {facts_of(tmp_path / 'head')['model']}, but the configured model is 00000000: "
        "train the head again with `millrace classes train`" in ended.error
    )
