"""Documents against the JSON schemas of their specifications, which are kept here: each function returns the faults."""

import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema

HERE = Path(__file__).resolve().parent
ASYNCAPI, COMPOSE = "asyncapi-3.0.0.json", "compose-spec.json"


def schema_faults(name: str, document: Any) -> list[str]:
    """Check a document with a schema of this folder."""
    return [f"{error.json_path}: {error.message[:200]}" for error in _validator(name).iter_errors(document)]


def reference_faults(document: Any, folder: Path) -> Iterator[str]:
    """Check that each reference of a document, which lies in `folder`, leads somewhere; the schema does not follow them."""
    for reference in _references(document):
        file, _, pointer = reference.partition("#")
        if file and not (folder / file).is_file():
            yield f"{reference}: there is no such file"
            continue
        found = json.loads((folder / file).read_text(encoding="utf-8")) if file else document
        for name in pointer.split("/")[1:]:
            found = found.get(name) if isinstance(found, dict) else None
        if found is None:
            yield f"{reference}: it leads nowhere"


def digests() -> dict[str, str]:
    """Return the SHA-256 of each schema's content as the page of this folder states it, by the name of its file."""
    page = (HERE / "README.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `(.+)\.gz` .* `([0-9a-f]{64})` \|$", page, re.MULTILINE))


def content(name: str) -> bytes:
    """Return the content of a schema's file."""
    return gzip.decompress((HERE / f"{name}.gz").read_bytes())


def digest(name: str) -> str:
    """Return the SHA-256 of a schema's content."""
    return sha256(content(name)).hexdigest()


@cache
def _validator(name: str) -> Any:
    schema = json.loads(content(name))
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _references(each)
