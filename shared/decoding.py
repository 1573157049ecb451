"""Decoding of bytes to a validated event, or to a clear reason for rejection; no input causes an unhandled error."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from schemas.failures import FailureReason
from schemas.topics import MESSAGE_LIMIT_BYTES
from shared.errors import NewerSchema, Rejected

T = TypeVar("T")

VERSION_FIELD = "schema_version"

REASONS = {
    "extra_forbidden": FailureReason.UNKNOWN_FIELD,
    "missing": FailureReason.MISSING_FIELD,
    "union_tag_not_found": FailureReason.MISSING_FIELD,
    "finite_number": FailureReason.NOT_FINITE,
    "too_long": FailureReason.TOO_LARGE,
    "string_too_long": FailureReason.TOO_LARGE,
}
"""Pydantic's error types with a specific reason; of the others, `*_type` means wrong type and the rest invalid
value."""


def decode_event(value: bytes | None, schema: TypeAdapter[T]) -> T:
    """Decode and validate one record's value.

    Raises:
        Rejected: the value does not follow the schema; the error names the field and the reason.
        NewerSchema: the value declares a `schema_version` that is newer than each one of the schema, so it may be valid.
    """
    if value is None:
        raise Rejected(FailureReason.EMPTY_VALUE, "value", "the record has no value")
    if len(value) > MESSAGE_LIMIT_BYTES:
        raise Rejected(
            FailureReason.TOO_LARGE, "value", f"{len(value)} bytes; the limit is {MESSAGE_LIMIT_BYTES} bytes"
        )
    parsed = _parse(value)
    version, newest = parsed.get(VERSION_FIELD), newest_version(schema)
    if type(version) is int and version > newest:
        raise NewerSchema(version, newest)
    try:
        return schema.validate_json(value)
    except ValidationError as error:
        raise _rejection(error.errors(include_url=False, include_input=False), parsed) from None


def _parse(value: bytes) -> dict[str, Any]:
    """Parse a value as strict JSON."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(FailureReason.INVALID_UTF8, "value", f"byte {error.start} is not valid UTF-8") from None
    return parse_object(text)


@cache
def newest_version(schema: TypeAdapter[Any]) -> int:
    """Return the newest `schema_version` that a schema of events accepts."""
    return max(accepted_versions(schema.json_schema()), default=0)


def accepted_versions(node: Any) -> Iterator[int]:
    """Yield each `schema_version` that a JSON Schema accepts, at any depth."""
    if isinstance(node, dict):
        accepted = node.get("properties", {}).get(VERSION_FIELD, {})
        yield from [accepted["const"]] if "const" in accepted else accepted.get("enum", ())
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from accepted_versions(child)


def parse_object(text: str) -> dict[str, Any]:
    """Parse a JSON object strictly: duplicate keys, NaN and extreme nesting, which lenient parsers accept, are refused.

    Raises:
        Rejected: the text is not such an object.
    """
    try:
        parsed = STRICT_DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Rejected(FailureReason.INVALID_JSON, "value", f"{error.msg} (character {error.pos})") from None
    except RecursionError:
        raise Rejected(FailureReason.TOO_DEEP, "value", "the JSON is nested too deeply") from None
    except ValueError:  # an integer with more digits than the interpreter's limit
        raise Rejected(FailureReason.INVALID_VALUE, "value", "a number has too many digits") from None
    if not isinstance(parsed, dict):
        raise Rejected(FailureReason.NOT_AN_OBJECT, "value", f"expected an object, found {type(parsed).__name__}")
    return parsed


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        repeated = next(name for name, count in counts.items() if count > 1)
        raise Rejected(
            FailureReason.DUPLICATE_KEY, printable(repeated) or "value", "the key occurs more than once in one object"
        )
    return found


def _constant(name: str) -> NoReturn:
    raise Rejected(FailureReason.NOT_FINITE, "value", f"{name} is not allowed in JSON")


def _rejection(errors: list[ErrorDetails], parsed: dict[str, Any]) -> Rejected:
    """Return pydantic's first error as a `Rejected`; among union branches, prefer one that is not about the type."""
    field = _field(errors[0], parsed)
    siblings = [error for error in errors if _field(error, parsed) == field]
    error = next((e for e in siblings if not e["type"].endswith("_type")), errors[0])
    kind, message = error["type"], error["msg"]
    if kind == "json_invalid":  # the strict parse accepted it, so only depth, digits or a lone surrogate remain
        if "recursion" in message:
            return Rejected(FailureReason.TOO_DEEP, "value", "the JSON is nested too deeply")
        if "number" in message:
            return Rejected(FailureReason.INVALID_VALUE, "value", "a number has too many digits")
        return Rejected(
            FailureReason.LONE_SURROGATE, _surrogate_field(parsed), "half of a surrogate pair is not valid text"
        )
    if kind.startswith("union_tag"):
        expected = error.get("ctx", {}).get("expected_tags")
        message = f"expected one of {expected}" if expected else "the field is missing"
    fallback = FailureReason.WRONG_TYPE if kind.endswith("_type") else FailureReason.INVALID_VALUE
    return Rejected(REASONS.get(kind, fallback), field, printable(message, 200))


def _field(error: ErrorDetails, parsed: dict[str, Any]) -> str:
    """Return the dotted name of the field that an error is about.

    Pydantic's path also contains the names of union branches: a part that the parsed value does not have is left out,
    unless it is the missing field itself.
    """
    if error["type"].startswith("union_tag"):
        return str(error.get("ctx", {}).get("discriminator", "value")).strip("'")
    names: list[str] = []
    node: Any = parsed
    last = len(error["loc"]) - 1
    for place, part in enumerate(error["loc"]):
        if isinstance(node, dict) and (part in node or (place == last and error["type"] == "missing")):
            names.append(str(part))
            node = node.get(part)
    return printable(".".join(names)) or "value"


def _surrogate_field(parsed: dict[str, Any]) -> str:
    """Return the dotted name of the first field whose name or text contains a lone surrogate."""
    waiting: list[tuple[str, Any]] = list(parsed.items())[::-1]
    while waiting:
        name, node = waiting.pop()
        if isinstance(node, dict):
            waiting += [(f"{name}.{key}", child) for key, child in node.items()][::-1]
        elif isinstance(node, list):
            waiting += [(f"{name}.{place}", child) for place, child in enumerate(node)][::-1]
        elif any("\ud800" <= c <= "\udfff" for c in name + (node if isinstance(node, str) else "")):
            return printable(name)
    return "value"


STRICT_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def printable(text: str, limit_chars: int = 80) -> str:
    """Return text that is safe in a header or a log line: printable, without surrogates, cut to a length."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:limit_chars])
