"""Loading the reader of text without its packages, or with other files in them.

A green run does not prove that the right files are read well; `tests/golden/test_screenshots.py` does that.
"""

import pytest

from shared.errors import Fatal
from shared.reading import rapid


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rapid, "find_spec", lambda _: None)
    with pytest.raises(Fatal, match=r"needs rapidocr and onnxruntime: install millrace\[reading\]$"):
        rapid.load_text_reader()


def test_another_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rapid.DIGESTS, rapid.RECOGNISES, "0" * 64)
    with pytest.raises(
        Fatal, match=r"PP-OCRv6_rec_small\.onnx is another file; install the versions of requirements\.lock$"
    ):
        rapid.load_text_reader()
