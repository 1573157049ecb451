"""Texts of any length as windows of tokens: cut before the forward passes, pooled after them.

This module knows tokens and vectors, but no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.embedding.microbatch import split_windows
from shared.embedding.passes import Computed
from shared.embedding.port import Embeddings, Matrix

Tokens = NDArray[np.signedinteger[Any]]

PROBE_TEXT = "Where is my order?"
"""A harmless text, which every model can embed."""


@dataclass(frozen=True, slots=True)
class Special:
    """The tokens that a model expects before and after every window."""

    before: Sequence[int]
    after: Sequence[int]


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of a sequence of texts, in order.

    Attributes:
        pieces: The tokens of each window, with the special tokens.
        owners: The position of each window's text, shape (number of windows,).
        texts: The number of texts.
    """

    pieces: Sequence[list[int]]
    owners: NDArray[np.intp]
    texts: int

    @classmethod
    def of(cls, texts: Sequence[list[int]], window_tokens: int, special: Special) -> "Windows":
        """Cut the tokens of each text into windows.

        Args:
            texts: The tokens of each text, without special tokens.
            window_tokens: The longest window, with its special tokens.
            special: The tokens that every window gets.
        """
        room = window_tokens - len(special.before) - len(special.after)
        pieces: list[list[int]] = []
        owners: list[int] = []
        for owner, tokens in enumerate(texts):
            for start, end in split_windows(len(tokens), room):
                pieces.append([*special.before, *tokens[start:end], *special.after])
                owners.append(owner)
        return cls(pieces, np.array(owners, np.intp), len(texts))

    @property
    def lengths(self) -> list[int]:
        """The number of tokens of each window, with the special tokens."""
        return [len(piece) for piece in self.pieces]

    def pooled(self, computed: Computed, padding: float = 0.0) -> Embeddings:
        """Return one vector per text: the mean of its windows' unit vectors, weighted by their tokens.

        Args:
            computed: A vector of any length for each window; a text's vector has NaN if one of its windows has NaN or is
                zero.
            padding: The tokens that were encoded beside those of the windows.
        """
        vectors, lengths = computed.vectors, self.lengths
        sums = np.zeros((self.texts, vectors.shape[1]), np.float32)
        np.add.at(sums, self.owners, _unit(vectors) * np.array(lengths, np.float32)[:, None])
        windows = np.bincount(self.owners, minlength=self.texts)
        return Embeddings(_unit(sums), tuple(windows.tolist()), sum(lengths), padding=padding, busy_s=computed.busy_s)


def fill_rows(rows: Sequence[list[int]], padding: int, dtype: type[np.signedinteger[Any]]) -> tuple[Tokens, Tokens]:
    """Return the tokens of windows as rows of equal length, and the mask that is 1 where a token is no padding.

    Args:
        rows: The tokens of each window, at least one.
        padding: The token that fills rows up.
        dtype: The number format of both arrays, whose shape is (rows, tokens of the longest).
    """
    ids = np.full((len(rows), max(map(len, rows))), padding, dtype)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask


def _unit(vectors: Matrix) -> Matrix:
    with np.errstate(invalid="ignore", divide="ignore"):  # the caller checks each vector for NaN and infinity
        scaled: Matrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return scaled
