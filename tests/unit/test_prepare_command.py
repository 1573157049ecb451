"""`millrace prepare`: both texts, what was cut and why, what was masked; and what it refuses.

A green run does not prove that the configured model is the one that a worker runs with.
"""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace.cli import app
from schemas.base import TEXT_LIMIT_CHARS
from shared.errors import Fatal

MAIL = (
    "My lamp broke, call +1 212 555 0123.\n\nOn Fri, Nov 28, 2025 at 3:57 PM Jo <jo@example.com> wrote:\n\n> Hi [b]\n"
)
KEPT = "My lamp broke, call [phone].\n\nOn Fri, Nov 28, 2025 at 3:57 PM Jo <[mail]> wrote:\n\n> Hi [b]"


def test_json_has_both_texts_and_the_cut_and_masked_parts(tmp_path: Path) -> None:
    file = tmp_path / "mail.txt"
    file.write_text(MAIL, encoding="utf-8")
    done = CliRunner().invoke(app, ["prepare", str(file), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "kept": KEPT,
        "embedded": "My lamp broke, call [phone].",
        "cut": [{"reason": "quotation", "text": KEPT.partition("\n\n")[2]}],
        "masked": {"mail": 1, "phone": 1},
        "language": "en",
    }


def test_text_output_shows_the_same_without_colours_when_piped() -> None:
    done = CliRunner().invoke(app, ["prepare", "-"], input=MAIL)
    assert done.exit_code == 0
    for part in (f"kept\n{KEPT}\n", "embedded\nMy lamp broke", "cut: quotation\nOn Fri", "masked\nmail 1, phone 1"):
        assert part in done.stdout
    assert "\x1b[" not in done.stdout


def test_hidden_text_of_a_page_and_a_forwarding_subject() -> None:
    page = '<html><body><div style="display:none">50% off</div><p>My lamp is broken.</p></body></html>'
    done = json.loads(CliRunner().invoke(app, ["prepare", "-", "--json"], input=page).stdout)
    assert (done["embedded"], done["kept"]) == ("My lamp is broken.", "My lamp is broken.\n\n50% off")
    assert done["cut"] == [{"reason": "hidden", "text": "50% off"}]
    forwarded = CliRunner().invoke(app, ["prepare", "-", "--json", "--subject", "Fwd: lamp"], input=MAIL)
    assert json.loads(forwarded.stdout)["cut"] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "standard input contains no text"),
        (b" \n\t", "contains no text"),
        (b"a\nb\xff", "is not UTF-8: byte 3, in line 2"),
        (b"x" * (TEXT_LIMIT_CHARS + 1), "is too long: the text of an event may have at most 100,000 characters"),
    ],
)
def test_input_that_cannot_be_a_message_is_refused(content: bytes, said: str) -> None:
    done = CliRunner().invoke(app, ["prepare", "-"], input=content)
    assert isinstance(done.exception, Fatal)
    assert said in str(done.exception)


def test_a_file_that_does_not_exist_and_one_with_a_byte_order_mark(tmp_path: Path) -> None:
    missing = CliRunner().invoke(app, ["prepare", str(tmp_path / "none")])
    assert "cannot be read: No such file" in str(missing.exception)
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbfhi")
    assert (
        json.loads(CliRunner().invoke(app, ["prepare", str(tmp_path / "marked.txt"), "--json"]).stdout)["kept"] == "hi"
    )
