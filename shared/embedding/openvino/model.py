"""Text embedding on OpenVINO, on a CPU: the same vectors as by torch, several times as fast with bfloat16."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
from typing_extensions import override

from shared.embedding.canary_inputs import TEXTS
from shared.embedding.microbatch import cut_padded, padding
from shared.embedding.openvino.device import Compiled, Format, check_device, has_bfloat16
from shared.embedding.openvino.graph import IDS, MASK
from shared.embedding.openvino.source import read_source
from shared.embedding.passes import CPU, Forward, Passes
from shared.embedding.port import TEXT, Embeddings, Matrix, SharedModel
from shared.embedding.registry import TextCard
from shared.embedding.tokens import Tokens
from shared.embedding.windows import PROBE_TEXT, Windows, fill_rows
from shared.errors import DeviceLost, Fatal
from shared.logs import get_logger

FAITHFUL_COSINE = 0.9999
"""The lowest cosine of a vector with the one in float32, for which both may have one fingerprint."""

log = get_logger("embedding")


class OpenVinoModel(SharedModel[str]):
    """A loaded text model.

    Args:
        card: The model's card, with everything that its vectors depend on.
        device: `auto` or `cpu`.
        micro_batch_tokens: Padded tokens in one forward pass.
        dtype: The number format of the computation; `auto` is bfloat16 if the CPU has instructions for it and the vectors
            stay faithful, by the card or else by a comparison now.
        streams: See `Compiled`.

    Raises:
        Unsupported: this backend does not know a part of the model.
        Fatal: the device is not the CPU, the files differ from the card, or bfloat16 is configured for a model in int8.
    """

    any_thread = True

    def __init__(
        self,
        card: TextCard,
        device: str,
        micro_batch_tokens: int,
        dtype: Literal["auto"] | Format = "auto",
        streams: int | None = None,
    ) -> None:
        check_device(card, device)
        source = read_source(card, card.check_files())
        self._card = card
        self._tokens = Tokens(source.tokenizer)
        self._passes = Passes(cut_padded, micro_batch_tokens, TEXT.unit, CPU, self._side_by_side)
        graph = source.graph
        dim = graph.output(0).get_partial_shape()[1].get_length()
        card.check_loaded(dim, source.pooling, source.longest_tokens)
        if dtype == "bfloat16" and card.dtype == "int8":
            raise Fatal(f"model {card.key} is in int8, whose vectors differ with bfloat16: configure auto as the dtype")
        stated = stated_format(card) if dtype == "auto" else dtype
        if stated is not None:
            self._compiled = Compiled(graph, stated, streams)
        else:
            self._choose(Compiled(graph, "float32", streams), Compiled(graph, "bfloat16", streams))
        self.embed([PROBE_TEXT])  # the first pass packs the weights
        source.release()

    @property
    def dtype(self) -> Format:
        """The number format of the computation."""
        return self._compiled.dtype

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
        computed = self._passes.run(lengths, self.dim, lambda group: self._forward([pieces[each] for each in group]))
        return windows.pooled(computed, padding(computed.groups, lengths))

    @override
    def probe(self) -> None:
        try:
            self.embed([PROBE_TEXT])
        except Exception as error:
            raise DeviceLost(f"the model fails even on a harmless text on the CPU: {error}") from error

    def _forward(self, rows: Sequence[list[int]]) -> Matrix:
        ids, mask = fill_rows(rows, self._tokens.padding, np.int32)
        return self._compiled.infer({IDS: ids, MASK: mask})

    def _side_by_side(self, forward: Forward, groups: Iterable[list[int]]) -> Iterator[Matrix]:
        return self._compiled.pool.map(forward, groups)

    def _choose(self, exact: Compiled, fast: Compiled) -> None:
        """Use the faster number format if its vectors are faithful."""
        self._compiled = exact
        expected = self.embed(TEXTS).vectors
        self._compiled = fast
        cosine = float(np.einsum("ij,ij->i", expected, self.embed(TEXTS).vectors).min())
        if not cosine >= FAITHFUL_COSINE:
            self._compiled = exact
        log.info("number format chosen", model=self._card.key, dtype=self.dtype, bfloat16_cosine=round(cosine, 6))


def stated_format(card: TextCard) -> Format | None:
    """Return the fastest format that is known to be faithful on this CPU; None if that has to be measured."""
    if card.bfloat16 == "differs" or not has_bfloat16():
        return "float32"
    return "bfloat16" if card.bfloat16 == "faithful" else None
