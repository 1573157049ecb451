"""Pictures as arrays for the tests, and a small model of them that really computes.

Its vectors mean nothing; they depend on the pixels alone, and a black picture has none.
"""

from collections.abc import Sequence

import numpy as np
import torch

from shared.embedding.device import TORCH
from shared.embedding.microbatch import cut_summed
from shared.embedding.passes import Passes
from shared.embedding.port import IMAGE, Embeddings, Matrix, Pixels
from shared.errors import DeviceLost

PICTURE_DIM = 8
CELLS = 4


def drawn(seed: int, height: int = 12, width: int = 10) -> Pixels:
    """Return a picture of noise, the same one for the same seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


class PictureModel:
    """Averages a picture over a grid of cells and projects the averages; a picture without colours makes it fail.

    Args:
        limit_pixels: Largest number of pixels in one forward pass.
    """

    fingerprint = "91c70000"
    dim = PICTURE_DIM

    def __init__(self, limit_pixels: int = 1_000) -> None:
        self.calls: list[list[Pixels]] = []
        self.dead: Exception | None = None
        self.failures: list[Exception] = []
        self.passes = Passes(cut_summed, limit_pixels, IMAGE.unit, TORCH)
        made = torch.Generator().manual_seed(7)
        self._weights = torch.randn((3 * CELLS * CELLS, PICTURE_DIM), generator=made)

    def embed(self, inputs: Sequence[Pixels]) -> Embeddings:
        """Embed pictures of any size, by forward passes of a limited number of pixels."""
        self.calls.append(list(inputs))
        pixels = [each.shape[0] * each.shape[1] for each in inputs]
        found = self.passes.run(pixels, self.dim, lambda group: self._forward([inputs[at] for at in group]))
        return Embeddings(found.vectors, (1,) * len(inputs), sum(pixels))

    def probe(self) -> None:
        """Embed a grey picture."""
        try:
            self._forward([np.full((8, 8, 3), 128, np.uint8)])
        except Exception as error:
            raise DeviceLost(f"the model fails on a grey picture: {error}") from error

    def _forward(self, pictures: Sequence[Pixels]) -> Matrix:
        if self.dead is not None:
            raise self.dead
        if self.failures:
            raise self.failures.pop(0)
        rows = [torch.from_numpy(each.astype(np.float32)).permute(2, 0, 1) for each in pictures]
        cells = torch.stack([torch.nn.functional.adaptive_avg_pool2d(row, CELLS).flatten() for row in rows])
        projected = cells @ self._weights
        return np.asarray((projected / projected.norm(dim=1, keepdim=True)).numpy(), np.float32)
