"""What the stages ask of an embedding model, whatever its inputs are: texts, pieces of sound, pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
"""Vectors as rows: shape (n, dim), float32, each of unit length."""

InputT = TypeVar("InputT")
InputT_contra = TypeVar("InputT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Modality(Generic[InputT]):
    """What is known of a kind of input without knowing a model.

    Attributes:
        name: `text`, `audio` or `image`. It is part of every cache key, and a label of metrics.
        unit: The unit in which models of this modality count cost: `tokens`, `audio_seconds` or `pixels`.
        field: The field of a record that a rejected input is reported under.
        content: Returns the bytes of an input that its vector depends on; equal bytes have one vector.
    """

    name: Literal["text", "audio", "image"]
    unit: str
    field: str
    content: Callable[[InputT], bytes]


TEXT: Modality[str] = Modality(name="text", unit="tokens", field="text", content=str.encode)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of a sequence of inputs, in the order of the inputs.

    Attributes:
        vectors: Shape (n, dim), float32, rows of unit length.
        windows: The number of model windows that each input filled; more than 1 means that it was split and pooled.
        cost: What was encoded in all, in the modality's unit, padding left out.
    """

    vectors: Matrix
    windows: tuple[int, ...]
    cost: float


class Model(Protocol[InputT_contra]):
    """A loaded embedding model. It is used by one thread at a time."""

    @property
    def fingerprint(self) -> str:
        """8 hex digits over all that changes a vector."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, inputs: Sequence[InputT_contra], /) -> Embeddings:
        """Embed inputs of any length, the empty one included.

        An input's vector does not depend on the inputs beside it (within rounding).

        Raises:
            DeviceLost: the device is dead; nothing is said about the inputs.
            Exception: the model failed on at least one of the inputs.
        """
        ...

    def probe(self) -> None:
        """Embed a fixed harmless input, so that a dead device can be told from a poison input.

        Raises:
            DeviceLost: even that fails.
        """
        ...


TextModel: TypeAlias = Model[str]
