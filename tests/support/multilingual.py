"""Small models with the architectures of the multilingual rows of docs/multilingual.toml, and weights from a fixed seed.

They have the vocabulary of XLM-RoBERTa's kind (pieces of words with a marked beginning, found by their scores); their
vectors mean nothing.
"""

import tomllib
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer

from shared.embedding.files import files_of
from shared.embedding.registry import TextCard
from tests.support.sources import ROOT
from tests.support.words import CHARACTERS, WORDS

ROWS_FILE = ROOT / "docs" / "multilingual.toml"
ROWS = ("paraphrase-multilingual-minilm-l12-v2", "multilingual-e5-base", "bge-m3")

BERT_WITH_XLMR_WORDS = ("paraphrase-multilingual-minilm-l12-v2",)
"""The other rows are XLM-RoBERTa models."""

UNNORMALISED = ("paraphrase-multilingual-minilm-l12-v2",)
"""The models whose last module is the pooling, so that their vectors do not have unit length."""

DIM, WINDOW = 32, 24
MARK = "▁"


def row(key: str) -> dict[str, Any]:
    """Return a row of the documentation's file."""
    found: dict[str, Any] = tomllib.loads(ROWS_FILE.read_text(encoding="utf-8"))[key]
    return found


def multilingual_card(key: str, folder: Path) -> TextCard:
    """Create a small model like that of a row, and return the row with the small model's files and sizes."""
    saved = folder / "saved"
    save_model(key, folder)
    sizes = {"source": f"path:{saved}", "dim": DIM, "window_tokens": WINDOW}
    return TextCard.model_validate(row(key) | sizes | {"key": key, "files": files_of(saved)})


def save_model(key: str, folder: Path) -> None:
    """Write the transformer to the folder `made`, and the whole model to the folder `saved`."""
    folder.mkdir(parents=True)
    pieces = [*CHARACTERS, *(MARK + each for each in CHARACTERS), *(MARK + word for word in WORDS), MARK]
    scored = [(piece, -8.0 + len(piece)) for piece in pieces]
    vocabulary = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")] + scored + [("<mask>", 0.0)]
    sizes: dict[str, Any] = {"hidden_size": DIM, "intermediate_size": 64, "max_position_embeddings": 64}
    sizes |= {"num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": len(vocabulary)}
    sizes |= {"initializer_range": 0.5}  # with small weights, all texts would have nearly the same vector
    torch.manual_seed(20)
    is_bert = key in BERT_WITH_XLMR_WORDS
    config: Any = BertConfig(**sizes) if is_bert else XLMRobertaConfig(pad_token_id=1, **sizes)
    make: Any = BertModel if is_bert else XLMRobertaModel  # the library has no types for them
    make(config).save_pretrained(folder / "made")
    XLMRobertaTokenizer(vocab=vocabulary).save_pretrained(folder / "made")
    transformer = modules.Transformer(str(folder / "made"), max_seq_length=WINDOW)
    parts: list[Any] = [transformer, modules.Pooling(DIM, pooling_mode=row(key)["pooling"])]
    if key not in UNNORMALISED:
        parts.append(modules.Normalize())
    SentenceTransformer(modules=parts, device="cpu").save(str(folder / "saved"))
