"""The phrases in the tokens of Whisper: text tokens between time stamps (Radford et al. 2022, section 2.3)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.embedding.audio.port import Phrase


@dataclass(frozen=True, slots=True)
class Meaning:
    """What tokens mean.

    Attributes:
        first_time: The token of time 0; later times follow it.
        step_s: The time between two of these tokens.
        decode: Returns the text of tokens, without those that are no text.
    """

    first_time: int
    step_s: float
    decode: Callable[[list[int]], str]


def phrases_of(tokens: Sequence[int], meaning: Meaning, duration_s: float) -> tuple[Phrase, ...]:
    """Return the phrases of a piece; times that are missing or run backwards are those of the neighbours.

    Args:
        tokens: What the model returned.
        meaning: What its tokens mean.
        duration_s: Length of the piece.
    """
    phrases: list[Phrase] = []
    text: list[int] = []
    start_s = at_s = 0.0
    for token in tokens:
        if token < meaning.first_time:
            text.append(token)
            continue
        time_s = min(max(at_s, (token - meaning.first_time) * meaning.step_s), duration_s)
        if text:
            phrases += _phrase(text, start_s, time_s, meaning)
            text = []
        start_s = at_s = time_s
    if text:
        phrases += _phrase(text, start_s, duration_s, meaning)
    return tuple(phrases)


def _phrase(tokens: list[int], start_s: float, end_s: float, meaning: Meaning) -> list[Phrase]:
    text = meaning.decode(tokens).strip()
    return [Phrase(start_s, end_s, text)] if text else []
