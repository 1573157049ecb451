"""Recognises by its structure whether a recogniser repeats itself instead of listening."""

import zlib

COMPRESSION_AT = 2.4
"""Text that zlib shortens more than this repeats itself (Radford et al. 2022, section 4.5)."""

COMPRESSIBLE_CHARS = 120
"""Below this length, the compression says little."""

LONGEST = 12
TIMES = 4
"""A sequence of up to `LONGEST` words counts as a loop if it stands this many times in a row."""

TIMES_ALONE = 10
"""The same for a single word: people do say "no, no, no, no", and a number may have six equal digits."""


def is_looping(text: str) -> bool:
    """Return whether a text repeats itself as nobody speaks."""
    encoded = text.encode()
    if len(text) >= COMPRESSIBLE_CHARS and len(encoded) / len(zlib.compress(encoded)) > COMPRESSION_AT:
        return True
    return _repeats([word.strip(".,!?;:-").casefold() for word in text.split()])


def _repeats(words: list[str]) -> bool:
    """Return whether a sequence of at most `LONGEST` words stands too often in a row."""
    for length in range(1, LONGEST + 1):
        times, same = TIMES_ALONE if length == 1 else TIMES, 0
        for at in range(length, len(words)):
            same = same + 1 if words[at] == words[at - length] else 0
            is_one_word = length > 1 and len(set(words[at - length : at])) == 1
            if same + length >= times * length and not is_one_word:
                return True
    return False
