"""Computing a graph of OpenVINO on the cores of this machine.

Each stream computes one micro-batch on its share of the cores. One core for each is fastest, because no thread waits for
another one (`docs/performance.md`).
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Literal

import numpy as np
import openvino as ov
from joblib import cpu_count
from numpy.typing import NDArray

from shared.embedding.card import ModelCard
from shared.embedding.cpu import is_on_cpu, multiplies_bytes
from shared.embedding.port import Matrix
from shared.errors import Fatal

DEVICE = "CPU"
Format = Literal["float32", "bfloat16"]
HINTS: Mapping[Format, str] = {"float32": "f32", "bfloat16": "bf16"}
"""OpenVINO's names of the number formats."""


def check_device(card: ModelCard, device: str) -> None:
    """Check the configured device: `auto` is the CPU for a model that no GPU computes.

    Raises:
        Fatal: it is not the CPU, or the model is in int8 and the CPU would compute other vectors of it.
    """
    if card.dtype == "int8" and not multiplies_bytes():
        raise Fatal(
            f"model {card.key} is in int8, which needs a CPU with VNNI (AVX512-VNNI, AVX-VNNI or AMX): any other one "
            "computes different vectors of it, and slowly; use the model that it was made of"
        )
    if not is_on_cpu(device) and not (device == "auto" and card.backend == "openvino"):
        raise Fatal(
            f"model {card.key}: the backend openvino runs on the CPU, not on {device}: configure the device cpu"
        )


def has_bfloat16() -> bool:
    """Return whether the CPU has instructions for bfloat16: emulating them was measured to be twelve times slower."""
    return "BF16" in ov.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


class Compiled:
    """A compiled graph. Several threads may compute at once.

    Args:
        graph: The graph, with one output.
        dtype: The number format of the computation.
        streams: The number of micro-batches that are computed at once; None for one for each core of the process.

    Attributes:
        dtype: As given.
        streams: The number of micro-batches that are computed at once.
        pool: As many threads as there are streams.
    """

    def __init__(self, graph: ov.Model, dtype: Format, streams: int | None = None) -> None:
        self.dtype = dtype
        cores = cpu_count()
        hints = {
            "INFERENCE_PRECISION_HINT": HINTS[dtype],
            "INFERENCE_NUM_THREADS": cores,
            "NUM_STREAMS": min(streams or cores, cores),
        }
        compiled = ov.Core().compile_model(graph, DEVICE, hints)
        self.streams: int = compiled.get_property("NUM_STREAMS")
        self._free = SimpleQueue[Any]()
        for _ in range(self.streams):
            self._free.put(compiled.create_infer_request())
        self.pool = ThreadPoolExecutor(self.streams, "embedding")

    def infer(self, inputs: Mapping[str, NDArray[Any]]) -> Matrix:
        """Return the output for the inputs, by name."""
        request = self._free.get()
        try:
            return np.array(request.infer(inputs, share_inputs=True)[0], np.float32)
        finally:
            self._free.put(request)
