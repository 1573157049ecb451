"""A text model in every layout of a card: one file, shards, a snapshot in the Hugging Face cache, parts of packages.

What it shows: the same weights give the same vectors in every layout, each file is compared with the card before the
model is loaded, and code in a model's folder is not run.
A green run does not prove that a model of a real hub loads, nor anything about formats other than safetensors.
"""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModel

from shared.embedding.files import files_of
from shared.embedding.registry import TextCard
from shared.embedding.text import SentenceModel
from shared.errors import Fatal
from shared.records import Vector
from tests.support.models import small_card

REVISION = "0123456789abcdef0123456789abcdef01234567"
TEXTS = ["where is my order", "refund the money please", ""]


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> TextCard:
    return small_card(tmp_path_factory.mktemp("layouts") / "model", "mean")


@pytest.fixture(scope="module")
def expected(card: TextCard) -> Vector:
    return vectors(card)


def vectors(card: TextCard) -> Vector:
    """Return the vectors of the texts under a card."""
    return SentenceModel(card, "cpu", 1_024).embed(TEXTS).vectors


def card_of(card: TextCard, folder: Path, source: str) -> TextCard:
    """Return a card with the files of a folder."""
    return TextCard.model_validate(card.model_dump() | {"source": source, "files": files_of(folder)})


def copied(card: TextCard, folder: Path) -> Path:
    shutil.copytree(card.folder, folder)
    return folder


@pytest.fixture
def sharded(card: TextCard, tmp_path: Path) -> TextCard:
    """Yield the same weights in several files and their index."""
    folder = copied(card, tmp_path / "sharded")
    whole = AutoModel.from_pretrained(folder, local_files_only=True)
    (folder / "model.safetensors").unlink()
    whole.save_pretrained(folder, max_shard_size="40KB")
    return card_of(card, folder, f"path:{folder}")


def test_the_card_lists_everything_that_changes_a_vector(card: TextCard) -> None:
    named = {"model.safetensors", "tokenizer.json", "config.json", "modules.json", "1_Pooling/config.json"}
    assert named <= set(card.files)
    assert "README.md" not in card.files


def test_shards_give_the_same_vectors(sharded: TextCard, expected: Vector) -> None:
    shards = [name for name in sharded.files if name.endswith(".safetensors")]
    assert len(shards) > 1
    assert "model.safetensors.index.json" in sharded.files
    np.testing.assert_allclose(vectors(sharded), expected, atol=1e-6)


def test_every_shard_is_compared_with_the_card(sharded: TextCard) -> None:
    last = sorted(name for name in sharded.files if name.endswith(".safetensors"))[-1]
    path = sharded.folder / last
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Fatal, match=f"{last} has SHA-256 {sha256(content).hexdigest()}, but the model's card states"):
        vectors(sharded)


def test_a_shard_that_the_card_does_not_list_is_refused(sharded: TextCard) -> None:
    files = dict(sharded.files)
    last = sorted(name for name in files if name.endswith(".safetensors"))[-1]
    del files[last]
    (sharded.folder / last).unlink()
    with pytest.raises(Fatal, match=f"names the shard {last}, which its card does not list"):
        vectors(sharded.model_copy(update={"files": files}))


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "1_Pooling/config.json", "modules.json"])
def test_a_changed_file_beside_the_weights_is_refused_before_loading(card: TextCard, tmp_path: Path, name: str) -> None:
    folder = copied(card, tmp_path / "changed")
    (folder / name).write_text((folder / name).read_text() + " ")
    with pytest.raises(Fatal, match=f"{name} has SHA-256"):
        vectors(card.model_copy(update={"source": f"path:{folder}"}))


@pytest.fixture
def hub(card: TextCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Yield a snapshot of the model in a Hugging Face cache, as a download leaves it: links to blobs, and its README."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--org--small"
    snapshot = repository / "snapshots" / REVISION
    (repository / "blobs").mkdir(parents=True)
    for path in [path for path in card.folder.rglob("*") if path.is_file()]:
        link = snapshot / path.relative_to(card.folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        blob = repository / "blobs" / sha256(path.read_bytes()).hexdigest()
        shutil.copy(path, blob)
        link.symlink_to(Path(*[".."] * (len(link.relative_to(repository).parts) - 1)) / "blobs" / blob.name)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)
    return snapshot


def test_a_snapshot_of_the_hub_gives_the_same_vectors(card: TextCard, hub: Path, expected: Vector) -> None:
    found = card_of(card, hub, f"hub:org/small@{REVISION}")
    assert found.fingerprint == card.fingerprint
    assert found.folder == hub
    np.testing.assert_allclose(vectors(found), expected, atol=1e-6)


def test_a_changed_blob_is_refused(card: TextCard, hub: Path) -> None:
    (hub / "model.safetensors").resolve().write_bytes(b"other weights")
    with pytest.raises(Fatal, match=r"model\.safetensors has SHA-256"):
        vectors(card.model_copy(update={"source": f"hub:org/small@{REVISION}"}))


def test_parts_of_two_packages_give_the_same_vectors(
    card: TextCard, expected: Vector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copied(card, tmp_path / "weights_one")
    weights = (tmp_path / "weights_one" / "model.safetensors").read_bytes()
    (tmp_path / "weights_one" / "model.safetensors").unlink()
    (tmp_path / "weights_two").mkdir()
    pieces = {"weights_one": weights[:1_000], "weights_two": weights[1_000:]}
    for package, content in pieces.items():
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "model.safetensors.part").write_bytes(content)
    parts = {"model.safetensors": [f"{package}/model.safetensors.part" for package in pieces]}
    changes = {"source": "package:weights_one+weights_two", "parts": parts}
    joined = TextCard.model_validate(card.model_dump() | changes)
    assert joined.fingerprint == card.fingerprint
    np.testing.assert_allclose(vectors(joined), expected, atol=1e-6)


def test_code_in_a_model_s_folder_is_not_run(card: TextCard, tmp_path: Path) -> None:
    folder, ran = copied(card, tmp_path / "code"), tmp_path / "ran"
    (folder / "mine.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Mine: pass\n")
    modules = json.loads((folder / "modules.json").read_text())
    modules[-1]["type"] = "mine.Mine"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ValueError, match=r"mine\.Mine"):
        vectors(card_of(card, folder, f"path:{folder}"))
    assert not ran.exists()


def test_pickled_weights_are_not_loaded(card: TextCard, tmp_path: Path) -> None:
    folder = copied(card, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="is a pickle"):
        card_of(card, folder, f"path:{folder}")
