"""Unicode normalisation: NFC, no invisible characters, one kind of line end, no leading or trailing blanks.

Texts contain no lone surrogates, because `shared/decoding.py` rejects them.
"""

import re
import unicodedata

LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]+")
"""Control characters to remove after line ends have become `\\n`; newline and tab stay."""

INVISIBLE = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U000e0000-\U000e0fff]+|(?<=\\d)[\ufe00-\ufe0f\u20e3]+"
)
"""Soft hyphens, zero-width and bidi marks, fillers and tags (Unicode: Default_Ignorable_Code_Point), and the variation
selectors and keycap marks after a digit."""

JOINERS = re.compile(
    "(?<![^\x00-\u02ff\uff00-\uffef\\d])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\u02ff\uff00-\uffef\\d])"
)
"""Joiners next to a Latin character or a digit. Elsewhere they stay: Persian and Hindi words need them, and they
combine several emoji into one."""


def normalise(text: str) -> str:
    """Return a text in normal form. This is idempotent; NFC makes a few texts up to three times as long."""
    if not text.isprintable() or not text.isascii():
        text = CONTROLS.sub("", LINE_ENDS.sub("\n", text))
    if not text.isascii():
        text = _composed(text)
    return text.strip()


def _composed(text: str) -> str:
    """Compose characters and remove invisible ones, repeatedly, because each step can enable the other."""
    text = INVISIBLE.sub("", text)
    while (tidied := unicodedata.normalize("NFC", JOINERS.sub("", text))) != text:
        text = tidied
    return text
