"""A small CLIP with both towers and a tokenizer, with random weights from a fixed seed, and its row.

Its vectors mean nothing. Its tokenizer splits texts into single bytes, as one without merges does.
"""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPConfig, CLIPModel

from tests.support.small_pictures import FAMILIES, TOKENS, WIDTH, Family

FAMILY: Family = next(each for each in FAMILIES if each.name == "CLIP")
START, END = "<|startoftext|>", "<|endoftext|>"
LONGEST_TOKENS = 77
LOG_SCALE = 1.5
"""The logarithm of the scale; a real one would make the probabilities of random vectors 0 or 1."""


def vocabulary() -> dict[str, int]:
    """Return the tokens: each byte, each byte at the end of a word, start and end."""
    bytes_ = sorted(ByteLevel.alphabet())
    return {token: number for number, token in enumerate([*bytes_, *(f"{each}</w>" for each in bytes_), START, END])}


def save_tokenizer(folder: Path) -> None:
    """Write the two files of a tokenizer of CLIP."""
    (folder / "vocab.json").write_text(json.dumps(vocabulary()), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")


def save_clip(folder: Path, has_tokenizer: bool = True) -> Any:
    """Write the files of a small CLIP into a folder, and return the library's own model."""
    tokens = vocabulary()
    vision = dict(FAMILY.options) | {"projection_dim": 16}
    names = ("num_hidden_layers", "num_attention_heads", "intermediate_size", "initializer_range")
    text: dict[str, Any] = {name: TOKENS[name] for name in names}
    text |= {"hidden_size": WIDTH, "vocab_size": len(tokens), "max_position_embeddings": LONGEST_TOKENS}
    text |= {"projection_dim": 16, "bos_token_id": tokens[START], "eos_token_id": tokens[END]}
    text |= {"pad_token_id": tokens[END]}
    torch.manual_seed(8)
    make: Any = CLIPModel  # the library has no types for it
    whole = make(
        CLIPConfig(vision_config=vision, text_config=text, projection_dim=16, logit_scale_init_value=LOG_SCALE)
    ).eval()
    whole.save_pretrained(folder)
    if has_tokenizer:
        save_tokenizer(folder)
    return whole
