"""Compares the schemas of this code with those of the last release.

`make freeze VERSION=0.2.0` keeps the current schemas as those of that release. The folders in
`tests/repo/released` are never edited afterwards. The schemas are those of readers: a field with a default may be absent.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, Union

from pydantic import TypeAdapter

from millrace.streams import STREAMS
from schemas.outcomes import LedgerEntry
from schemas.topics import input_topic, ledger_topic
from shared.decoding import accepted_versions
from tests.repo.generated import WATCHING
from tests.support.sources import ROOT

Schema = dict[str, Any]

RELEASED = ROOT / "tests" / "repo" / "released"
LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
SAME = ("pattern", "format")


def current() -> dict[str, Schema]:
    """Return the schemas that this code reads by, by the names of `schemas/json`."""
    models: dict[str, Any] = dict(WATCHING)
    for stream in STREAMS.values():
        second = () if stream.second_kind is None else (stream.second_kind.payload,)
        models[stream.result_topic] = stream.result
        models[ledger_topic(stream.name)] = LedgerEntry
        models[f"{stream.name}.point"] = Union[(stream.payload, *second, stream.tombstone)]
    schemas = {name: TypeAdapter(model).json_schema() for name, model in models.items()}
    return schemas | {input_topic(stream.name): stream.events.json_schema() for stream in STREAMS.values()}


def last_release() -> Path:
    """Return the folder of the newest release."""
    return max(RELEASED.iterdir(), key=lambda folder: tuple(int(part) for part in folder.name.split(".")))


def released(folder: Path) -> dict[str, Schema]:
    """Return the schemas of a release by their names."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}


def problems(name: str, old: Schema, new: Schema) -> list[str]:
    """Return why `new` may not follow `old`, each with what to do.

    Points have no version: workers look up single fields of them, so a point may gain fields.
    """
    lost = [
        f"{name}: {refusal}: what that release wrote is still on topics and in stores; keep the old form readable, "
        "and give a new field a default"
        for refusal in refusals(old, new)
    ]
    if name.endswith(".point") or newest_version(new) > newest_version(old):
        return lost
    return lost + [
        f"{name}: the last release refuses what is new ({refusal}): raise `schema_version`, so that it pauses "
        "instead of dead-lettering"
        for refusal in refusals(new, old)
    ]


def newest_version(schema: Schema) -> int:
    """Return the highest `schema_version` that a schema accepts; 0 if it has none."""
    return max(accepted_versions(schema), default=0)


def refusals(writer: Schema, reader: Schema) -> list[str]:
    """Return why a reader's schema may refuse values that the writer's schema accepts; empty if it reads them all."""
    return _Comparison(writer, reader).refusals(writer, reader, "value", 0)


class _Comparison:
    """One comparison of two documents, whose references are resolved within each."""

    DEPTH = 30

    def __init__(self, writer: Schema, reader: Schema) -> None:
        self._writer, self._reader = writer.get("$defs", {}), reader.get("$defs", {})

    def refusals(self, writer: Schema, reader: Schema, at: str, depth: int) -> list[str]:
        """Return why `reader` may refuse what `writer` accepts, at one place."""
        writer, reader = _resolved(writer, self._writer), _resolved(reader, self._reader)
        if depth > self.DEPTH:
            return []
        written, read = _branches(writer), _branches(reader)
        if len(written) > 1 or len(read) > 1:
            return [each for branch in written for each in self._nearest(branch, read, at, depth)]
        writer, reader = _resolved(written[0], self._writer), _resolved(read[0], self._reader)
        return _plain(writer, reader, at) + self._inside(writer, reader, at, depth)

    def _nearest(self, writer: Schema, readers: list[Schema], at: str, depth: int) -> list[str]:
        """Return the refusals of the branch of the same name, or else of the branch with the fewest."""
        title = _resolved(writer, self._writer).get("title")
        named = [each for each in readers if title and _resolved(each, self._reader).get("title") == title]
        place = f"{at}.{title}" if title else at
        return min((self.refusals(writer, each, place, depth + 1) for each in named or readers), key=len)

    def _inside(self, writer: Schema, reader: Schema, at: str, depth: int) -> list[str]:
        written, read = writer.get("properties", {}), reader.get("properties", {})
        found: list[str] = []
        if reader.get("additionalProperties") is False:
            found += [f"{at}.{name} is an unknown field" for name in written if name not in read]
        missing = set(reader.get("required", ())) - set(writer.get("required", ()))
        found += [f"{at}.{name} is required, but may be absent" for name in sorted(missing)]
        for name in written.keys() & read.keys():
            found += self.refusals(written[name], read[name], f"{at}.{name}", depth + 1)
        for key in ("items", "additionalProperties"):
            if isinstance(writer.get(key), dict) and isinstance(reader.get(key), dict):
                found += self.refusals(writer[key], reader[key], f"{at}[]", depth + 1)
        return found


def _plain(writer: Schema, reader: Schema, at: str) -> list[str]:
    found: list[str] = []
    kind, expected = writer.get("type"), reader.get("type")
    if expected is not None and kind != expected and (kind, expected) != ("integer", "number"):
        found.append(f"{at} may be of type {kind}, but {expected} is expected")
    values, accepted = _values(writer), _values(reader)
    if accepted is not None and (values is None or not set(values) <= set(accepted)):
        found.append(f"{at} may be {values or 'any value'}, but only {accepted} is accepted")
    for key in LOWER_BOUNDS:
        if key in reader and reader[key] > writer.get(key, float("-inf")):
            found.append(f"{at} has the higher {key} {reader[key]}")
    for key in UPPER_BOUNDS:
        if key in reader and reader[key] < writer.get(key, float("inf")):
            found.append(f"{at} has the lower {key} {reader[key]}")
    found += [f"{at} has another {key}" for key in SAME if key in reader and reader[key] != writer.get(key)]
    return found


def _values(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _branches(schema: Schema) -> list[Schema]:
    return schema.get("oneOf") or schema.get("anyOf") or [schema]


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    reference = schema.get("$ref")
    return schema if reference is None else definitions[reference.rsplit("/", 1)[-1]]


if __name__ == "__main__":
    if len(sys.argv) != 2 or not re.fullmatch(r"\d+(\.\d+)*", sys.argv[1]):
        sys.exit("name the release by its number, such as: make freeze VERSION=0.2.0")
    target = RELEASED / sys.argv[1]
    if target.exists():
        sys.exit(f"the schemas of {sys.argv[1]} are kept already; those of a release are never changed")
    target.mkdir(parents=True)
    for schema_name, schema in current().items():
        text = json.dumps(schema, indent=1, sort_keys=True) + "\n"
        (target / f"{schema_name}.json").write_text(text, encoding="utf-8")
