"""Embedding of pictures: micro-batches, unit length and classes, whichever library computes the layers."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from shared.embedding.image.classes import ClassHead, ClassifyingModel
from shared.embedding.image.pixels import grey
from shared.embedding.microbatch import Cut
from shared.embedding.passes import Failures, Map, Passes
from shared.embedding.port import IMAGE, Embeddings, Matrix, Pixels, UnscaledModel
from shared.embedding.registry import ImageCard
from shared.errors import DeviceLost, Fatal

Compute = Callable[[NDArray[np.uint8]], Matrix]
"""Returns a row for each picture of an array of them."""


class Layers(Protocol):
    """The layers of a model, loaded by a library that computes.

    Attributes:
        where: The device, for messages.
        pooling: How the features are pooled, as cards name it.
        class_head: The classes that the model was trained on, if its card names them.
        failures: What the errors of the library mean.
        cut: The function that cuts pictures into micro-batches by cost.
        computed: How micro-batches are computed: one after the other, or side by side.
    """

    where: str
    pooling: str
    class_head: ClassHead | None
    failures: Failures
    cut: Cut
    computed: Map

    def features(self, pixels: NDArray[np.uint8], /) -> Matrix:
        """Return the pooled features of pictures, float32, which have the direction of the vectors and any length.

        Args:
            pixels: Prepared pictures, shape (n, crop_px, crop_px, 3).
        """
        ...


class ImageModel(ClassifyingModel, UnscaledModel[Pixels]):
    """A loaded model of pictures; its inputs are prepared by `prepare_picture`.

    Args:
        card: The model's card, with everything that its vectors depend on.
        layers: The loaded layers.
        micro_batch_pixels: Pixels in one forward pass; halved permanently when the device runs out of memory.

    Attributes:
        layers: The loaded layers.

    Raises:
        Fatal: the loaded model differs from the card.
    """

    def __init__(self, card: ImageCard, layers: Layers, micro_batch_pixels: int) -> None:
        self._card, self.layers = card, layers
        self._passes = Passes(layers.cut, micro_batch_pixels, IMAGE.unit, layers.failures, layers.computed)
        card.check_loaded(self._found_dim(), layers.pooling)

    @property
    @override
    def fingerprint(self) -> str:
        return self._card.fingerprint

    @property
    @override
    def dim(self) -> int:
        return self._card.dim

    @property
    @override
    def class_head(self) -> ClassHead | None:
        return self.layers.class_head

    @override
    def embed(self, inputs: Sequence[Pixels], /) -> Embeddings:
        """Embed prepared pictures, all of shape (crop_px, crop_px, 3)."""
        return self._embed(inputs, self._vectors)

    @override
    def embed_unscaled(self, inputs: Sequence[Pixels], /) -> Embeddings:
        return self._embed(inputs, self.layers.features)

    def _embed(self, inputs: Sequence[Pixels], compute: Compute) -> Embeddings:
        for each in inputs:
            if each.shape != self.shape or each.dtype != np.uint8:
                raise ValueError(f"a picture of {each.shape} is not prepared for this model: expected {self.shape}")
        costs = [float(self._card.pixels)] * len(inputs)
        found = self._passes.run(costs, self.dim, lambda group: compute(np.stack([inputs[at] for at in group])))
        return Embeddings(found.vectors, (1,) * len(inputs), sum(costs), busy_s=found.busy_s)

    @override
    def probe(self) -> None:
        try:
            self._vectors(grey(self.shape)[None])
        except Exception as error:
            raise DeviceLost(
                f"the model fails even on a grey picture on {self.layers.where}: {error}; check the device, then "
                "restart the worker"
            ) from error

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of each input."""
        return self._card.shape

    def _found_dim(self) -> int:
        """Return the length of the vectors that the model computes."""
        try:
            return int(self.layers.features(grey(self.shape)[None]).shape[1])
        except (ValueError, AssertionError, RuntimeError) as error:
            raise Fatal(
                f"model {self._card.key} cannot compute a picture of {self._card.crop_px} pixels a side on "
                f"{self.layers.where}: {error}"
            ) from error

    def _vectors(self, pixels: NDArray[np.uint8]) -> Matrix:
        """Return vectors of unit length; NaN if the features are all zero or too large for the number format."""
        features = self.layers.features(pixels)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            vectors: Matrix = features / np.linalg.norm(features, axis=1, keepdims=True)
        return vectors
