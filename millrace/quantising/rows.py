"""The file of rows beside a built model: all rows of the file with the original, and the new one."""

import json
from collections.abc import Mapping
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from shared.embedding.registry import TextCard
from shared.errors import Fatal

FIELDS = (
    "modality",
    "source",
    "dim",
    "window_tokens",
    "pooling",
    "preparation",
    "prompt",
    "dtype",
    "backend",
    "bfloat16",
    "licence",
)
"""In the order of the packaged file; `files` is a table of its own."""


def models_file_text(given: Path | None, card: TextCard) -> str:
    """Return the text of a models.toml with a row more.

    Args:
        given: The file whose rows are kept; None for the packaged one.
        card: The row to add.

    Raises:
        Fatal: the file cannot be read.
    """
    source = given or package_files("shared.config").joinpath("models.toml")
    try:
        kept = source.read_text(encoding="utf-8")
    except OSError as error:
        raise Fatal(f"{source} cannot be read: {error}") from error
    return f"{kept.rstrip()}\n\n{row_text(card)}"


def row_text(card: TextCard) -> str:
    """Return a card as the tables of a models.toml."""
    stated = card.model_dump(exclude_none=True)
    lines = [f"{name} = {_value(stated[name])}" for name in FIELDS if name in stated]
    files = [f"{json.dumps(name)} = {json.dumps(digest)}" for name, digest in card.files.items()]
    name = json.dumps(card.key)
    return "\n".join([f"[{name}]", *lines, "", f"[{name}.files]", *files, ""])


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{name} = {_value(each)}' for name, each in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)  # whole numbers, truth and texts are written alike in TOML
