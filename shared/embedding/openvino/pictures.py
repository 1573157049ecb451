"""The layers of a model of pictures on OpenVINO, on a CPU: the same vectors as by torch, several times as fast.

bfloat16 changes the vectors of many models of pictures, unlike those of text models. So each load compares the vectors of
a few pictures with those of torch, and no number format is used that moves them further than `LEAST` allows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from shared.embedding.image.model import Layers
from shared.embedding.image.pixels import sample_pictures
from shared.embedding.microbatch import cut_summed
from shared.embedding.openvino.converted import PIXELS, Converted
from shared.embedding.openvino.device import Compiled, Format, check_device, has_bfloat16
from shared.embedding.openvino.kept import converted
from shared.embedding.openvino.layout import Unsupported
from shared.embedding.passes import CPU, Forward
from shared.embedding.port import Matrix
from shared.embedding.registry import ImageCard
from shared.errors import Fatal

LEAST: Mapping[Format, float] = {"float32": 0.9999, "bfloat16": 0.99995}
"""The lowest cosine of a compared vector with that of torch. A photo must keep 0.9999, and in bfloat16, photos were seen to
lose twice as much as the pictures that are compared."""


class OpenVinoLayers(Layers):
    """Layers that OpenVINO computes.

    Args:
        card: The model's card.
        device: `auto` or `cpu`.
        dtype: The number format of the computation; `auto` is bfloat16 if the CPU has instructions for it and the vectors
            stay faithful.
        streams: See `Compiled`.

    Raises:
        Unsupported: this backend cannot compute the model.
        Fatal: the device is not the CPU, the files differ from the card, or bfloat16 is configured and changes vectors.
    """

    def __init__(
        self, card: ImageCard, device: str, dtype: Literal["auto"] | Format = "auto", streams: int | None = None
    ) -> None:
        check_device(card, device)
        self.where, self.failures = "the CPU", CPU
        self.cut, self.computed = self._cut_evenly, self._side_by_side
        found = converted(card)
        self.pooling, self.class_head = found.pooling, found.class_head
        formats: list[Format] = (
            [dtype] if dtype != "auto" else ["bfloat16", "float32"] if has_bfloat16() else ["float32"]
        )
        for each in formats:
            self._compiled = Compiled(found.graph, each, streams)
            lowest = self._lowest_cosine(card, found)
            if lowest >= LEAST[each]:
                return
        raise _differing(card, self.dtype, lowest)

    @property
    def dtype(self) -> Format:
        """The number format of the computation."""
        return self._compiled.dtype

    @override
    def features(self, pixels: NDArray[np.uint8], /) -> Matrix:
        return self._compiled.infer({PIXELS: pixels})

    def _cut_evenly(self, costs: Sequence[float], limit: float) -> Iterator[list[int]]:
        """Yield groups of pictures, of which all cost the same, for all streams: a small group is computed as fast."""
        return cut_summed(costs, min(limit, max(costs, default=0) * ceil(len(costs) / self._compiled.streams)))

    def _side_by_side(self, forward: Forward, groups: Iterable[list[int]]) -> Iterator[Matrix]:
        return self._compiled.pool.map(forward, groups)

    def _lowest_cosine(self, card: ImageCard, found: Converted) -> float:
        """Compare the vectors of pictures together, and of one alone, with those of torch."""
        pictures = np.stack(sample_pictures(card.shape))
        features = np.concatenate([self.features(pictures), self.features(pictures[-1:])])
        expected = np.concatenate([found.vectors, found.vectors[-1:]])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            cosines = np.einsum("ij,ij->i", features, expected) / np.linalg.norm(features, axis=1)
        return float(cosines.min())


def _differing(card: ImageCard, dtype: Format, lowest: float) -> Fatal:
    found = f"model {card.key}: by openvino in {dtype}, a vector has a cosine of only {lowest:.5f} with that of torch"
    if dtype == "float32":
        return Unsupported(f"{found}: configure the backend torch")
    return Fatal(f"{found}, and {LEAST[dtype]} is needed: configure dtype auto or float32")
