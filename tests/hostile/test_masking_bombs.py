"""Texts made to keep the masker busy: the library is called a bounded number of times, whatever the text.

A green run does not prove a limit on time; it counts the text that is handed to the slow library, and checks the
limits.
"""

from collections.abc import Iterator

import pytest
from phonenumbers import PhoneNumberMatcher

from shared.text import accounts, html, phones
from shared.text.html import html_to_text
from shared.text.masking import mask
from shared.text.preparation import Preparation, Preparer

LENGTH = 100_000
PREPARER = Preparer(Preparation(version=3))
BOMBS = {
    "digits": "1",
    "digits and spaces": "7 41 5529 3 ",
    "phones": "212-555-0123 x ",
    "phones on one line": "212 555 0123 ",
    "phones on lines": "+33 6 12 34 56 78\n",
    "brackets": "(1",
    "almost cards": "4111 1111 1111 1112 ",
    "almost ibans": "DE89 3704 0044 0532 0130 01 ",
    "almost mails": "a@b.",
    "labels": "b.",
    "spelled": "a (at) b dot ",
    "dates": "2026-05-01 ",
    "ids": "ORD-2026-004411 ",
    "plus signs": "+",
    "zeros": "00 33 ",
    "tags": "<p>",
    "deep tags": "<div><b>",
    "deep quotes": "<blockquote type=cite>x<br>",
    "open comments": "<!-- ",
    "quoted lines": "> a\n",
    "introductions": "On Mon, 4 May 2026 Shop wrote:\n",
    "half introductions": "On schrieb ",
    "headers": "From: Jo\nTo: Al\n",
    "header and address": "From: Jo <a@b.example>\nSent: 4 May 2026\nTo: Al\n",
    "forwards": "---------- Forwarded message ----------\n",
    "closings": "Thanks\nJo\n",
    "delimiters": "--\nJo\n",
    "colons": "On a 1 :\n",
    "percent signs": "%40",
    "entities": "&#64;",
    "words and at signs": "a@",
    "at signs and blanks": "a @ ",
    "scales": "1 2 3 4 5 6 7 8 9 ",
    "hidden tags": "<div style='display:none'>x",
    "style sheets": "<style>.a{display:none}</style>",
    "open styles": "<style>.a{",
    "odd ends": "<b><i></b></i>",
    "orders": "order no. ",
    "blanks": " \n",
    "joiners": "a\u200d",
    "accents": "e\u0301\u0327",
}


class CountingMatcher:
    """Replaces the library's matcher and counts the characters it is given."""

    calls: list[int]

    def __init__(self, real: type) -> None:
        self.calls, self._real = [], real

    def __call__(self, text: str, region: str) -> Iterator[object]:
        """Count the characters, and call the library."""
        self.calls.append(len(text))
        return iter(self._real(text, region))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> CountingMatcher:
    counting = CountingMatcher(PhoneNumberMatcher)
    monkeypatch.setattr(phones, "PhoneNumberMatcher", counting)
    return counting


def bomb(unit: str) -> str:
    return unit * (LENGTH // len(unit))


@pytest.mark.parametrize("name", BOMBS)
def test_the_library_is_called_a_bounded_number_of_times(name: str, asked: CountingMatcher) -> None:
    phones.find_phones(bomb(BOMBS[name]), "US")
    assert len(asked.calls) <= phones.WINDOWS
    assert sum(asked.calls) <= phones.WINDOWS * phones.WINDOW_DIGITS * 4 + 2 * phones.WINDOWS


def test_text_beyond_the_bound_is_masked_without_calling_the_library(asked: CountingMatcher) -> None:
    masked = mask("212-555-0123 x\n" * 1_000, "US")
    assert masked == "[phone] x\n" * 1_000
    assert len(asked.calls) <= phones.WINDOWS


def test_a_number_after_the_last_window_is_masked_too() -> None:
    numbers = "\n".join(f"650 253 1{number}" for number in range(100, 116))
    assert mask(f"{numbers}\n0033612345678", "US").endswith("[phone]")


@pytest.mark.parametrize("times", [3, 9, 40, 400])
def test_overlapping_numbers_are_all_masked(times: int) -> None:
    masked = mask("+6502530000(" * times, "US")
    assert not any(char.isdigit() for char in masked)
    assert mask(masked, "US") == masked


def test_ordinary_text_beyond_the_bound_stays() -> None:
    text = "Order ORD-2026-004411 of 2026-05-01, 1,249.00 EUR, #41155.\n"
    assert mask(text * 1_000, "US") == text * 1_000


def test_luhn_is_computed_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    real = accounts._card_end

    def counted(shadow: str, groups: list[tuple[int, int]], first: int) -> int:
        looked.append(first)
        return real(shadow, groups, first)

    monkeypatch.setattr(accounts, "_card_end", counted)
    mask("4 1 " * 25_000, "US")
    assert len(looked) <= accounts.STARTS * 2


@pytest.mark.parametrize("name", BOMBS)
def test_each_bomb_is_prepared_and_its_end_is_not_lost(name: str) -> None:
    text = bomb(BOMBS[name])
    prepared = PREPARER.message(text + "\nthe end")
    assert prepared.kept.endswith("the end")
    assert len(prepared.kept) <= len(text) + 10
    assert prepared.embedded.endswith("the end") or "the end" in prepared.cut[-1].text


@pytest.mark.parametrize("opening", ["<div>", "<b>", "<table><tr><td>", "<ul><li>", "<blockquote>", "<font>", "<a><p>"])
@pytest.mark.parametrize("times", [300, 3_000, 12_000])
def test_text_below_very_deep_tags_is_kept(opening: str, times: int) -> None:
    assert html_to_text(opening * times + "TAIL").visible.endswith("TAIL")


def test_too_many_tags_for_the_parser_are_removed_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "_parsed", lambda text: pytest.fail("asked the parser"))
    assert html_to_text("<b>" * html.TAGS + "</p>jo&#64;example.com").visible == "jo@example.com"


@pytest.mark.parametrize(
    "html",
    [
        "<table>" + f"<tr><td>{'x' * 20_000}</td></tr>" + "<tr><td>a</td></tr>" * 4_000,
        '<div style="padding-left:100000000em">' + "x<br>" * 10_000,
        '<table><tr><td colspan="100000000">x</td></tr></table>',
        '<ol start="99999999999999999999"><li>x</ol>',
    ],
    ids=["wide column", "padding", "span", "list"],
)
def test_layout_cannot_lengthen_a_text(html: str) -> None:
    assert sum(map(len, html_to_text(html))) <= len(html)
