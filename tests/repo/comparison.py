"""Compares two JSON Schemas: which values of a writer a reader may refuse.

What is not known to be accepted counts as refused: a keyword that is not compared by its meaning has to stay the same.
"""

from math import floor
from re import search
from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]

LOWER_BOUNDS = ("minLength", "minItems", "minProperties")
UPPER_BOUNDS = ("maxLength", "maxItems", "maxProperties")
OBJECTS = ("properties", "patternProperties", "additionalProperties", "propertyNames", "required")
ARRAYS = ("items", "prefixItems")
NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
WHOLE = ("type", "const", "enum", "anyOf", "oneOf", "allOf", "$ref")
COMPARED = frozenset((*LOWER_BOUNDS, *UPPER_BOUNDS, *OBJECTS, *ARRAYS, *NUMBERS, *WHOLE))
"""The keywords that are compared by their meaning; any other one has to stay the same."""

SAYS_NOTHING = frozenset(
    ("title", "description", "default", "examples", "deprecated", "discriminator", "$defs", "$schema")
)
"""The keywords that refuse no value."""


def refusals(writer: Schema, reader: Schema) -> list[str]:
    """Return why a reader's schema may refuse values that the writer's schema accepts; empty if it reads them all."""
    return _Comparison(writer, reader).refusals(writer, reader, "value", 0)


class _Comparison:
    """One comparison of two documents, whose references are resolved within each."""

    DEPTH = 30

    def __init__(self, writer: Schema, reader: Schema) -> None:
        self._writer, self._reader = writer.get("$defs", {}), reader.get("$defs", {})

    def refusals(self, writer: Schema | bool, reader: Schema | bool, at: str, depth: int) -> list[str]:
        """Return why `reader` may refuse what `writer` accepts, at one place."""
        if writer is False or reader is True:
            return []
        if reader is False:
            return [f"{at} is not accepted"]
        writer = _resolved({} if writer is True else writer, self._writer)
        reader = _resolved(reader, self._reader)
        if depth > self.DEPTH:
            return [f"{at} is nested too deeply to be compared"]
        values = values_of(writer)
        if values is not None and "format" not in reader:
            return self._refused_values(values, reader, at)
        written, read = _branches(writer), _branches(reader)
        if len(written) > 1 or len(read) > 1:
            return [each for branch in written for each in self._nearest(branch, read, at, depth)]
        found = [each for part in reader.get("allOf", ()) for each in self.refusals(writer, part, at, depth + 1)]
        writer, reader = _resolved(written[0], self._writer), _resolved(read[0], self._reader)
        found += _plain(writer, reader, at)
        if writer.get("type") in ("object", None):
            found += self._in_object(writer, reader, at, depth)
        if writer.get("type") in ("array", None):
            found += self._in_array(writer, reader, at, depth)
        return found

    def _refused_values(self, values: list[Any], reader: Schema, at: str) -> list[str]:
        validator = Draft202012Validator(reader | {"$defs": self._reader})
        refused = [value for value in values if not validator.is_valid(value)]
        accepted = values_of(reader)
        only = "what the reader describes" if accepted is None else accepted
        return [f"{at} may be {refused}, but only {only} is accepted"] if refused else []

    def _nearest(self, writer: Schema, readers: list[Schema], at: str, depth: int) -> list[str]:
        """Return the refusals of the branch with none, or else of the one of the same name or with the fewest."""
        title = _resolved(writer, self._writer).get("title")
        place = f"{at}.{title}" if title else at
        found = [(each, self.refusals(writer, each, place, depth + 1)) for each in readers]
        named = [lost for each, lost in found if title and _resolved(each, self._reader).get("title") == title]
        return [] if any(not lost for _, lost in found) else min(named or [lost for _, lost in found], key=len)

    def _in_object(self, writer: Schema, reader: Schema, at: str, depth: int) -> list[str]:
        written, read = writer.get("properties", {}), reader.get("properties", {})
        patterns, others = reader.get("patternProperties", {}), _others(reader)
        missing = set(reader.get("required", ())) - set(writer.get("required", ()))
        found = [f"{at}.{name} is required, but may be absent" for name in sorted(missing)]
        for name, schema in written.items():
            accepting = [read[name]] if name in read else [each for key, each in patterns.items() if search(key, name)]
            if not accepting and others is False:
                found.append(f"{at}.{name} is an unknown field")
            for each in accepting or ([] if others is False else [others]):
                found += self.refusals(schema, each, f"{at}.{name}", depth + 1)
        for key, schema in writer.get("patternProperties", {}).items():
            found += self.refusals(schema, patterns.get(key, others), f"{at}[{key}]", depth + 1)
        rest = _others(writer)
        for each in [others, *patterns.values(), *(schema for name, schema in read.items() if name not in written)]:
            found += self.refusals(rest, each, f"{at}[]", depth + 1)
        if "propertyNames" in reader:
            named = {"type": "string"} | writer.get("propertyNames", {})
            found += self.refusals(named, reader["propertyNames"], f"a name in {at}", depth + 1)
        return found

    def _in_array(self, writer: Schema, reader: Schema, at: str, depth: int) -> list[str]:
        written, read = writer.get("prefixItems", []), reader.get("prefixItems", [])
        longest = max(len(written), len(read))
        rest, others = writer.get("items", True), reader.get("items", True)
        most = writer.get("maxItems", longest + 1)
        found: list[str] = []
        for index in range(min(longest + 1, most)):
            one = written[index] if index < len(written) else rest
            other = read[index] if index < len(read) else others
            found += self.refusals(one, other, f"{at}[{index if index < longest else ''}]", depth + 1)
        return found


