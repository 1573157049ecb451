"""The interface of an embedding model for the stages, whatever its inputs are: texts, pieces of sound, pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
"""Vectors as rows: shape (n, dim), float32, each of unit length."""

Pixels: TypeAlias = NDArray[np.uint8]
"""A picture: shape (height, width, 3), RGB."""

InputT = TypeVar("InputT")
InputT_contra = TypeVar("InputT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Modality(Generic[InputT]):
    """A kind of input, independent of any model.

    Attributes:
        name: `text`, `audio` or `image`. It is part of every cache key, and a label of metrics.
        unit: The unit in which models of this modality count cost: `tokens`, `audio_seconds` or `pixels`.
        field: The field of a record that is named when an input is rejected.
        content: Returns the bytes of an input that determine its vector; equal bytes have equal vectors.
        together_bytes: The most content that a model receives in one call, unless one input alone has more; None means
            all inputs at once. The worker shows that it is alive between two calls.
    """

    name: Literal["text", "audio", "image"]
    unit: str
    field: str
    content: Callable[[InputT], bytes]
    together_bytes: int | None = None


TEXT: Modality[str] = Modality(name="text", unit="tokens", field="text", content=str.encode, together_bytes=512 << 10)
"""Two micro-batches of a GPU, or the transcript of a call of six hours, which takes two cores up to a minute."""


def _picture_content(pixels: Pixels) -> bytes:
    """Return the shape and the pixels of a picture, which identify it."""
    return f"{pixels.shape} {pixels.dtype} ".encode() + pixels.tobytes()


IMAGE: Modality[Pixels] = Modality(
    name="image", unit="pixels", field="image", content=_picture_content, together_bytes=16 << 20
)
"""111 pictures of 224 x 224: enough to fill a GPU, and two seconds of two cores."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of a sequence of inputs, in the order of the inputs.

    Attributes:
        vectors: Shape (n, dim), float32, rows of unit length.
        windows: The number of model windows of each input; more than 1 means that the input was split and pooled.
        cost: The total cost of what was encoded, in the modality's unit, without padding.
        is_scaled: Whether the rows have unit length; false for those of `UnscaledModel.embed_unscaled`.
        padding: The cost of the padding that was encoded in addition, in the modality's unit.
        busy_s: The time in which the device computed.
    """

    vectors: Matrix
    windows: tuple[int, ...]
    cost: float
    is_scaled: bool = True
    padding: float = 0.0
    busy_s: float = 0.0


class Model(Protocol[InputT_contra]):
    """A loaded embedding model. It is used by one thread at a time."""

    @property
    def fingerprint(self) -> str:
        """8 hex digits over everything that changes a vector."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, inputs: Sequence[InputT_contra], /) -> Embeddings:
        """Embed inputs of any length, including empty ones.

        An input's vector does not depend on the other inputs (within rounding).

        Raises:
            DeviceLost: the device is dead; the inputs may be valid.
            Exception: the model failed on at least one of the inputs.
        """
        ...

    def probe(self) -> None:
        """Embed a fixed harmless input, to distinguish a dead device from a poison input.

        Raises:
            DeviceLost: even the harmless input fails.
        """
        ...


@runtime_checkable
class UnscaledModel(Model[InputT_contra], Protocol[InputT_contra]):
    """A model whose vectors have a length of their own before they are scaled to unit length."""

    def embed_unscaled(self, inputs: Sequence[InputT_contra], /) -> Embeddings:
        """Embed as `embed` does, but leave each vector as long as the model computes it.

        Raises:
            DeviceLost: as in `embed`.
            Exception: as in `embed`.
        """
        ...


@runtime_checkable
class SharedModel(Model[InputT_contra], Protocol[InputT_contra]):
    """A model that several threads may use at once, so that it can compute the next batch while one is in hand."""

    any_thread: Literal[True]


TextModel: TypeAlias = Model[str]
