"""Text models for the suites: the fake, the packaged ones, and small ones with random weights."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizer

from shared.embedding.files import files_of
from shared.embedding.openvino.device import HINTS, Format
from shared.embedding.openvino.model import OpenVinoModel
from shared.embedding.port import TextModel
from shared.embedding.registry import TextCard, load_text_card
from shared.embedding.text import SentenceModel
from shared.embedding.universal import UniversalModel
from shared.records import Vector
from shared.text.preparation import Preparation
from tests.support.built_models import built_card
from tests.support.fakes import FakeModel
from tests.support.multilingual import ROWS, multilingual_card
from tests.support.universal import UniversalReference
from tests.support.words import CHARACTERS, WORDS

Pooling = Literal["mean", "cls"]
SMALL_DIM, SMALL_WINDOW = 32, 24
INT8 = "int8"
SAME_INT8, RIGHT_INT8 = 0.998, 0.97
"""Sums in another order round otherwise, and so does a byte that depends on them."""

PACKAGED = ("minilm-l6-v2", "use-multilingual-v3")


def small_card(folder: Path, pooling: Pooling) -> TextCard:
    """Create a BERT of two layers with weights drawn from a fixed seed, and return its card."""
    folder.mkdir(parents=True)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS, *(f"##{each}" for each in CHARACTERS), *WORDS]
    sizes: dict[str, Any] = {"hidden_size": SMALL_DIM, "intermediate_size": 64, "max_position_embeddings": 64}
    sizes |= {"num_hidden_layers": 2, "num_attention_heads": 4}
    # With weights as small as usual all texts would have nearly the same vector, and comparisons would show nothing.
    config = BertConfig(vocab_size=len(pieces), initializer_range=0.5, **sizes)
    torch.manual_seed(20)
    make: Any = BertModel  # the library has no types for it
    make(config).save_pretrained(folder / "made")
    BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}).save_pretrained(folder / "made")
    transformer = modules.Transformer(str(folder / "made"), max_seq_length=SMALL_WINDOW)
    parts = [transformer, modules.Pooling(SMALL_DIM, pooling_mode=pooling), modules.Normalize()]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder / "saved"))
    return TextCard(
        key=f"small-{pooling}",
        modality="text",
        source=f"path:{folder / 'saved'}",
        files=files_of(folder / "saved"),
        dim=SMALL_DIM,
        window_tokens=SMALL_WINDOW,
        pooling=pooling,
        preparation=Preparation(version=3),
        prompt="",
        dtype="float32",
        backend="torch",
        licence="made here",
    )


@dataclass
class Subject:
    """A model under test, its card if it has one, and independent facts about it.

    `original` is the card of the model that an int8 model was made of,
    `same` is the lowest cosine of two vectors of one text by this model, and `right` that with the independent computation.
    """

    name: str
    model: TextModel
    card: TextCard | None = None
    dtype: Format | None = None
    same: float = 0.9999
    right: float = 0.9999
    original: TextCard | None = None

    def load(self, card: TextCard, micro_batch_tokens: int = 1_024) -> TextModel:
        """Load another card by the same backend."""
        return load(card, micro_batch_tokens, self.dtype)

    def vector(self, text: str) -> Vector:
        """Return the vector of one text embedded alone."""
        return np.asarray(self.model.embed([text]).vectors[0], np.float32)

    @cached_property
    def reference(self) -> "Reference":
        """The same weights without Millrace's code."""
        assert self.card is not None
        return (
            UniversalReference(self.card)
            if self.card.backend == "numpy"
            else TorchReference(self.original or self.card)
        )

    @property
    def room(self) -> int:
        """The number of tokens of a text that fill one window, without the special tokens and those of the prompt."""
        assert self.card is not None
        return self.card.window_tokens - 2 - len(self.reference.tokens(""))


class Reference(Protocol):
    """An independent computation of a model's vectors."""

    def tokens(self, text: str) -> list[int]:
        """Return a text's tokens without special ones, those of the prompt first."""
        ...

    def embed(self, text: str) -> tuple[Vector, int]:
        """Return a text's vector and the number of its windows."""
        ...


class TorchReference:
    """A card's transformer run one window at a time, pooled and averaged by formulas written out here."""

    def __init__(self, card: TextCard) -> None:
        self._card = card
        self._tokenizer: Any = AutoTokenizer.from_pretrained(card.folder, local_files_only=True)
        self._transformer: Any = AutoModel.from_pretrained(card.folder, local_files_only=True).eval()

    def tokens(self, text: str) -> list[int]:
        """Return a text's tokens without special ones, those of the prompt first."""
        whole = self._card.prompt + text
        ids: list[int] = self._tokenizer(whole, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def embed(self, text: str) -> tuple[Vector, int]:
        """Return the mean of a text's windows, weighted by their tokens with the two special ones, and their number."""
        tokens = self.tokens(text)
        windows = max(1, math.ceil(len(tokens) / (self._card.window_tokens - 2)))
        edges = [len(tokens) * number // windows for number in range(windows + 1)]
        total = np.zeros(self._card.dim)
        for start, end in pairwise(edges):
            ids = [self._tokenizer.cls_token_id, *tokens[start:end], self._tokenizer.sep_token_id]
            total += len(ids) * self._window(ids)
        return np.asarray(total / np.linalg.norm(total), np.float32), windows

    def _window(self, ids: list[int]) -> "np.ndarray[Any, Any]":
        with torch.inference_mode():
            states = self._transformer(input_ids=torch.tensor([ids])).last_hidden_state[0].double().numpy()
        pooled = states[0] if self._card.pooling == "cls" else states.mean(axis=0)
        return np.asarray(pooled / np.linalg.norm(pooled))


def load(card: TextCard, micro_batch_tokens: int = 1_024, dtype: Format | None = None) -> TextModel:
    """Load a card's model on the CPU, by OpenVINO if a number format for it is given."""
    if card.backend == "numpy":
        return UniversalModel(card, "cpu")
    if dtype is not None:
        return OpenVinoModel(card, "cpu", micro_batch_tokens, dtype)
    return SentenceModel(card, "cpu", micro_batch_tokens)


def subject(name: str, folder: Path) -> Subject:
    """Load a model to test by name: a packaged model, a row of docs/multilingual.toml, or a small BERT.

    After the name may stand `@` and the number format in which OpenVINO computes it; with `int8`, a model is made.
    """
    if name == "fake":
        return Subject(name, FakeModel())
    name, _, given = name.partition("@")
    dtype = next((each for each in HINTS if each == given), "float32" if given == INT8 else None)
    if name in ROWS:
        card = multilingual_card(name, folder)
    elif name in PACKAGED:
        card = load_text_card(name)
    else:
        card = small_card(folder, "cls" if name == "small-cls" else "mean")
    if given == INT8:
        made = built_card(card, folder.with_name(f"{folder.name}-built"))
        return Subject(name, load(made, dtype=dtype), made, dtype, SAME_INT8, RIGHT_INT8, card)
    return Subject(name, load(card, dtype=dtype), card, dtype)
