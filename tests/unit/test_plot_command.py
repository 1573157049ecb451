"""`millrace plot`: the picture that it writes, its two figures, and what it refuses.

A green run does not prove that a map shows what a person wants to see.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import davies_bouldin_score, silhouette_score

from millrace import cli
from millrace.bulk.drawing import DISTINCT, draw, style_of
from millrace.bulk.plotting import Sample, measure
from millrace.cli import plot

pytestmark = pytest.mark.usefixtures("bare_environment")
Plot = Callable[..., tuple[int, str, str]]


@pytest.fixture
def plotted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Plot:
    """Return a function that runs the command and returns its exit code, output and errors."""
    monkeypatch.setattr(plot, "quiet", lambda: None)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["millrace", "plot", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        reported = capsys.readouterr()
        assert "Traceback" not in reported.err
        return (ended.value.code if isinstance(ended.value.code, int) else 0), reported.out, reported.err

    return run


def write_run(folder: Path, labels: list[int], classes: list[str], scale: float = 1.0, **facts: Any) -> Path:
    """Write the outputs of a run whose classes are groups in 8 dimensions."""
    folder.mkdir()
    drawn = np.random.default_rng(3)
    centres = drawn.normal(size=(len(classes) + 1, 8)) * 3
    vectors = (centres[labels] + drawn.normal(size=(len(labels), 8))).astype(np.float32)
    vectors *= scale / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "labels.npy", np.array(labels, np.int64))
    metadata = {"complete": True, "job": {}, "model": "m", "classes": classes, "shape": list(vectors.shape)} | facts
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def test_the_map_is_a_png_with_the_figures_of_scikit_learn(plotted: Plot, tmp_path: Path) -> None:
    labels = [0, 1, 2, -1] * 10
    folder = write_run(tmp_path / "run", labels, ["a", "b", "c"])
    code, out, _ = plotted(folder, "--json")
    found = json.loads(out)
    assert code == 0
    with Image.open(folder / "tsne.png") as opened:
        assert opened.format == "PNG"
        assert min(opened.size) > 500
        assert len(opened.convert("RGB").getcolors(1 << 24) or []) > 20, "nothing is drawn"
    kept = np.array(labels) >= 0
    vectors = np.load(folder / "vectors.npy")[kept]
    assert found["silhouette"] == pytest.approx(silhouette_score(vectors, np.array(labels)[kept], metric="cosine"))
    assert found["davies_bouldin"] == pytest.approx(davies_bouldin_score(vectors, np.array(labels)[kept]))
    assert (found["vectors"], found["drawn"], found["classes"]) == (40, 40, 3)


def test_equal_runs_have_equal_pictures(plotted: Plot, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [0, 1] * 10, ["a", "b"])
    for name in ("one.png", "two.png"):
        assert plotted(folder, "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert not (folder / "tsne.png").exists()


def test_the_length_of_vectors_changes_nothing(plotted: Plot, tmp_path: Path) -> None:
    labels = [0, 1] * 10
    unit = json.loads(plotted(write_run(tmp_path / "unit", labels, ["a", "b"]), "--json")[1])
    raw = json.loads(plotted(write_run(tmp_path / "raw", labels, ["a", "b"], scale=40.0), "--json")[1])
    assert raw["silhouette"] == pytest.approx(unit["silhouette"], abs=1e-5)
    assert raw["davies_bouldin"] == pytest.approx(unit["davies_bouldin"], abs=1e-4)


def test_of_a_large_run_a_sample_is_drawn_and_stated(plotted: Plot, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [0, 1] * 50, ["a", "b"])
    _, out, _ = plotted(folder, "--sample", "20")
    assert "20 of 100 vectors, drawn at random" in out
    first, second = (json.loads(plotted(folder, "--sample", "20", "--json")[1]) for _ in range(2))
    assert first == second
    assert first["drawn"] == 20


@pytest.mark.parametrize(
    ("labels", "classes", "reason"),
    [
        ([0] * 8, ["a"], "need at least 2 classes; the drawn vectors have 1"),
        ([-1] * 8, [], "need at least 2 classes; the drawn vectors have 0"),
        ([0, 1, 2, 3, 4, -1], list("abcde"), "need a class with more than 1 vector"),
    ],
)
def test_where_there_are_no_figures_the_reason_is_stated(
    labels: list[int], classes: list[str], reason: str, plotted: Plot, tmp_path: Path
) -> None:
    folder = write_run(tmp_path / "run", labels, classes)
    code, out, _ = plotted(folder)
    assert code == 0
    assert reason in out
    found = json.loads(plotted(folder, "--json")[1])
    assert (found["silhouette"], found["davies_bouldin"]) == (None, None)
    assert reason in found["reason"]


def test_equal_vectors_are_drawn(plotted: Plot, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [0, 1] * 4, ["a", "b"])
    np.save(folder / "vectors.npy", np.ones((8, 8), np.float32))
    assert plotted(folder)[0] == 0
    assert (folder / "tsne.png").exists()


def break_nothing(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def with_nan(folder: Path) -> None:
    vectors = np.load(folder / "vectors.npy")
    vectors[0, 0] = np.nan
    np.save(folder / "vectors.npy", vectors)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (break_nothing, "metadata.json does not exist"),
        (lambda folder: (folder / "metadata.json").write_text("{}"), "is not complete"),
        (lambda folder: (folder / "metadata.json").write_text("[1"), "is not complete"),
        (lambda folder: (folder / "vectors.npy").write_bytes(b"x"), "vectors.npy cannot be read"),
        (lambda folder: (folder / "vectors.npy").unlink(), "vectors.npy cannot be read"),
        (lambda folder: np.save(folder / "labels.npy", np.zeros(3, np.int64)), "do not belong together"),
        (lambda folder: np.save(folder / "labels.npy", np.full(20, 2)), "do not belong together"),
        (lambda folder: np.save(folder / "vectors.npy", np.array(["a"], object)), "cannot be read"),
        (with_nan, "zero or not finite"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(
    damage: Callable[[Path], object], expected: str, plotted: Plot, tmp_path: Path
) -> None:
    folder = write_run(tmp_path / "run", [0, 1] * 10, ["a", "b"])
    damage(folder)
    code, _, err = plotted(folder)
    assert code == 1
    assert err.startswith("error: ")
    assert expected in err
    assert not (folder / "tsne.png").exists()


def test_too_few_vectors_are_refused(plotted: Plot, tmp_path: Path) -> None:
    code, _, err = plotted(write_run(tmp_path / "run", [0, 1, 0], ["a", "b"]))
    assert code == 1
    assert "at least 5" in err


def test_a_picture_that_cannot_be_written_is_reported(plotted: Plot, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [0, 1] * 5, ["a", "b"])
    code, _, err = plotted(folder, "--out", tmp_path / "absent" / "a.png")
    assert code == 1
    assert "cannot be written" in err


@pytest.mark.parametrize("name", ["map.png", "vectors.npy", "plots/map.png", "../run/map.png", ".unfinished/a.png"])
def test_a_picture_that_would_be_among_the_outputs_is_refused(name: str, plotted: Plot, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [0, 1] * 5, ["a", "b"])
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, _, err = plotted(folder, "--out", folder / name)
    assert code == 1
    assert "choose a file outside of it" in err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_the_picture_may_be_named_as_it_is_by_default(plotted: Plot, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [0, 1] * 5, ["a", "b"])
    assert plotted(folder, "--out", folder / "tsne.png")[0] == 0
    assert (folder / "tsne.png").exists()


def test_sixty_classes_differ_in_colour_or_marker() -> None:
    assert DISTINCT == 60
    assert len({style_of(number) for number in range(DISTINCT)}) == DISTINCT


@pytest.mark.parametrize("count", [30, 75])
def test_names_of_many_classes_are_drawn_as_they_are(count: int, tmp_path: Path) -> None:
    drawn = np.random.default_rng(1)
    labels = np.append(np.arange(-1, count), drawn.integers(0, count, 200)).astype(np.int64)
    names = [f"_{number} $x_{{$ \n 服装 {'long ' * 20}" for number in range(count)]
    draw(drawn.normal(size=(len(labels), 2)).astype(np.float32), labels, names, "$a_{$", tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as opened:
        opened.load()
        assert opened.width > opened.height


@given(st.lists(st.integers(-1, 3), min_size=5, max_size=30), st.integers(0, 9))
def test_the_silhouette_lies_between_its_bounds_or_has_a_reason(labels: list[int], seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(len(labels), 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = measure(Sample(vectors, np.array(labels, np.int64), tuple("abcd"), len(labels)))
    if found.reason:
        assert (found.silhouette, found.davies_bouldin) == (None, None)
    else:
        assert found.silhouette is not None
        assert found.davies_bouldin is not None
        assert -1 <= found.silhouette <= 1
        assert found.davies_bouldin >= 0
