"""Text embedding on OpenVINO, on a CPU: the same vectors as by torch, several times as fast with bfloat16.

A CPU without its own instructions for bfloat16 computes in float32: emulating them was measured to be twelve times slower.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
from typing_extensions import override

from shared.embedding.backends import is_on_cpu
from shared.embedding.microbatch import cut_padded
from shared.embedding.openvino.graph import IDS, MASK
from shared.embedding.openvino.source import read_source
from shared.embedding.passes import CPU, Passes
from shared.embedding.port import TEXT, Embeddings, Matrix, Model
from shared.embedding.registry import TextCard
from shared.embedding.tokens import Tokens
from shared.embedding.windows import PROBE_TEXT, Windows
from shared.errors import DeviceLost, Fatal

DEVICE = "CPU"
HINTS = {"float32": "f32", "bfloat16": "bf16"}
"""OpenVINO's names of the number formats."""


class OpenVinoModel(Model[str]):
    """A loaded text model.

    Args:
        card: The model's card, with everything that its vectors depend on.
        device: `auto` or `cpu`.
        micro_batch_tokens: Padded tokens in one forward pass.
        dtype: The number format of the computation: `float32`, `bfloat16`, or `auto` for bfloat16 where the CPU has
            instructions for it.

    Attributes:
        dtype: The number format that was chosen.

    Raises:
        Unsupported: this backend does not know a part of the model.
        Fatal: the device is not the CPU, or the files differ from the card.
    """

    def __init__(self, card: TextCard, device: str, micro_batch_tokens: int, dtype: str = "auto") -> None:
        if not is_on_cpu(device):
            raise Fatal(
                f"model {card.key}: the backend openvino runs on the CPU, not on {device}: configure auto or cpu"
            )
        source = read_source(card, card.check_files())
        self._card = card
        self._passes = Passes(cut_padded, micro_batch_tokens, TEXT.unit, CPU)
        self._tokens = Tokens(source.tokenizer)
        core = ov.Core()
        self.dtype = "float32" if card.dtype == "int8" else dtype if dtype != "auto" else _fastest(core)
        graph = source.graph
        dim = graph.output(0).get_partial_shape()[1].get_length()
        card.check_loaded(dim, source.pooling, source.longest_tokens)
        hints = {"INFERENCE_PRECISION_HINT": HINTS[self.dtype], "PERFORMANCE_HINT": "LATENCY"}
        self._request: Any = core.compile_model(graph, DEVICE, hints).create_infer_request()

    @property
    @override
    def fingerprint(self) -> str:
        return self._card.fingerprint

    @property
    @override
    def dim(self) -> int:
        return self._card.dim

    @override
    def embed(self, texts: Sequence[str]) -> Embeddings:
        if not texts:
            return Embeddings(np.zeros((0, self.dim), np.float32), (), 0)
        tokens = self._tokens.of([self._card.prompt + text for text in texts])
        windows = Windows.of(tokens, self._card.window_tokens, self._tokens.special)
        pieces, lengths = windows.pieces, windows.lengths
        vectors = self._passes.run(
            lengths, self.dim, lambda group: self._forward([pieces[each] for each in group], lengths[group[-1]])
        )
        return windows.pooled(vectors)

    @override
    def probe(self) -> None:
        try:
            self.embed([PROBE_TEXT])
        except Exception as error:
            raise DeviceLost(f"the model fails even on a harmless text on the CPU: {error}") from error

    def _forward(self, rows: Sequence[list[int]], longest: int) -> Matrix:
        ids = np.full((len(rows), longest), self._tokens.padding, np.int32)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        found = self._request.infer({IDS: ids, MASK: mask}, share_inputs=True)
        return np.array(found[0], np.float32)


def _fastest(core: ov.Core) -> str:
    return "bfloat16" if "BF16" in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES") else "float32"
