"""The layers of a model of pictures on torch: normalised on the device, channels last."""

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from shared.embedding.device import TORCH, choose_device
from shared.embedding.image.loading import Loaded, load
from shared.embedding.image.model import Layers
from shared.embedding.microbatch import cut_summed
from shared.embedding.port import Matrix
from shared.embedding.registry import ImageCard

BYTE_MAX = 255


class Network(torch.nn.Module):
    """The layers of a model, from prepared pixels to features.

    Args:
        loaded: The loaded model.
        card: Its card.
        dtype: The number format of the layers; normalising before them is in float32.
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
        """Return the pooled features, shape (n, dim), float32, of pictures, shape (n, height, width, 3), uint8."""
        pictures = (pixels.permute(0, 3, 1, 2).float() - self.shift) / self.scale
        return self._features(pictures.to(self._dtype)).float()


class TorchLayers(Layers):
    """Layers that torch computes.

    Args:
        card: The model's card. Its dtype applies to a GPU; a CPU computes in float32.
        device: See `choose_device`.

    Attributes:
        device: The device that was chosen.
        network: The layers.

    Raises:
        Fatal: the files differ from the card, or the device cannot be used.
    """

    def __init__(self, card: ImageCard, device: str) -> None:
        self.device = choose_device(device)
        self.where, self.failures = str(self.device), TORCH
        self.cut, self.computed = cut_summed, map
        loaded = load(card)
        dtype = torch.float32 if self.device.type == "cpu" else getattr(torch, card.dtype)
        # On two cores, channels last computes 1.3 times as many pictures per second.
        loaded.network.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = Network(loaded, card, dtype).eval().to(self.device)
        self.pooling, self.class_head = loaded.pooling, loaded.class_head

    @override
    def features(self, pixels: NDArray[np.uint8], /) -> Matrix:
        with torch.inference_mode():
            found: Matrix = self.network(torch.from_numpy(pixels).to(self.device)).cpu().numpy()
            return found
