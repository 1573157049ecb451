"""`millrace embed`: its outputs, what it lists, and what it refuses.

Pictures are decoded by the real decoder; a stand-in computes the vectors. A green run does not prove that a run which is
ended resumes (`test_embed_resumed.py`), nor anything of real models (`tests/golden/test_bulk.py`).
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from millrace.bulk import folder
from tests.support import bulk
from tests.support.bulk import Millrace, command, contents, write_pictures, write_texts

pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> bulk.Models:
    return bulk.stand_in(monkeypatch.setattr)


@pytest.fixture
def millrace(models: bulk.Models, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Millrace:
    return command(monkeypatch, capsys)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_images_become_arrays_with_their_map(millrace: Millrace, tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in", 9)
    (pictures / "hat" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    Image.new("RGB", (20, 20)).save(pictures / "black.png")  # a NaN
    Image.new("RGB", (20, 20), "red").save(pictures / "red.png")  # without a label
    ended = millrace(pictures, "--out", tmp_path / "out", "--json")
    assert ended.code == 0
    summary = json.loads(ended.out)
    vectors, labels = np.load(tmp_path / "out/vectors.npy"), np.load(tmp_path / "out/labels.npy")
    assert vectors.shape == (10, bulk.DIM)
    assert (vectors.dtype, labels.dtype) == (np.float32, np.int64)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    rows = rows_of(tmp_path / "out/rows.csv")
    assert [row["row"] for row in rows] == [str(number) for number in range(10)]
    assert [(row["file"], row["label"], row["image_id"], row["product_id"]) for row in rows[:2]] == [
        ("hat/image_0_product_0.png", "hat", "0", "0"),
        ("hat/image_2_product_1.png", "hat", "2", "1"),
    ]
    assert summary["classes"] == ["hat", "shoe"]
    assert labels.tolist() == [{"hat": 0, "shoe": 1, "": -1}[row["label"]] for row in rows]
    rejects = rows_of(tmp_path / "out/rejects.csv")
    assert [(row["file"], row["code"]) for row in rejects] == [
        ("black.png", "vector_not_finite"),
        ("hat/broken.jpg", "media_unreadable"),
    ]
    assert all(row["reason"] for row in rejects)
    assert "2 inputs could not be embedded" in millrace(pictures, "--out", tmp_path / "out").err


def test_the_metadata_describes_the_arrays(millrace: Millrace, tmp_path: Path) -> None:
    millrace(write_texts(tmp_path / "in", 7), "--out", tmp_path / "out")
    facts = json.loads((tmp_path / "out/metadata.json").read_bytes())
    vectors = np.load(tmp_path / "out/vectors.npy").astype(np.float64)
    assert facts["complete"] is True
    assert (facts["kind"], facts["model"], facts["fingerprint"]) == ("texts", "minilm-l6-v2", "ba7c4000")
    assert (facts["shape"], facts["dtype"], facts["length"]) == ([7, bulk.DIM], "float32", "unit")
    assert np.allclose(facts["mean"], vectors.mean(axis=0))
    assert np.allclose(facts["standard_deviation"], vectors.std(axis=0))
    assert (facts["classes"], facts["class_counts"]) == (["cards", "fees"], [2, 2])
    assert facts["class_weights"] == [1.0, 1.0]
    assert (facts["inputs"], facts["embedded"], facts["rejected"], facts["labelled"]) == (7, 7, 0, 4)
    assert facts["timing"]["items_per_second"] > 0
    assert facts["job"]["versions"]["numpy"] == np.__version__


def test_classes_of_different_size_have_balanced_weights(millrace: Millrace, tmp_path: Path) -> None:
    table = tmp_path / "texts.csv"
    table.write_text("text,label\na1,a\na2,a\na3,a\nb1,b\nno label,\n")
    summary = json.loads(millrace(table, "--out", tmp_path / "out", "--json").out)
    assert (summary["class_counts"], summary["class_weights"]) == ([3, 1], [4 / 6, 2.0])
    assert np.load(tmp_path / "out/labels.npy").tolist() == [0, 0, 0, 1, -1]


def test_vectors_keep_the_length_of_the_model_if_wanted(millrace: Millrace, tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in", 3)
    assert millrace(pictures, "--out", tmp_path / "unit").code == 0
    assert millrace(pictures, "--out", tmp_path / "raw", "--raw").code == 0
    unit, raw = (np.load(tmp_path / name / "vectors.npy") for name in ("unit", "raw"))
    assert np.allclose(raw, 3 * unit)
    assert json.loads((tmp_path / "raw/metadata.json").read_bytes())["length"] == "raw"
    refused = millrace(write_texts(tmp_path / "texts", 1), "--out", tmp_path / "none", "--raw")
    assert refused.code == 1
    assert "leave out --raw" in refused.error
    assert not (tmp_path / "none").exists()


def test_texts_that_have_no_vector_are_listed(millrace: Millrace, tmp_path: Path) -> None:
    bad = {
        "empty": b"",
        "blank": b" \n\t ",
        "latin": "café".encode("latin-1"),
        "nan": bulk.NOT_FINITE.encode(),
        "zero": bulk.ZERO.encode(),
        "failing": bulk.FAILING.encode(),
    }
    inside = write_texts(tmp_path / "in", 2)
    for name, content in bad.items():
        (inside / f"{name}.txt").write_bytes(content)
    (inside / "other.csv").write_bytes(b"a,b\n\xff")
    assert millrace(inside, "--out", tmp_path / "out").code == 0
    found = {row["file"].removesuffix(".txt"): row["code"] for row in rows_of(tmp_path / "out/rejects.csv")}
    assert found == {
        "empty": "empty_value",
        "blank": "empty_value",
        "latin": "invalid_utf8",
        "nan": "vector_not_finite",
        "zero": "vector_constant",
        "failing": "model_failed",
        "other.csv": "invalid_utf8",
    }
    assert len(rows_of(tmp_path / "out/rows.csv")) == 2


def test_a_file_beyond_the_limit_is_listed(millrace: Millrace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_MEDIA__MAX_MIB", "1")
    inside = write_texts(tmp_path / "in", 1)
    (inside / "large.txt").write_bytes(b"x" * ((1 << 20) + 1))
    millrace(inside, "--out", tmp_path / "out")
    [rejected] = rows_of(tmp_path / "out/rejects.csv")
    assert (rejected["code"], "MILLRACE_MEDIA__MAX_MIB" in rejected["reason"]) == ("media_too_large", True)


def test_a_run_without_a_vector_fails_but_states_the_reasons(millrace: Millrace, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text(bulk.NOT_FINITE)
    for _ in range(2):  # also when everything is done before
        ended = millrace(tmp_path / "in", "--out", tmp_path / "out")
        assert ended.code == 1
        assert "no text could be embedded" in ended.error
    assert len(rows_of(tmp_path / "out/rejects.csv")) == 1
    assert np.load(tmp_path / "out/vectors.npy").shape == (0, bulk.DIM)
    assert np.load(tmp_path / "out/labels.npy").shape == (0,)


def test_a_complete_run_is_not_repeated(millrace: Millrace, models: bulk.Models, tmp_path: Path) -> None:
    inside = write_texts(tmp_path / "in", 5)
    first = json.loads(millrace(inside, "--out", tmp_path / "out", "--json").out)
    stored = (tmp_path / "out/metadata.json").read_bytes()
    calls = len(models.text.calls)
    second = json.loads(millrace(inside, "--out", tmp_path / "out", "--json").out)
    assert len(models.text.calls) == calls
    assert (first["done_before"], second["done_before"]) == (0, 5)
    assert (tmp_path / "out/metadata.json").read_bytes() == stored
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == list(bulk.OUTPUTS)


@pytest.mark.parametrize(
    ("change", "options", "expected"),
    [
        (lambda inside: (inside / "new.txt").write_text("new"), (), "inputs was 5, is 6"),
        (lambda inside: (inside / "0000.txt").write_text("changed"), (), "the inputs have changed"),
        (lambda inside: None, ("--shard", "3"), "shard was 1024, is 3"),
        (lambda inside: None, ("--model", "use-multilingual-v3"), "model was minilm-l6-v2, is use-multilingual-v3"),
    ],
)
def test_another_run_is_refused_unless_it_is_to_replace_the_first(
    change: Callable[[Path], Any],
    options: tuple[str, ...],
    expected: str,
    millrace: Millrace,
    tmp_path: Path,
) -> None:
    inside = write_texts(tmp_path / "in", 5)
    millrace(inside, "--out", tmp_path / "out")
    before = contents(tmp_path / "out")
    change(inside)
    ended = millrace(inside, "--out", tmp_path / "out", *options)
    assert ended.code == 1
    assert expected in ended.error
    assert "--overwrite" in ended.error
    assert contents(tmp_path / "out") == before
    assert millrace(inside, "--out", tmp_path / "out", *options, "--overwrite").code == 0
    millrace(inside, "--out", tmp_path / "fresh", *options)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


@pytest.mark.parametrize("name", ["notes.md", "vectors.npy"])
def test_a_folder_that_holds_something_else_is_refused_and_left_alone(
    name: str, millrace: Millrace, tmp_path: Path
) -> None:
    inside = write_texts(tmp_path / "in", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    for options in ((), ("--overwrite",)):
        ended = millrace(inside, "--out", tmp_path / "out", *options)
        assert ended.code == 1
        assert ended.error
        assert [path.name for path in (tmp_path / "out").iterdir()] == [name]
        assert (tmp_path / "out" / name).read_text() == "mine"


def test_outputs_among_the_inputs_are_refused(millrace: Millrace, tmp_path: Path) -> None:
    inside = write_texts(tmp_path / "in", 1)
    assert "among the inputs" in millrace(inside, "--out", inside / "out").error
    assert "among the inputs" in millrace(inside, "--out", inside).error


def test_two_processes_do_not_write_one_folder(millrace: Millrace, tmp_path: Path) -> None:
    inside = write_texts(tmp_path / "in", 1)
    with folder.RunFolder(tmp_path / "out").begun({"format": 1}, is_replaced=False):
        assert "another process" in millrace(inside, "--out", tmp_path / "out").error


def test_a_folder_that_cannot_be_written_is_reported(millrace: Millrace, tmp_path: Path) -> None:
    inside = write_texts(tmp_path / "in", 1)
    (tmp_path / "file").write_text("")
    assert "cannot be written" in millrace(inside, "--out", tmp_path / "file" / "out").error
    assert "cannot be written" in millrace(inside, "--out", tmp_path / "file").error


def test_what_a_plot_that_was_killed_left_does_not_keep_a_folder_from_being_used(
    millrace: Millrace, tmp_path: Path
) -> None:
    inside, out = write_texts(tmp_path / "in", 4), tmp_path / "out"
    assert millrace(inside, "--out", out).code == 0
    whole = contents(out)
    (out / "tsne.png.part").write_bytes(b"half a picture")
    assert millrace(inside, "--out", out).code == 0
    write_texts(inside, 6)
    assert millrace(inside, "--out", out, "--overwrite").code == 0
    assert contents(out).keys() == whole.keys()
