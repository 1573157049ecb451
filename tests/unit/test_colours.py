"""Colours of what commands print. Green does not show that a terminal displays them."""

import pytest

from millrace.cli.options import coloured


@pytest.mark.parametrize(("value", "expected"), [("", "\x1b[32mok\x1b[0m"), ("1", "ok")])
def test_a_text_is_plain_if_no_color_is_set(monkeypatch: pytest.MonkeyPatch, value: str, expected: str) -> None:
    monkeypatch.setenv("NO_COLOR", value)
    assert coloured("ok", "green") == expected
