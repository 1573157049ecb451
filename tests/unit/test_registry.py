"""Model cards: the fingerprint, names of collections, and every way in which a card or its files can be wrong.

A green run does not prove that the packaged weights load; the golden tests are for that.
"""

import re
import tomllib
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from shared.embedding.card import NAME_BYTES, ModelCard, collection_name
from shared.embedding.registry import CARDS, TextCard, load_card, load_text_card
from shared.errors import Fatal

ROW: dict[str, Any] = {
    "modality": "text",
    "source": "path:nowhere",
    "files": {"model.safetensors": "0" * 64, "tokenizer.json": "1" * 64},
    "dim": 384,
    "window_tokens": 256,
    "pooling": "mean",
    "preparation": {"version": 3},
    "prompt": "",
    "dtype": "float32",
    "backend": "torch",
    "licence": "Apache-2.0",
}


def card(key: str = "m", **changes: Any) -> TextCard:
    return TextCard(key=key, **(ROW | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {"model.safetensors": "1" * 64, "tokenizer.json": "1" * 64}},
        {"files": {"model.safetensors": "0" * 64, "tokenizer.json": "2" * 64}},
        {"files": {"model.safetensors": "0" * 64}},
        {"files": ROW["files"] | {"vocab.txt": "1" * 64}},
        {"dim": 385},
        {"window_tokens": 128},
        {"pooling": "cls"},
        {"preparation": {"version": 3, "quotes": False}},
        {"preparation": {"version": 3, "phone_region": "FR"}},
        {"prompt": "query: "},
        {"dtype": "bfloat16"},
    ],
)
def test_everything_that_changes_a_vector_changes_the_fingerprint(changes: dict[str, Any]) -> None:
    assert card(**changes).fingerprint != card().fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "other"},
        {"source": "package:other"},
        {"licence": "MIT", "bfloat16": "faithful"},
        {"files": dict(reversed(ROW["files"].items()))},
        {"source": "package:one+two", "parts": {"tokenizer.json": ("one/t.json",)}},
    ],
)
def test_anything_that_changes_no_vector_does_not_change_the_fingerprint(changes: dict[str, Any]) -> None:
    assert card(**changes).fingerprint == card().fingerprint


def test_every_field_is_known_to_change_vectors_or_not() -> None:
    relevant = {"files", "dim", "dtype", "modality", "backend"}
    assert set(ModelCard.model_fields) == relevant | {"key", "source", "parts", "licence"}
    of_texts = {"window_tokens", "pooling", "preparation", "prompt", "bfloat16"}
    assert set(TextCard.model_fields) == set(ModelCard.model_fields) | of_texts


def test_a_fingerprint_is_eight_hex_digits_and_part_of_the_collection_s_name() -> None:
    made = card("minilm")
    assert len(made.fingerprint) == 8
    assert int(made.fingerprint, 16) >= 0
    assert made.collection("tickets") == f"tickets__minilm__{made.fingerprint}"


def test_the_packaged_cards_are_all_valid() -> None:
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
        return "{" + ", ".join(f"{name!r} = {literal(each)}" for name, each in value.items()) + "}"
    return repr(value).lower() if isinstance(value, bool) else repr(value)


def toml(**changes: Any) -> str:
    rows = {name: value for name, value in (ROW | changes).items() if value is not ...}
    return "[m]\n" + "".join(f"{name} = {literal(value)}\n" for name, value in rows.items())


