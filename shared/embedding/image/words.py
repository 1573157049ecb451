"""Pictures as words: a place among texts for each picture, from the classes that a model of pictures knows.

This is the image embedding of ConSE, Norouzi et al. 2013, https://arxiv.org/abs/1312.5650. No library of models is known
here.
"""

import json
from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from shared.embedding.image.classes import ClassHead
from shared.embedding.port import Matrix, TextModel

WORDS = "words"
"""The name of the vector."""

PROMPT = "a photo of a {}"
"""The text that the name of a class is put into, and what pictures are searched by; docs/accuracy.md has the figures."""

LIKELIEST = 5
"""How many classes are averaged, T in the paper."""

VERSION = 1
"""To be raised when the place of a picture changes although the models and these constants are the same."""


class PictureWords:
    """Places pictures among texts: at the mean of the text vectors of their likeliest classes, weighted by probability.

    Constructing it embeds the names of all classes, about 1,900 texts for ImageNet, which takes 5 s on one core by
    all-MiniLM-L6-v2. The text model is not kept.

    Attributes:
        classes: The text vector of each class, shape (classes, dim of texts), unit rows.

    Args:
        head: The classes that the model of pictures knows; at least two.
        text: Embeds the names of the classes, which are in English.
        prompt: The text that each name is put into.
        likeliest: How many classes are averaged.
    """

    def __init__(self, head: ClassHead, text: TextModel, prompt: str = PROMPT, likeliest: int = LIKELIEST) -> None:
        if len(head.names) < 2:
            raise ValueError(f"a model of pictures with {len(head.names)} classes cannot place pictures among texts")
        self._head, self._likeliest = head, likeliest
        self.classes = _class_vectors(head.names, text, prompt)

    def places(self, vectors: Matrix) -> Matrix:
        """Return the places of pictures among the texts.

        Args:
            vectors: Vectors of the model of pictures, fresh or stored, shape (n, dim), float32, unit rows.

        Returns:
            Shape (n, dim of texts), float32, unit rows.
        """
        shares = self._head.probabilities(vectors)
        likeliest = np.argsort(-shares, axis=1, kind="stable")[:, : self._likeliest]
        weights = np.take_along_axis(shares, likeliest, axis=1)
        return _unit(np.einsum("nt,ntd->nd", weights, self.classes[likeliest]))


def words_digest(feature_norm: float) -> str:
    """Return 4 hex digits over what changes a place besides the two models, for the names of collections.

    Args:
        feature_norm: The median length of the features, from the card of the model of pictures; see `ClassHead`.
    """
    return sha256(json.dumps([VERSION, PROMPT, LIKELIEST, feature_norm]).encode()).hexdigest()[:4]


def _class_vectors(names: Sequence[str], text: TextModel, prompt: str) -> Matrix:
    """Return the text vector of each class: the mean of those of its names, which are separated by commas."""
    synonyms = [name.split(", ") for name in names]
    found = text.embed([prompt.format(each) for group in synonyms for each in group]).vectors
    starts = np.cumsum([0, *(len(group) for group in synonyms[:-1])])
    return _unit(np.add.reduceat(found, starts, axis=0))


def _unit(rows: Matrix) -> Matrix:
    scaled: Matrix = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled
