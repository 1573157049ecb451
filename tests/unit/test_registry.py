"""Model cards: the fingerprint, and every way in which a card or its weights can be wrong.

A green run does not prove that the packaged weights load; the golden tests are for that.
"""

import tomllib
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from shared.embedding.registry import ModelCard, load_card
from shared.errors import Fatal

ROW: dict[str, Any] = {
    "modality": "text",
    "source": "path:nowhere",
    "sha256": "0" * 64,
    "dim": 384,
    "window_tokens": 256,
    "pooling": "mean",
    "preparation": {"version": 3},
    "prompt": "",
    "dtype": "float32",
    "backend": "torch",
    "licence": "Apache-2.0",
}


def card(key: str = "m", **changes: Any) -> ModelCard:
    return ModelCard(key=key, **(ROW | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "1" * 64},
        {"dim": 385},
        {"window_tokens": 128},
        {"pooling": "cls"},
        {"preparation": {"version": 3, "quotes": False}},
        {"preparation": {"version": 3, "phone_region": "FR"}},
        {"prompt": "query: "},
        {"dtype": "bfloat16"},
    ],
)
def test_what_changes_a_vector_changes_the_fingerprint(changes: dict[str, Any]) -> None:
    assert card(**changes).fingerprint != card().fingerprint


@pytest.mark.parametrize("changes", [{"key": "other"}, {"source": "package:other"}, {"licence": "MIT"}])
def test_what_changes_no_vector_does_not(changes: dict[str, Any]) -> None:
    assert card(**changes).fingerprint == card().fingerprint


def test_every_field_is_known_to_change_vectors_or_not_to() -> None:
    relevant = {"sha256", "dim", "window_tokens", "pooling", "preparation", "prompt", "dtype", "modality", "backend"}
    assert set(ModelCard.model_fields) == relevant | {"key", "source", "licence"}


def test_a_fingerprint_is_eight_hex_digits_and_stands_in_the_collection_s_name() -> None:
    made = card("minilm")
    assert len(made.fingerprint) == 8
    assert int(made.fingerprint, 16) >= 0
    assert made.collection("tickets") == f"tickets__minilm__{made.fingerprint}"


def test_the_packaged_cards_are_all_good() -> None:
    rows = tomllib.loads(files("shared.config").joinpath("models.toml").read_text(encoding="utf-8"))
    assert "minilm-l6-v2" in rows
    assert {load_card(key).key for key in rows} == set(rows)


def write(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text, encoding="utf-8")
    return path


def literal(value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {literal(each)}" for name, each in value.items()) + "}"
    return repr(value).lower() if isinstance(value, bool) else repr(value)


def toml(**changes: Any) -> str:
    rows = {name: value for name, value in (ROW | changes).items() if value is not ...}
    return "[m]\n" + "".join(f"{name} = {literal(value)}\n" for name, value in rows.items())


def test_a_file_of_one_s_own_takes_the_place_of_the_packaged_one(tmp_path: Path) -> None:
    assert load_card("m", write(tmp_path, toml())) == card()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dim": 0}, "dim"),
        ({"dim": ...}, "dim"),
        ({"sha256": "short"}, "sha256"),
        ({"source": "https://somewhere"}, "source"),
        ({"pooling": "max"}, "pooling"),
        ({"preparation": {"version": 1}}, "preparation.version"),
        ({"preparation": {"version": 3, "phone_region": "Europe"}}, "preparation.phone_region"),
        ({"preparation": {"version": 3, "names": True}}, "preparation.names"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_row_is_fatal_and_names_the_field(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Fatal, match=rf"\[m\] {named}"):
        load_card("m", write(tmp_path, toml(**changes)))


def test_a_row_that_names_its_own_key_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="key"):
        load_card("m", write(tmp_path, toml(key="other")))


def test_an_unknown_model_is_fatal_and_the_known_ones_are_told(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"it has: m$"):
        load_card("other", write(tmp_path, toml()))


@pytest.mark.parametrize("text", ["[m", "m = "])
def test_a_file_that_is_no_toml_is_fatal(tmp_path: Path, text: str) -> None:
    with pytest.raises(Fatal, match=r"models\.toml cannot be read"):
        load_card("m", write(tmp_path, text))


def test_a_missing_file_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="cannot be read"):
        load_card("m", tmp_path / "none.toml")


def test_a_missing_package_is_fatal_and_says_what_to_install() -> None:
    with pytest.raises(Fatal, match=r"no_such_package is not installed; install millrace\[text\]"):
        _ = card(source="package:no_such_package").folder


def test_a_package_that_is_no_model_is_fatal() -> None:
    with pytest.raises(Fatal):
        _ = card(source="package:json").folder


def test_a_missing_folder_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="there is no folder"):
        _ = card(source=f"path:{tmp_path / 'none'}").folder


def weights(folder: Path, content: bytes = b"weights") -> str:
    (folder / "model.safetensors").write_bytes(content)
    return sha256(content).hexdigest()


def test_the_right_weights_pass(tmp_path: Path) -> None:
    right = weights(tmp_path)
    made = card(source=f"path:{tmp_path}", sha256=right)
    made.check_weights()
    assert made.folder == tmp_path


def test_other_weights_are_fatal_and_both_digests_are_told(tmp_path: Path) -> None:
    right = weights(tmp_path)
    found = weights(tmp_path, b"other weights")
    with pytest.raises(Fatal, match=f"{found}, its card says {right}"):
        card(source=f"path:{tmp_path}", sha256=right).check_weights()


def test_missing_weights_are_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"there is no .*model\.safetensors"):
        card(source=f"path:{tmp_path}").check_weights()
