"""The packaged samples: rows of files, and recordings and pictures as events carry them."""

import json
from base64 import b64encode
from importlib.resources import files
from typing import Any


def rows_of(name: str) -> list[dict[str, Any]]:
    """Return the rows of a file of JSON lines, by its name."""
    text = files("millrace.demo").joinpath("samples", name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def inline(file: str) -> dict[str, str]:
    """Return a file as the inline medium of an event; its path has slashes."""
    content = files("millrace.demo").joinpath("samples", *file.split("/")).read_bytes()
    return {"inline": b64encode(content).decode()}