def test_the_user_s_own_file_replaces_the_packaged_one(tmp_path: Path) -> None:
    assert load_card("m", write(tmp_path, toml())) == card()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dim": 0}, "dim"),
        ({"dim": ...}, "dim"),
        ({"files": {"model.safetensors": "short"}}, "files"),
        ({"files": {}}, "files"),
        ({"files": ...}, "files"),
        ({"files": {"../model.safetensors": "0" * 64}}, "files"),
        ({"files": {"/etc/model.safetensors": "0" * 64}}, "files"),
        ({"files": {"a/./model.safetensors": "0" * 64}}, "files"),
        ({"files": {"a//model.safetensors": "0" * 64}}, "files"),
        ({"files": {"a\\model.safetensors": "0" * 64}}, "files"),
        ({"files": {"pytorch_model.bin": "0" * 64}}, "files: .*pytorch_model.bin is a pickle"),
        ({"source": "https://somewhere"}, "source"),
        ({"source": "package:json; evil"}, "source"),
        ({"source": "hub:org/name"}, "source: .* does not have one of the forms package:NAME.*hub:ORG/NAME@REVISION"),
        ({"source": "hub:org/name@main"}, "source"),
        ({"source": "hub:org/name@" + "0" * 39}, "source"),
        ({"source": "hub:../name@" + "0" * 40}, "source"),
        ({"parts": {"model.safetensors": ["one/w"]}}, "only a source of packages can have parts"),
        ({"source": "package:one", "parts": {"other": ["one/w"]}}, "other has parts but is not listed"),
        ({"source": "package:one", "parts": {"model.safetensors": []}}, "model.safetensors has an empty list of parts"),
        ({"source": "package:one", "parts": {"model.safetensors": ["two/w"]}}, "two/w is not valid: expected"),
        ({"source": "package:one", "parts": {"model.safetensors": ["one/../w"]}}, "one/../w is not valid: expected"),
        ({"source": "package:one", "parts": {"model.safetensors": ["one"]}}, "one is not valid: expected"),
        ({"pooling": "max"}, "pooling"),
        ({"preparation": {"version": 1}}, "preparation.version"),
        ({"preparation": {"version": 3, "phone_region": "Europe"}}, "preparation.phone_region"),
        ({"preparation": {"version": 3, "names": True}}, "preparation.names"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_row_is_fatal_and_names_the_field(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Fatal, match=rf"\[m\] .*{named}"):
        load_card("m", write(tmp_path, toml(**changes)))


def test_a_row_that_names_its_own_key_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="key"):
        load_card("m", write(tmp_path, toml(key="other")))


def test_an_unknown_model_is_fatal_and_the_known_ones_are_listed(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"its models are: m$"):
        load_card("other", write(tmp_path, toml()))


@pytest.mark.parametrize("modality", ["smell", "", 3, ["text"], ...])
def test_an_unknown_modality_is_fatal_and_the_known_ones_are_listed(tmp_path: Path, modality: object) -> None:
    with pytest.raises(Fatal, match=r"\[m\] modality: .* is not one of: audio, image, text$"):
        load_card("m", write(tmp_path, toml(modality=modality)))


def test_a_model_that_is_no_text_model_is_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PictureCard(ModelCard):
        pass

    monkeypatch.setitem(CARDS, "image", PictureCard)
    of_texts = dict.fromkeys(set(TextCard.model_fields) - set(ModelCard.model_fields), ...)
    file = write(tmp_path, toml(modality="image", **of_texts))
    assert load_card("m", file).modality == "image"
    with pytest.raises(Fatal, match="model m has modality image, but a text model is needed"):
        load_text_card("m", file)


def test_fields_for_texts_are_allowed_for_text_models_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PictureCard(ModelCard):
        pass

    monkeypatch.setitem(CARDS, "image", PictureCard)
    with pytest.raises(Fatal, match=r"\[m\] (window_tokens|pooling|preparation|prompt): "):
        load_card("m", write(tmp_path, toml(modality="image")))


@pytest.mark.parametrize("key", ["a b", "a/b", "../m", "é", "a+b", "-m", "m\n"])
def test_a_key_that_cannot_be_part_of_a_name_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        card(key)


@pytest.mark.parametrize("text", ["[m", "m = "])
def test_a_file_that_is_no_toml_is_fatal(tmp_path: Path, text: str) -> None:
    with pytest.raises(Fatal, match=r"models\.toml cannot be read"):
        load_card("m", write(tmp_path, text))


def test_a_missing_file_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="cannot be read"):
        load_card("m", tmp_path / "none.toml")


def test_a_missing_package_is_fatal_and_the_error_states_what_to_install() -> None:
    with pytest.raises(Fatal, match=r"no_such_package is not installed; install millrace\[text\]"):
        _ = card(source="package:no_such_package").folder


def test_a_package_that_is_no_model_is_fatal() -> None:
    with pytest.raises(Fatal):
        _ = card(source="package:json").folder


def test_a_missing_folder_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"folder .* does not exist"):
        _ = card(source=f"path:{tmp_path / 'none'}").folder


FILES = {"model.safetensors": b"weights", "tokenizer.json": b"{}", "1_Pooling/config.json": b"{'pooling'}"}


