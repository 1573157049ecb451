"""Where sentences end, and where they do not.

A green run does not prove that every abbreviation is known; an unknown one splits a sentence, but no word is lost.
"""

import pytest

from shared.text.sentences import sentences


@pytest.mark.parametrize(
    "parts",
    [
        ["Do not use it with part no. 4.", "Use part no. 7."],
        ["Set it to max. 40 °C, i.e. no. 2 on the dial."],
        ["We sent it to Dr. Smith.", "He called at approx. 3 p.m. today.", "Done!"],
        ["Ersatz wurde am 4. Mai verschickt, z. B. per DHL.", "Bitte ca. 3 Tage warten.", "Siehe Abb. 2."],
        ["Voir p. ex. la fig. 3.", "Merci de patienter env. 2 jours."],
        ["El Sr. Pérez compró el art. 5.", "Gracias."],
        ["Version 2.0.1 fixes it.", "See www.example.com for more."],
        ["1. Unplug it.", "2. Wait a minute.", "3. Plug it in."],
        ["Refund issued; ref. no. 4711.", "It takes min. 3 days."],
        ["Is it broken?", "Yes!", "“Really?”", "It is."],
        ["Then wait...", "It restarts."],
        ["Use the J. Smith adapter.", "Then restart."],
        ["重置密码。", "然后登录。"],
    ],
)
def test_a_text_is_split_into_sentences(parts: list[str]) -> None:
    assert list(sentences(("" if parts[0].endswith("。") else " ").join(parts))) == parts
    assert list(sentences("\n".join(parts))) == parts


def test_blanks_are_collapsed_and_newlines_end_sentences() -> None:
    assert list(sentences(" a  b\tc \n\n\n d ")) == ["a b c", "d"]
    assert list(sentences("  \n ")) == []
