"""Language detection: which language is reported, when no language is reported, and what the source's hint is for.

A green run proves the rates only for the texts of `benchmarks/language_texts.toml`.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.languages import banking, flat, rates, written
from shared.errors import Fatal
from shared.text import language
from shared.text.language import READ_CHARS, SEARCHED_CHARS, detect_language, known_language

FRENCH = "Bonjour, l'appli plante avec cette erreur :"
TRACE = """Traceback (most recent call last):
  File "/srv/shop/cart.py", line 88, in add
    total = cart.items[item_id].price * quantity
TypeError: unsupported operand type(s) for *: 'NoneType' and 'int'
"""
JAVA = """Exception in thread "main" java.lang.IllegalStateException: Failed to load ApplicationContext
\tat com.shop.web.OrderController.create(OrderController.java:41)
Caused by: org.postgresql.util.PSQLException: Connection to localhost:5432 refused.
"""


@pytest.mark.parametrize(("kind", "least"), [("short", 0.95), ("long", 0.99)])
def test_the_languages_of_support_texts_are_detected(kind: str, least: float) -> None:
    lists = written()[kind]
    assert set(lists) == {"en", "fr", "de", "es", "it", "pt", "nl", "pl"}
    total, right, unknown = rates(lists)
    assert total == (320 if kind == "short" else 160)
    assert right >= least * total
    assert total - right - unknown <= (1 - least) * total


@pytest.mark.parametrize("text", written()["unknown"]["texts"])
def test_no_language_is_guessed_for_numbers_code_and_very_short_texts(text: str) -> None:
    assert detect_language(text) is None


def test_at_most_two_in_a_hundred_english_questions_are_taken_for_another_language(data_dir: Path) -> None:
    total, right, unknown = rates(banking(data_dir))
    assert total == 13_083
    assert total - right - unknown <= 0.001 * total
    assert unknown <= 0.02 * total


@pytest.mark.parametrize("text", ["", " \n\t", "\U0001f44d" * 50, TRACE, JAVA])
def test_a_text_without_sentences_has_no_language(text: str) -> None:
    assert detect_language(text) is None


@pytest.mark.parametrize("code", [TRACE, JAVA, "https://shop.example/thank-you-for-your-order/return-this-item"])
def test_code_and_addresses_do_not_hide_the_language_of_the_writer(code: str) -> None:
    assert detect_language(f"{FRENCH}\n{code}") == "fr"


def test_a_masked_number_does_not_change_the_language() -> None:
    assert detect_language("Rufen Sie an: [phone] [mail] [iban] [card]") == "de"


def test_only_the_first_characters_are_read() -> None:
    german = "Ich warte seit drei Wochen auf mein Paket. "
    english = "I have been waiting for my parcel for three weeks. "
    start = german * (READ_CHARS // len(german) + 1)
    assert detect_language(start + english * 1_000) == "de"
    code = "x = a[1];\n" * (SEARCHED_CHARS // 10)
    assert detect_language(code[: SEARCHED_CHARS // 2] + german) == "de"
    assert detect_language(code + german) is None


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("Jeg får ikke logget inn på kontoen min siden i går kveld", "no"),
        ("Eg får ikkje logga inn på kontoen min sidan i går kveld", "no"),
        ("how do i change my password", "en"),
    ],
)
def test_variants_are_reported_as_one_language(text: str, reported: str) -> None:
    assert detect_language(text) == reported


def test_threads_get_the_same_answers() -> None:
    texts = flat(written()["short"]) * 4
    alone = [detect_language(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detect_language, texts)) == alone


@pytest.mark.parametrize(
    ("detected", "hint", "known"),
    [
        ("fr", "en", "fr"), ("fr", None, "fr"), (None, "fr-CA", "fr"), (None, "EN", "en"), (None, "zh-Hant-TW", "zh"),
        (None, "nb", "no"), (None, None, None),
    ],
)  # fmt: skip
def test_the_detected_language_wins_and_the_hint_stands_in_for_an_uncertain_one(
    detected: str | None, hint: str | None, known: str | None
) -> None:
    assert known_language(detected, hint) == known


@pytest.fixture
def no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the model be read from a file that does not exist, and from the real one again afterwards."""
    monkeypatch.setattr(language, "MODEL_FILE", str(tmp_path / "model.npz.xz"))
    language._identifier.cache_clear()
    yield
    language._identifier.cache_clear()


@pytest.mark.usefixtures("no_model")
def test_a_model_that_cannot_be_read_is_fatal() -> None:
    with pytest.raises(Fatal, match=r"the model that detects languages cannot be read: .*No such file"):
        detect_language("")
