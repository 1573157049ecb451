"""The layers of a model of pictures on OpenVINO, on a CPU, with the same vectors as torch's, several times as fast.

bfloat16 changes the vectors of many models of pictures too much, unlike those of text models. So each load compares the
vectors of a few pictures with torch's, and nothing is computed in a number format that moves them further than `LEAST`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from typing_extensions import override

from shared.embedding.image.model import Layers
from shared.embedding.image.pixels import sample_pictures
from shared.embedding.openvino.device import check_cpu, compiled, fastest_dtype
from shared.embedding.openvino.kept import converted
from shared.embedding.openvino.layout import Unsupported
from shared.embedding.passes import CPU
from shared.embedding.port import Matrix
from shared.embedding.registry import ImageCard
from shared.errors import Fatal

LEAST: Mapping[str, float] = {"float32": 0.9999, "bfloat16": 0.99995}
"""The lowest cosine of a compared vector with that of torch. Photos were seen to lose twice as much as these pictures, and
0.9999 is what a photo must keep."""


class OpenVinoLayers(Layers):
    """Layers that OpenVINO computes.

    Args:
        card: The model's card.
        device: `auto` or `cpu`.
        dtype: The number format of the computation: `float32`, `bfloat16`, or `auto` for bfloat16 where the CPU has
            instructions for it and the vectors stay the same.

    Attributes:
        dtype: The number format that was chosen.

    Raises:
        Unsupported: this backend cannot compute the model.
        Fatal: the device is not the CPU, the files differ from the card, or bfloat16 is configured and changes the
            vectors.
    """

    def __init__(self, card: ImageCard, device: str, dtype: str = "auto") -> None:
        check_cpu(card.key, device)
        self.where, self.failures = "the CPU", CPU
        found = converted(card)
        self.pooling, self.class_head = found.pooling, found.class_head
        self.dtype = dtype if dtype != "auto" else fastest_dtype()
        self._request, lowest = _compared(card, found.graph, found.vectors, self.dtype)
        if dtype == "auto" and self.dtype != "float32" and not lowest >= LEAST[self.dtype]:
            self.dtype = "float32"
            self._request, lowest = _compared(card, found.graph, found.vectors, self.dtype)
        if not lowest >= LEAST[self.dtype]:
            raise _differing(card, self.dtype, lowest)

    @override
    def features(self, pixels: NDArray[np.uint8], /) -> Matrix:
        return _features(self._request, pixels)


def _compared(card: ImageCard, graph: ov.Model, vectors: Matrix, dtype: str) -> tuple[Any, float]:
    """Return a request for a graph, and the lowest cosine of its vectors, together and alone, with those of torch."""
    request, lowest = compiled(graph, dtype), 1.0
    pictures = np.stack(sample_pictures(card.shape))
    for rows in (slice(None), slice(1)):
        features = _features(request, pictures[rows])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            cosines = (features * vectors[rows]).sum(axis=1) / np.linalg.norm(features, axis=1)
        lowest = min(float(cosines.min()), lowest)  # NaN stays, as nothing is less than it
    return request, lowest


def _features(request: Any, pixels: NDArray[np.uint8]) -> Matrix:
    return np.array(request.infer([pixels], share_inputs=True)[0], np.float32)


def _differing(card: ImageCard, dtype: str, lowest: float) -> Fatal:
    found = f"the vectors of model {card.key} have a cosine of only {lowest:.5f} with those of torch"
    if dtype == "float32":
        return Unsupported(f"by the backend openvino, {found}, so torch has to compute it")
    return Fatal(f"in {dtype}, {found}, and {LEAST[dtype]} is needed: configure dtype auto or float32")
