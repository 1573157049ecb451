"""Questions that fit nothing in any collection, which are asked to learn what chance gives."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from shared.embedding.port import Matrix

EncodeTexts = Callable[[Sequence[str]], Mapping[str, Matrix]]
"""A function that returns the vectors of texts by how they are asked (see `Facet.asked`), shape (texts, dim), unit rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """The questions with their vectors.

    Attributes:
        texts: The questions.
        vectors: Their vectors, as `EncodeTexts` returns them.
    """

    texts: tuple[str, ...]
    vectors: Mapping[str, Matrix]


def background_texts() -> tuple[str, ...]:
    """Return the packaged questions."""
    source = files("shared.config").joinpath("background.toml")
    return tuple(tomllib.loads(source.read_text(encoding="utf-8"))["questions"])


def encoded(encode: EncodeTexts) -> Background:
    """Return the packaged questions with their vectors."""
    texts = background_texts()
    return Background(texts, encode(texts))
