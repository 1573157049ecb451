"""A head on disk: read back as written; a damaged or half-written one, or another model's, is refused by name.

A green run does not prove that a head survives a power cut in the middle of a write: only that such a folder is
refused.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from shared.errors import Fatal
from shared.routing.head import Head
from shared.routing.head_files import ARRAYS, FACTS, TERMS, TEXTS, load_head, make_folder, save_head
from shared.routing.training.findings import facts_of
from shared.routing.training.plan import plan_training
from shared.routing.training.train import train
from tests.support.labelled import WordModel, examples, support

FILES = (ARRAYS, TERMS, TEXTS, FACTS)
ODD = {
    'a "quoted" label': ["Größe 42\nStraße", "naïve café"],
    "表": ["我的卡", "卡 📦"],
    "l\u2028": ["tab\tbed", "back\\slash"],
}


@pytest.fixture(scope="module")
def fresh() -> Head:
    given = examples(support(labels=4) | ODD)
    trained = train(plan_training(given, None), WordModel.fingerprint, lambda: None)
    return replace(trained.head, facts=facts_of(trained, given))


@pytest.fixture
def folder(fresh: Head, tmp_path: Path) -> Path:
    save_head(fresh, tmp_path / "head")
    return tmp_path / "head"


def change(folder: Path, **facts: Any) -> None:
    """Write other facts into head.json; a value of None removes the fact."""
    reported = json.loads((folder / FACTS).read_text(encoding="utf-8")) | facts
    kept = {name: value for name, value in reported.items() if value is not None}
    (folder / FACTS).write_text(json.dumps(kept), encoding="utf-8")


def test_a_head_that_was_read_back_gives_the_same_answers(fresh: Head, folder: Path) -> None:
    new = examples(support(labels=4, seed=1) | ODD)
    before, after = fresh.predict(new.texts, new.vectors), load_head(folder).predict(new.texts, new.vectors)
    np.testing.assert_array_equal(after.probabilities, before.probabilities)
    np.testing.assert_allclose(after.similarity, before.similarity, atol=1e-3, err_msg="half precision")
    np.testing.assert_allclose(after.scope, before.scope, atol=5e-3)
    assert after.similarity.max() <= 1.0001


def test_everything_else_is_read_back_too(fresh: Head, folder: Path) -> None:
    read = load_head(folder)
    assert (read.labels, read.model, read.scope) == (fresh.labels, fresh.model, fresh.scope)
    assert (read.known.texts, read.known.labels) == (fresh.known.texts, fresh.known.labels)
    assert (read.terms.words, read.terms.pieces) == (fresh.terms.words, fresh.terms.pieces)
    assert {name: read.facts[name] for name in fresh.facts} == json.loads(json.dumps(dict(fresh.facts)))
    assert read.facts["fingerprint"] == read.fingerprint
    assert len(read.fingerprint) == 8


def test_the_files_hold_data_and_no_code(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    arrays = load((folder / ARRAYS).read_bytes())
    assert {array.dtype.kind for array in arrays.values()} == {"f"}
    assert arrays["known"].dtype == np.float16
    assert json.loads((folder / TERMS).read_bytes()).keys() == {"words", "pieces"}
    assert all(json.loads(line).keys() == {"label", "text"} for line in (folder / TEXTS).read_bytes().splitlines())
    assert json.loads((folder / FACTS).read_bytes())["format"] == 1


def test_the_fingerprint_covers_everything_that_changes_an_answer(fresh: Head, tmp_path: Path) -> None:
    def fingerprint(head: Head) -> str:
        return save_head(head, tmp_path / "any").fingerprint

    own = fingerprint(fresh)
    assert fingerprint(replace(fresh, facts={})) == own, "facts change no answer"
    changed = [
        replace(fresh, labels=fresh.labels[::-1]),
        replace(fresh, model="00000000"),
        replace(fresh, linear=fresh.linear.times(1.01)),
        replace(fresh, scope=replace(fresh.scope, threshold=0.9)),
        replace(fresh, known=replace(fresh.known, texts=fresh.known.texts[::-1])),
    ]
    assert len({own, *(fingerprint(head) for head in changed)}) == 6


def test_a_head_that_was_read_can_be_written_elsewhere(folder: Path, tmp_path: Path) -> None:
    read = load_head(folder)
    again = save_head(replace(read, scope=replace(read.scope, threshold=0.5)), tmp_path / "again")
    assert again.scope_at == load_head(tmp_path / "again").scope_at == 0.5
    assert again.fingerprint == again.facts["fingerprint"] != read.fingerprint


def test_a_new_head_replaces_the_one_that_exists(fresh: Head, folder: Path) -> None:
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    other = save_head(replace(fresh, model="00000000"), folder)
    assert load_head(folder).fingerprint == other.fingerprint
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["gone", "cut", "flipped", "empty", "other"])
def test_a_damaged_file_is_refused_by_name(name: str, damage: str, folder: Path) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 3] ^= 0x80
    damaged = {"cut": bytes(content[: len(content) // 2]), "empty": b"", "other": b"[]"}.get(damage, bytes(content))
    path.unlink()
    if damage != "gone":
        path.write_bytes(damaged)
    with pytest.raises(Fatal, match=name.replace(".", r"\.")) as refused:
        load_head(folder)
    assert str(folder) in str(refused.value)
    assert "train" in str(refused.value)


@pytest.mark.parametrize("name", ["format", "fingerprint", "model", "labels", "files"])
def test_facts_that_lack_a_part_are_refused(name: str, folder: Path) -> None:
    change(folder, **{name: None})
    with pytest.raises(Fatal, match=rf"{FACTS} is not a valid head file: KeyError\('{name}'\)"):
        load_head(folder)


@pytest.mark.parametrize(
    "facts", [{"labels": ["x", "y"]}, {"model": "ffffffff"}, {"fingerprint": "00000000"}, {"labels": "abc"}]
)
def test_facts_changed_by_hand_are_refused(facts: dict[str, Any], folder: Path) -> None:
    change(folder, **facts)
    with pytest.raises(Fatal, match=f"{FACTS} was changed by hand"):
        load_head(folder)


def test_another_format_is_refused(folder: Path) -> None:
    change(folder, format=2)
    with pytest.raises(Fatal, match="has format 2, but this version reads format 1"):
        load_head(folder)


def test_deeply_nested_brackets_are_refused(folder: Path) -> None:
    (folder / FACTS).write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(Fatal, match=FACTS):
        load_head(folder)


@pytest.mark.parametrize(("step", "name"), [("write_bytes", f"{TEXTS}.part"), ("write_bytes", f"{FACTS}.part")])
def test_a_head_that_cannot_be_written_leaves_the_previous_one(
    step: str, name: str, fresh: Head, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_head(folder).fingerprint
    with monkeypatch.context() as patched:
        patched.setattr(Path, step, failing_at(name, getattr(Path, step)))
        with pytest.raises(Fatal, match=r"cannot be written to .*: No space left on device"):
            save_head(replace(fresh, linear=fresh.linear.times(2)), folder)
    assert load_head(folder).fingerprint == before


def test_a_folder_that_was_half_replaced_holds_no_head(
    fresh: Head, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", failing_at(f"{TEXTS}.part", Path.replace))
        with pytest.raises(Fatal, match=r"cannot be written"):
            save_head(replace(fresh, linear=fresh.linear.times(2)), folder)
    with pytest.raises(Fatal, match="holds no head"):
        load_head(folder)


def failing_at(name: str, whole: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `Path` method that raises "disk full" for one path."""

    def failing(path: Path, *arguments: Any) -> Any:
        if path.name == name:
            raise OSError(28, "No space left on device")
        return whole(path, *arguments)

    return failing


def test_a_folder_that_does_not_exist_holds_no_head(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"holds no head.*create one with `millrace router train`"):
        load_head(tmp_path / "gone")


def test_a_path_that_cannot_be_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Fatal, match=f"cannot be written to {re.escape(str(place))}"):
            make_folder(place)


def test_a_folder_is_created_with_its_parents_and_left_empty(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_vectors_of_another_model_are_refused(folder: Path) -> None:
    head = load_head(folder)
    head.check_model({"text": WordModel.fingerprint})
    reason = f"trained on model {WordModel.fingerprint}, but the configured model is 12345678: "
    with pytest.raises(Fatal, match=reason + "train the head again with `millrace router train`"):
        head.check_model({"text": "12345678"})