def model_in(folder: Path, **changes: bytes) -> TextCard:
    """Write a model's files, and return a card that lists them; changed files are written after the card was created."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    made = card(source=f"path:{folder}", files={name: sha256(content).hexdigest() for name, content in FILES.items()})
    for name, content in changes.items():
        (folder / name).write_bytes(content)
    return made


def test_the_right_files_pass(tmp_path: Path) -> None:
    made = model_in(tmp_path)
    assert made.check_files() == made.folder == tmp_path


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_fatal_and_both_digests_are_shown(tmp_path: Path, name: str) -> None:
    made = model_in(tmp_path, **{name: b"other"})
    found, right = sha256(b"other").hexdigest(), sha256(FILES[name]).hexdigest()
    with pytest.raises(
        Fatal, match=f"^model m: {tmp_path / name} has SHA-256 {found}, but the model's card states {right}. Either "
    ):
        made.check_files()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_of_the_card_is_fatal(tmp_path: Path, name: str) -> None:
    made = model_in(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(
        Fatal, match=rf"{tmp_path / name} does not exist, but the model's card lists it. Either .*docs/models\.md"
    ):
        made.check_files()


@pytest.mark.parametrize("name", ["added_tokens.json", "1_Pooling/more.json", "pytorch_model.bin", "weights.md"])
def test_a_file_that_the_card_does_not_list_is_fatal(tmp_path: Path, name: str) -> None:
    made = model_in(tmp_path, **{name: b"x"})
    with pytest.raises(Fatal, match=f"{tmp_path / name} is not listed in its card: list it, or remove it"):
        made.check_files()


def test_many_faults_are_summarised(tmp_path: Path) -> None:
    made = model_in(tmp_path, **{f"{number}.json": b"x" for number in range(8)})
    with pytest.raises(Fatal, match=r"; and 3 more\. Either"):
        made.check_files()


# --- names of collections ---


def several() -> list[TextCard]:
    return [card("whisper-base", dim=512), card("minilm-l6-v2")]


def test_one_model_shows_its_fingerprint_and_every_extra() -> None:
    made = card("minilm")
    assert collection_name("tickets", [made]) == made.collection("tickets")
    assert collection_name("tickets", [made], "ab12", "x") == f"tickets__minilm__{made.fingerprint}__ab12__x"


def test_a_name_of_several_models_shows_one_digest() -> None:
    name = collection_name("calls", several())
    assert re.fullmatch(r"calls__whisper-base\+minilm-l6-v2__[0-9a-f]{8}", name)
    assert collection_name("calls", several()) == name


def test_the_name_of_several_models_is_the_same_in_every_build() -> None:
    class Fixed(TextCard):
        @property
        def fingerprint(self) -> str:
            return "0a1b2c3d"

    cards = [Fixed(key=key, **ROW) for key in ("one", "two")]
    assert collection_name("calls", cards, "terms") == "calls__one+two__73ccc8da"


def test_order_models_and_extras_all_count() -> None:
    one, other = several()
    changed = other.model_copy(update={"prompt": "query: "})
    names = [
        collection_name("calls", cards, *extra).rsplit("__", 1)[1]
        for cards, extra in [
            ([one, other], ()),
            ([other, one], ()),
            ([one, changed], ()),
            ([changed, one], ()),
            ([one, other, other], ()),
            ([one, other], ("terms",)),
            ([one, other], ("terms", "more")),
            ([one, other], ("more", "terms")),
        ]
    ]
    assert len(set(names)) == len(names)


def test_a_change_of_any_model_of_several_changes_the_name() -> None:
    cards = [card(f"m{number}", dim=number) for number in range(1, 6)]
    name = collection_name("calls", cards)
    for at in range(len(cards)):
        changed = [*cards[:at], cards[at].model_copy(update={"dtype": "float16"}), *cards[at + 1 :]]
        assert collection_name("calls", changed) != name


@pytest.mark.parametrize("count", [1, 9])
def test_a_name_stays_within_its_limit_of_bytes_and_keeps_its_digest(count: int) -> None:
    cards = [card(f"{'k' * 120}{number}", dim=number + 1) for number in range(3 * count)][:count]
    name = collection_name("calls", [cards[0].model_copy(update={"key": "k" * 400}), *cards[1:]], "terms")
    assert len(name.encode()) == NAME_BYTES
    assert name.startswith("calls__kkk")
    assert re.search(rf"__{cards[0].fingerprint}__terms$" if count == 1 else r"k__[0-9a-f]{8}$", name)


@pytest.mark.parametrize(
    ("stream", "extra"), [("a/b", "x"), ("", "x"), ("calls", ""), ("calls", "ü"), ("calls", "x\n")]
)
def test_characters_that_no_name_may_hold_are_refused(stream: str, extra: str) -> None:
    with pytest.raises(ValueError, match="part of a collection's name"):
        collection_name(stream, several(), extra)


def test_no_models_and_a_limit_that_is_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one model"):
        collection_name("calls", [])
    with pytest.raises(ValueError, match="no room"):
        collection_name("c" * 250, several())
