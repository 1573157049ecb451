"""The tokens of texts by the model's own tokenizer, without torch: by the library that `transformers` uses inside."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from shared.embedding.windows import PROBE_TEXT, Special

PADDING_NAMES = ("[PAD]", "<pad>", "<|padding|>")


class Tokens:
    """A loaded tokenizer.

    Args:
        file: The model's tokenizer.json.

    Attributes:
        special: The tokens that every window gets.
        padding: The token that fills rows up.
    """

    def __init__(self, file: Path) -> None:
        self._tokenizer: Any = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.special = self._found_special()
        self.padding = self._found_padding(file)

    def of(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, without special tokens."""
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [each.ids for each in encoded]

    def _found_special(self) -> Special:
        """Return the tokens that the tokenizer adds before and after a text, found by tokenising an example."""
        bare = self._tokenizer.encode(PROBE_TEXT, add_special_tokens=False).ids
        whole = self._tokenizer.encode(PROBE_TEXT).ids
        start = next(place for place in range(len(whole)) if whole[place : place + len(bare)] == bare)
        return Special(whole[:start], whole[start + len(bare) :])

    def _found_padding(self, file: Path) -> int:
        """Return the token for padding: any would do, because no attention is on it."""
        stated = file.parent / "tokenizer_config.json"
        name = json.loads(stated.read_text(encoding="utf-8")).get("pad_token") if stated.is_file() else None
        names = [name["content"] if isinstance(name, dict) else name, *PADDING_NAMES]
        return next((found for each in names if each and (found := self._tokenizer.token_to_id(each)) is not None), 0)