def _plain(writer: Schema, reader: Schema, at: str) -> list[str]:
    found: list[str] = []
    kind, expected = writer.get("type"), reader.get("type")
    if expected is not None and kind != expected and (kind, expected) != ("integer", "number"):
        found.append(f"{at} may be of type {kind}, but {expected} is expected")
    accepted = values_of(reader)
    if accepted is not None:
        found.append(f"{at} may be any value, but only {accepted} is accepted")
    for key in LOWER_BOUNDS:
        if key in reader and reader[key] > writer.get(key, 0):
            found.append(f"{at} has the higher {key} {reader[key]}")
    for key in UPPER_BOUNDS:
        if key in reader and reader[key] < writer.get(key, float("inf")):
            found.append(f"{at} has the lower {key} {reader[key]}")
    if _limit(reader, "inimum", 1, kind) > _limit(writer, "inimum", 1, kind):
        found.append(f"{at} has a higher minimum")
    if _limit(reader, "aximum", -1, kind) > _limit(writer, "aximum", -1, kind):
        found.append(f"{at} has a lower maximum")
    others = reader.keys() - COMPARED - SAYS_NOTHING
    return found + [f"{at} has another {key}" for key in sorted(others) if reader[key] != writer.get(key)]


def _others(schema: Schema) -> Any:
    """Return the schema of fields without a name; pydantic refuses names that match none of the patterns."""
    return schema.get("additionalProperties", "patternProperties" not in schema)


def _limit(schema: Schema, name: str, sign: int, kind: str | None) -> tuple[float, int]:
    """Return a bound, and 1 if the bound itself is excluded; a greater one accepts less."""
    limits = [(float("-inf"), 0)]
    if f"m{name}" in schema:
        limits.append((sign * schema[f"m{name}"], 0))
    if f"exclusiveM{name}" in schema:
        bound = sign * schema[f"exclusiveM{name}"]
        limits.append((floor(bound) + 1, 0) if kind == "integer" else (bound, 1))
    return max(limits)


def values_of(schema: Schema) -> list[Any] | None:
    """Return the values that a schema lists; None if it lists none."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _branches(schema: Schema) -> list[Schema]:
    """Return the schemas of which one has to accept a value, each with what stands beside all of them."""
    for key in ("oneOf", "anyOf"):
        if key in schema:
            beside = {name: each for name, each in schema.items() if name != key and name not in SAYS_NOTHING}
            return [beside | branch for branch in schema[key]]
    return [schema]


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    beside = {name: each for name, each in schema.items() if name != "$ref" and name not in SAYS_NOTHING}
    found: Schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    return found | beside
