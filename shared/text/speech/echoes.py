"""Finds what another speaker repeats of a number, as in `A: six one seven | B: six one seven? | A: five five five ...`."""

from collections.abc import Iterator, Sequence

from shared.text.speech.ibans import characters
from shared.text.speech.numbers import runs_of
from shared.text.speech.tokens import NUMBERS, Kind, Token
from shared.text.speech.words import UNITS

READ = 60
"""The number of tokens of a number, and of what may repeat it, that are read."""

LEAST = 2
"""The number of characters that are repeated at least; one digit alone is mostly something else."""


def echoes(said: Sequence[Token], others: Sequence[Token], has_characters: bool) -> Iterator[list[Token]]:
    """Yield the tokens of each repetition of a part of a number.

    Args:
        said: The tokens of the number.
        others: Tokens of one segment of another speaker.
        has_characters: Whether the number has spelled characters, as an IBAN.
    """
    whole, others = characters(said[:READ]), others[:READ]
    if has_characters:
        repeated = [each for each in others if each.kind in (*NUMBERS, Kind.LETTER) or each.upper]
        if _is_part(repeated, whole):
            yield repeated
        return
    for run in runs_of(others):
        tokens = [each.token for each in run.said]
        is_counted = run.after is not None and run.after.text in UNITS
        if not is_counted and _is_part(tokens, whole):
            yield tokens


def _is_part(tokens: Sequence[Token], whole: str) -> bool:
    repeated = characters(tokens)
    return len(repeated) >= LEAST and repeated in whole
