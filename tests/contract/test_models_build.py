"""`millrace models build`: an int8 model, its row and its record, or a refusal that leaves nothing.

A green run does not prove that heads on an int8 model are as good (`python -m benchmarks.encoders`), nor that it is
faster, nor anything about a CPU without instructions for products of bytes. That nothing is sent is shown by the files
that the sending library would write before it sends.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from millrace.cli.models_build import LEAST_MEAN_COSINE, LEAST_OVERLAP
from millrace.quantising.building import Order, build
from millrace.quantising.parts import Floors, Judged
from millrace.quantising.texts import packaged_sample
from shared.embedding import cpu
from shared.embedding.backends import choose_backend
from shared.embedding.cpu import multiplies_bytes
from shared.embedding.files import files_of
from shared.embedding.openvino.model import OpenVinoModel
from shared.embedding.registry import TextCard, load_cards, load_text_card
from shared.errors import Fatal
from shared.routing.training.folds import Examples
from shared.routing.training.plan import plan_training
from shared.routing.training.train import train
from shared.text.preparation import Preparer
from tests.support.built_models import built, built_card
from tests.support.command import millrace
from tests.support.fetched_models import row
from tests.support.models import SMALL_WINDOW, load, small_card

pytestmark = pytest.mark.skipif(not multiplies_bytes(), reason="this CPU has no VNNI")

ROUGH = ("--least-mean-cosine", "0.5", "--least-overlap", "0")
"""A model with random weights has activations that are hard to quantise."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> TextCard:
    return small_card(tmp_path_factory.mktemp("original") / "model", "mean")


@pytest.fixture(scope="module")
def made(original: TextCard, tmp_path_factory: pytest.TempPathFactory) -> TextCard:
    return built_card(original, tmp_path_factory.mktemp("made") / "model")


def rows_of(original: TextCard, folder: Path) -> Path:
    """Write a file with the row of the original, named `small`."""
    return row(folder, original.source, files=files_of(original.folder), window_tokens=SMALL_WINDOW)


def run(folder: Path, models_file: Path | None, *arguments: str) -> CompletedProcess[str]:
    given = () if models_file is None else ("--models-file", str(models_file))
    (folder / "home").mkdir(exist_ok=True)
    return millrace("models", "build", *arguments, *given, folder=folder, HOME=str(folder / "home"))


