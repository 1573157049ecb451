"""Splits the words of a phrase that a recogniser has stretched over a pause."""

from collections.abc import Sequence

SENTENCE_ENDS = (".", "?", "!", "…", "。", "\uff1f", "\uff01")
NEAR_SHARE = 0.25
"""A sentence that ends within this share of the phrase around the computed place is preferred to it."""


def split(text: str, weights: Sequence[float]) -> list[str]:
    """Return the words in as many parts as there are weights, each about as long as its weight, cut between words.

    Where a sentence ends near a cut, the cut is moved there. A part may be empty.
    """
    if len(weights) < 2:
        return [text] * len(weights)
    words, total = text.split(), sum(weights) or 1
    ends, at, before = [], 0, 0.0
    for weight in weights[:-1]:
        before += weight / total
        at = max(at, _cut(words, before))
        ends.append(at)
    starts = [0, *ends]
    return [" ".join(words[begin:end]) for begin, end in zip(starts, [*ends, len(words)], strict=True)]


def _cut(words: Sequence[str], share: float) -> int:
    """Return after how many words to cut."""
    length = sum(map(len, words)) or 1
    shares, held = [0.0], 0
    for word in words:
        held += len(word)
        shares.append(held / length)
    near = [
        number
        for number, each in enumerate(shares)
        if number and words[number - 1].endswith(SENTENCE_ENDS) and abs(each - share) <= NEAR_SHARE
    ]
    return min(near or range(len(shares)), key=lambda number: abs(shares[number] - share))
