"""Text embedding by a sentence-transformers model on torch, with Millrace's own micro-batches.

The library's `encode` batches by count; cutting by tokens was measured to be twice as fast on short questions
(`docs/performance.md`). The library's modules (transformer, pooling, normalisation) are used unchanged.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging
from typing_extensions import override

from shared.embedding.device import TORCH, choose_device
from shared.embedding.microbatch import cut_padded, padding
from shared.embedding.passes import Computed, Passes
from shared.embedding.port import TEXT, Embeddings, Matrix, Model
from shared.embedding.registry import TextCard
from shared.embedding.windows import PROBE_TEXT, Special, Windows, fill_rows
from shared.errors import DeviceLost


class SentenceModel(Model[str]):
    """A loaded sentence-transformers model.

    Args:
        card: The model's card, with everything that its vectors depend on.
        device: See `choose_device`.
        micro_batch_tokens: Padded tokens in one forward pass; halved permanently when the device runs out of memory.

    Raises:
        Fatal: the files differ from the card, or the loaded model differs from the card.
    """

    def __init__(self, card: TextCard, device: str, micro_batch_tokens: int) -> None:
        folder = card.check_files()
        self._card = card
        self.device = choose_device(device)
        self._prompt = card.prompt
        self._passes = Passes(cut_padded, micro_batch_tokens, TEXT.unit, TORCH)
        # The progress bar would be written to standard error, even if logs are JSON lines. The function has no types.
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self._model = SentenceTransformer(
            str(folder),
            device=str(self.device),
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"dtype": getattr(torch, card.dtype), "use_safetensors": True},
        ).eval()
        dim, pooling = self._model.get_embedding_dimension(), _pooling_of(self._model)
        card.check_loaded(dim, pooling, self._model.max_seq_length)
        self._tokenizer: Any = self._model.tokenizer
        self._special = _special_tokens(self._tokenizer)

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
        """Embed texts: tokenise them, cut them into windows, encode micro-batches, pool the windows of each text."""
        if not texts:
            return Embeddings(np.zeros((0, self.dim), np.float32), (), 0)
        windows = Windows.of(self._tokenise(texts), self._card.window_tokens, self._special)
        computed = self._encode(windows.pieces, windows.lengths)
        return windows.pooled(computed, padding(computed.groups, windows.lengths))

    @override
    def probe(self) -> None:
        try:
            self.embed([PROBE_TEXT])
        except Exception as error:
            raise DeviceLost(
                f"the model fails even on a harmless text on {self.device}: {error}; check the device, then "
                "restart the worker"
            ) from error

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self._tokenizer(
            [self._prompt + text for text in texts],
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,  # texts longer than the window are split here, so the tokenizer's warning would mislead
        )
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def _encode(self, pieces: Sequence[list[int]], lengths: Sequence[int]) -> Computed:
        """Encode every piece."""
        return self._passes.run(lengths, self.dim, lambda group: self._forward([pieces[each] for each in group]))

    def _forward(self, rows: Sequence[list[int]]) -> Matrix:
        ids, mask = fill_rows(rows, self._tokenizer.pad_token_id, np.int64)
        with torch.inference_mode():
            features = {
                "input_ids": torch.from_numpy(ids).to(self.device),
                "attention_mask": torch.from_numpy(mask).to(self.device),
            }
            vectors: Matrix = self._model(features)["sentence_embedding"].float().cpu().numpy()
            return vectors


def _special_tokens(tokenizer: Any) -> Special:
    """Return the tokens that the tokenizer adds before and after a text, found by tokenising an example."""
    bare: list[int] = tokenizer(PROBE_TEXT, add_special_tokens=False)["input_ids"]
    whole: list[int] = tokenizer(PROBE_TEXT)["input_ids"]
    start = next(place for place in range(len(whole)) if whole[place : place + len(bare)] == bare)
    return Special(whole[:start], whole[start + len(bare) :])


def _pooling_of(model: Any) -> str | None:
    return next((module.pooling_mode for module in model if hasattr(module, "pooling_mode")), None)
