"""Embedding of pictures on torch: normalised on the device, channels last, unit length."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from typing_extensions import override

from shared.embedding.device import TORCH, choose_device
from shared.embedding.image.classes import ClassHead, ClassifyingModel
from shared.embedding.image.loading import Loaded, load
from shared.embedding.microbatch import cut_summed
from shared.embedding.passes import Passes
from shared.embedding.port import IMAGE, Embeddings, Matrix, Pixels, UnscaledModel
from shared.embedding.registry import ImageCard
from shared.errors import DeviceLost, Fatal

GREY = 128
BYTE_MAX = 255

Compute = Callable[[torch.Tensor], torch.Tensor]
"""Returns vectors of pictures, as `Network` or its method `features`."""


class Network(torch.nn.Module):
    """The layers of a model, from prepared pixels to vectors.

    Args:
        loaded: The loaded model.
        card: Its card.
        dtype: The number format of the layers; normalising before them and the length after them are in float32.
    """

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, loaded: Loaded, card: ImageCard, dtype: torch.dtype) -> None:
        super().__init__()
        self.layers = loaded.network
        self._features, self._dtype = loaded.features, dtype
        self.register_buffer("shift", torch.tensor(card.mean).view(1, 3, 1, 1) * BYTE_MAX)
        self.register_buffer("scale", torch.tensor(card.std).view(1, 3, 1, 1) * BYTE_MAX)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return vectors, shape (n, dim), of pictures, shape (n, height, width, 3), uint8.

        A vector is NaN if the features are all zero or too large for the number format.
        """
        features = self.features(pixels)
        vectors: torch.Tensor = features / features.norm(dim=1, keepdim=True)
        return vectors

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the pooled features of pictures, float32, which have the direction of the vectors and any length."""
        pictures = (pixels.permute(0, 3, 1, 2).float() - self.shift) / self.scale
        return self._features(pictures.to(self._dtype)).float()


class ImageModel(ClassifyingModel, UnscaledModel[Pixels]):
    """A loaded model of pictures; its inputs are prepared by `prepare_picture`.

    Args:
        card: The model's card, with everything that its vectors depend on. Its dtype applies to a GPU; a CPU computes in
            float32.
        device: See `choose_device`.
        micro_batch_pixels: Pixels in one forward pass; halved permanently when the device runs out of memory.

    Raises:
        Fatal: the files differ from the card, or the loaded model differs from the card.
    """

    def __init__(self, card: ImageCard, device: str, micro_batch_pixels: int) -> None:
        self._card = card
        self.device = choose_device(device)
        loaded = load(card)
        dtype = torch.float32 if self.device.type == "cpu" else getattr(torch, card.dtype)
        # On two cores, channels last computes 1.3 times as many pictures per second.
        loaded.network.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = Network(loaded, card, dtype).eval().to(self.device)
        self._class_head = loaded.class_head
        self._passes = Passes(cut_summed, micro_batch_pixels, IMAGE.unit, TORCH)
        card.check_loaded(self._found_dim(), loaded.pooling)

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
        return self._class_head

    @override
    def embed(self, inputs: Sequence[Pixels], /) -> Embeddings:
        """Embed prepared pictures, all of shape (crop_px, crop_px, 3)."""
        return self._embed(inputs, self.network)

    @override
    def embed_unscaled(self, inputs: Sequence[Pixels], /) -> Embeddings:
        return self._embed(inputs, self.network.features)

    def _embed(self, inputs: Sequence[Pixels], compute: Compute) -> Embeddings:
        for each in inputs:
            if each.shape != self.shape or each.dtype != np.uint8:
                raise ValueError(f"a picture of {each.shape} is not prepared for this model: expected {self.shape}")
        costs = [float(self._card.pixels)] * len(inputs)
        found = self._passes.run(costs, self.dim, lambda group: self._forward([inputs[at] for at in group], compute))
        return Embeddings(found.vectors, (1,) * len(inputs), sum(costs), busy_s=found.busy_s)

    @override
    def probe(self) -> None:
        try:
            self._forward([self._grey()], self.network)
        except Exception as error:
            raise DeviceLost(
                f"the model fails even on a grey picture on {self.device}: {error}; check the device, then "
                "restart the worker"
            ) from error

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of each input."""
        return (self._card.crop_px, self._card.crop_px, 3)

    def _grey(self) -> Pixels:
        return np.full(self.shape, GREY, np.uint8)

    def _found_dim(self) -> int:
        """Return the length of the vectors that the model computes."""
        try:
            return int(self._forward([self._grey()], self.network).shape[1])
        except (ValueError, AssertionError, RuntimeError) as error:
            raise Fatal(
                f"model {self._card.key} cannot compute a picture of {self._card.crop_px} pixels a side on {self.device}: "
                f"{error}"
            ) from error

    def _forward(self, pictures: Sequence[Pixels], compute: Compute) -> Matrix:
        with torch.inference_mode():
            found = compute(torch.from_numpy(np.stack(pictures)).to(self.device))
            vectors: Matrix = found.cpu().numpy()
            return vectors
