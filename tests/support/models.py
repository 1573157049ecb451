"""Text models for the suites: the fake, the packaged MiniLM, and small BERTs with random weights."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizer

from shared.embedding.files import files_of
from shared.embedding.port import TextModel
from shared.embedding.registry import TextCard, load_text_card
from shared.embedding.text import SentenceModel
from shared.records import Vector
from shared.text.preparation import Preparation
from tests.support.fakes import FakeModel

Pooling = Literal["mean", "cls"]
SMALL_DIM, SMALL_WINDOW = 32, 24
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?!'éüßñ"
WORDS = (
    "where",
    "is",
    "my",
    "order",
    "parcel",
    "the",
    "not",
    "arrived",
    "refund",
    "please",
    "bonjour",
    "je",
    "ne",
    "money",
)


def small_card(folder: Path, pooling: Pooling) -> TextCard:
    """Create a BERT of two layers with weights drawn from a fixed seed, and return its card."""
    folder.mkdir(parents=True)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{each}" for each in LETTERS), *WORDS]
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
    """A model under test, its card if it has one, and independent facts about it."""

    name: str
    model: TextModel
    card: TextCard | None = None

    def vector(self, text: str) -> Vector:
        """Return the vector of one text embedded alone."""
        return np.asarray(self.model.embed([text]).vectors[0], np.float32)

    @cached_property
    def reference(self) -> "Reference":
        """The same weights without Millrace's code."""
        assert self.card is not None
        return Reference(self.card)


class Reference:
    """A card's transformer run one window at a time, pooled and averaged by formulas written out here."""

    def __init__(self, card: TextCard) -> None:
        self._card = card
        self._tokenizer: Any = AutoTokenizer.from_pretrained(card.folder, local_files_only=True)
        self._transformer: Any = AutoModel.from_pretrained(card.folder, local_files_only=True).eval()

    def tokens(self, text: str) -> list[int]:
        """Return a text's tokens without special ones."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
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


def subject(name: str, folder: Path, micro_batch_tokens: int = 1_024) -> Subject:
    """Load a model to test by name."""
    if name == "fake":
        return Subject(name, FakeModel())
    pooling: Pooling = "cls" if name == "small-cls" else "mean"
    card = load_text_card("minilm-l6-v2") if name == "minilm" else small_card(folder, pooling)
    return Subject(name, SentenceModel(card, "cpu", micro_batch_tokens), card)