def test_the_command_makes_a_model_with_a_row_and_a_record(original: TextCard, tmp_path: Path) -> None:
    rows = rows_of(original, tmp_path)
    done = run(tmp_path, rows, "small", "--to", "made", "--json", *ROUGH)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    folder = tmp_path / "made"
    assert {path.name for path in folder.iterdir()} == {
        "build.json", "model.bin", "model.xml", "models.toml", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    kept, new = load_cards(folder / "models.toml")
    assert kept == load_text_card("small", rows)
    assert (new.key, new.fingerprint) == (said["model"], said["fingerprint"]) == ("small-int8", new.fingerprint)
    assert new.source == f"path:{folder}"
    assert (new.dtype, new.backend) == ("int8", "openvino")
    changed = {"key", "source", "files", "dtype", "backend", "bfloat16"}
    assert new.model_dump(exclude=changed) == kept.model_dump(exclude=changed)
    check_record(json.loads((folder / "build.json").read_text()), said, kept.fingerprint)
    assert not (tmp_path / "home" / "intel").exists(), "the library's telemetry was at work"
    verified = millrace("models", "verify", "small-int8", "--models-file", str(folder / "models.toml"), folder=tmp_path)
    assert verified.returncode == 0, verified.stdout


def check_record(record: dict[str, Any], said: dict[str, Any], fingerprint: str) -> None:
    assert record["fingerprint"] == said["fingerprint"]
    assert record["made_of"]["fingerprint"] == fingerprint
    assert "model.safetensors" in record["made_of"]["files"]
    assert {"nncf", "openvino"} <= record["quantisation"].keys()
    assert record["calibration"]["texts"] > 50
    assert len(record["calibration"]["sha256"]) == 64
    assert record["parity"] == said["parity"]
    assert record["parity"]["texts"] >= 300
    assert record["floors"] == {"mean_cosine": 0.5, "overlap": 0}


def test_a_model_below_a_floor_is_refused_and_leaves_nothing(original: TextCard, tmp_path: Path) -> None:
    before = sorted([*tmp_path.iterdir(), tmp_path / "home", rows_of(original, tmp_path)])
    done = run(tmp_path, tmp_path / "models.toml", "small", "--to", "made", "--least-mean-cosine", "0.99999")
    assert done.returncode == 1
    assert "mean cosine 0.9" in done.stderr
    assert "is below 0.99999" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("other", "--to", "made"), "there is no model other"),
        (("small", "--to", "full"), "not an empty folder"),
        (("small", "--to", "models.toml"), "not an empty folder"),
        (("small", "--to", "no/where"), "does not exist"),
        (("small", "--to", "made", "--name", "small"), "there is a model small already"),
        (("small", "--to", "made", "--name", "a b"), "a name has ASCII letters"),
        (("small", "--to", "made", "--head", "full"), "give both --head and --held-out"),
        (("small", "--to", "made", "--texts", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_wrong_usage_has_exit_code_2(original: TextCard, tmp_path: Path, arguments: Sequence[str], said: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    done = run(tmp_path, rows_of(original, tmp_path), *arguments)
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize("key", ["use-multilingual-v3", "whisper-base", "efficientnet-lite0"])
def test_other_models_are_refused_with_the_reason(tmp_path: Path, key: str) -> None:
    done = run(tmp_path, None, key, "--to", "made")
    assert done.returncode == 2
    assert "numpy" in done.stderr or "a text model is needed" in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("content", "said"),
    [("text\nWhere is my order?\n", "has 1 different texts, but 360 are needed"), ("a\nb\n", "column text is missing")],
)
def test_a_file_that_cannot_serve_is_refused(original: TextCard, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "texts.csv").write_text(content)
    done = run(tmp_path, rows_of(original, tmp_path), "small", "--to", "made", "--texts", "texts.csv")
    assert done.returncode == 1
    assert said in done.stderr


def test_own_texts_are_calibrated_with(original: TextCard, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(f"order {number} is not here" for number in range(400)))
    done = run(
        tmp_path, rows_of(original, tmp_path), "small", "--to", "made", "--name", "mine", "--texts", "texts.txt", *ROUGH
    )
    assert done.returncode == 0, done.stderr
    assert "mine, fingerprint" in done.stdout
    record = json.loads((tmp_path / "made" / "build.json").read_text())
    assert record["calibration"]["origin"] == "texts.txt"
    assert record["calibration"]["texts"] + record["parity"]["texts"] == 400


def test_building_twice_gives_the_same_model(original: TextCard, made: TextCard, tmp_path: Path) -> None:
    again = built(original, tmp_path / "again")
    assert again.card.fingerprint == made.fingerprint


def test_the_vectors_are_near_those_of_the_original_but_another_model_s(original: TextCard, made: TextCard) -> None:
    texts = [f"order {number} is not here" for number in range(50)]
    exact, found = (load(card, dtype="float32").embed(texts).vectors for card in (original, made))
    assert 0.99 < float(np.einsum("ij,ij->i", exact, found).mean()) < 0.99999
    assert made.fingerprint != original.fingerprint


def test_only_openvino_on_the_cpu_computes_it(made: TextCard) -> None:
    assert choose_backend(made, "auto", "auto") == choose_backend(made, "openvino", "cpu") == "openvino"
    with pytest.raises(Fatal, match="computed by openvino only, not by torch"):
        choose_backend(made, "torch", "cpu")
    with pytest.raises(Fatal, match="runs on the CPU, not on cuda"):
        OpenVinoModel(made, "cuda", 1_024)
    with pytest.raises(Fatal, match="is in int8, whose vectors differ with bfloat16"):
        OpenVinoModel(made, "cpu", 1_024, "bfloat16")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dtype": "float32"}, "int8 and the backend openvino belong together"),
        ({"backend": "torch"}, "model.bin is a pickle"),
        ({"files": {"model.xml": "0" * 64}}, "files must list model.bin, tokenizer.json"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(made: TextCard, changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TextCard.model_validate(made.model_dump() | changes)


@pytest.mark.parametrize("facts", ["flags : fpu avx2 avx512f", "Features : asimd", None])
def test_a_cpu_that_would_compute_other_vectors_is_refused(
    made: TextCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: str | None
) -> None:
    file = tmp_path / "cpuinfo"
    if facts is not None:
        file.write_text(f"processor : 0\n{facts}\n")
    monkeypatch.setattr(cpu, "CPU_FACTS", file)
    with pytest.raises(Fatal, match="small-mean-int8 is in int8, which needs a CPU with VNNI"):
        OpenVinoModel(made, "cpu", 1_024)


@pytest.mark.parametrize("content", ["", "no graph", "<net name='x' version='11'><layers/><edges/></net>"])
def test_a_graph_that_was_not_made_here_is_refused(made: TextCard, tmp_path: Path, content: str) -> None:
    for path in made.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.xml").write_text(content)
    other = made.model_copy(update={"source": f"path:{tmp_path}", "files": files_of(tmp_path)})
    with pytest.raises(Fatal, match=r"small-mean-int8.*model.xml is not one that `millrace models build` made"):
        OpenVinoModel(other, "cpu", 1_024)


def test_a_changed_file_is_refused(made: TextCard, tmp_path: Path) -> None:
    for path in made.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "model.bin").open("ab") as opened:
        opened.write(b"\0")
    with pytest.raises(Fatal, match=r"model\.bin has SHA-256"):
        OpenVinoModel(made.model_copy(update={"source": f"path:{tmp_path}"}), "cpu", 1_024)


def test_the_packaged_model_passes_the_floors_with_a_head(tmp_path: Path) -> None:
    card = load_text_card("minilm-l6-v2")
    sample = packaged_sample(Preparer(card.preparation))
    texts = sample.held_out[:200]
    labels = ["order" if "order" in text.lower() else "other" for text in texts]
    vectors = OpenVinoModel(card, "cpu", 1_024).embed(texts).vectors
    head = train(plan_training(Examples.of(texts, labels, vectors), None), card.fingerprint, lambda: None).head
    floors = Floors(LEAST_MEAN_COSINE, LEAST_OVERLAP)
    order = Order(card, "minilm-l6-v2-int8", tmp_path / "made", None, floors)
    found = build(order, sample, Judged(head, texts, labels))
    assert found.parity.mean_cosine >= LEAST_MEAN_COSINE
    assert found.accuracy is not None
    assert found.accuracy.texts == 200
    assert found.accuracy.original > 0.9
