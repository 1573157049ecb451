"""The format of a routing.toml, and errors that name the line of what is not valid."""

import re
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, get_args

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from schemas.base import Frozen, TenantId
from schemas.decisions import Label, Priority
from shared.errors import Fatal
from shared.routing import toml_lines
from shared.routing.toml_lines import Lines, dotted

Threshold = Annotated[float, Field(ge=0, le=1)]
SYNTAX = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column \d+\)", re.DOTALL)
SHOWN_CHARS = 40


class LabelRow(Frozen):
    """The row of one label, or the default row. Fields that are left out are inherited."""

    queue: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    priority: Priority | None = None
    auto_at: Threshold | None = None
    review_at: Threshold | None = None
    never_auto: bool | None = None


class Section(Frozen):
    """The rows for one tenant, or for all tenants."""

    default: LabelRow = LabelRow()
    labels: dict[Label, LabelRow] = Field(default_factory=dict)


class PolicyContent(Section):
    """A whole routing.toml."""

    tenants: dict[TenantId, Section] = Field(default_factory=dict)

    def chain(self, tenant_id: str | None, label: str | None) -> list[tuple[toml_lines.Path, LabelRow]]:
        """Return the rows that apply to a label, with their paths; for each field, the first row that sets it wins.

        The tenant's rows come before the rows for all tenants, and in each section the label's row before the default.
        """
        sections: list[tuple[toml_lines.Path, Section]] = [((), self)]
        if tenant_id is not None and tenant_id in self.tenants:
            sections.insert(0, (("tenants", tenant_id), self.tenants[tenant_id]))
        found: list[tuple[toml_lines.Path, LabelRow]] = []
        for place, section in sections:
            if label is not None and label in section.labels:
                found.append(((*place, "labels", label), section.labels[label]))
            found.append(((*place, "default"), section.default))
        return found


EXPECTED = {
    "queue": "a text of 1 to 128 characters",
    "priority": f"one of {', '.join(get_args(Priority))}",
    "auto_at": "a number from 0 to 1",
    "review_at": "a number from 0 to 1",
    "never_auto": "true or false",
}


def read_policy_file(source: Path | Traversable) -> tuple[PolicyContent, str]:
    """Read a routing.toml; return its content and the SHA-256 of its bytes, in hex.

    Raises:
        Fatal: the file cannot be read or is not valid; the error names the line, the table and the key.
    """
    try:
        raw = source.read_bytes()
    except OSError as error:
        raise Fatal(f"{source} cannot be read: {error.strerror}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + raw[: error.start].count(b"\n")
        raise Fatal(f"{source}, line {line}: the text is not valid UTF-8; save the file as UTF-8") from error
    try:
        parsed = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Fatal(_syntax(str(source), error)) from error
    lines = Lines(text)
    try:
        content = PolicyContent.model_validate(parsed)
    except ValidationError as error:
        faults = [_fault(detail) for detail in error.errors()]
    else:
        faults = list(_thresholds(content, lines))
    if faults:
        raise Fatal(_reported(str(source), faults, lines))
    return content, sha256(raw).hexdigest()


Fault = tuple[toml_lines.Path, str]
"""The path of a table or key that is not valid, and the message."""


def _syntax(source: str, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"{source}: the tables are nested too deeply"
    located = SYNTAX.fullmatch(str(error))
    return f"{source}: {error}" if located is None else f"{source}, line {located['line']}: {located['what']}"


def _reported(source: str, faults: list[Fault], lines: Lines) -> str:
    """Return the error message for the first fault in the file."""
    numbered = [(lines.of(path), message) for path, message in faults]
    line, message = min(numbered, key=lambda each: (each[0] is None, each[0] or 0))
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{source}{'' if line is None else f', line {line}'}: {message}{more}"


def _fault(detail: ErrorDetails) -> Fault:
    """Translate one of pydantic's errors into the terms of the file."""
    path, kind, value = tuple(str(part) for part in detail["loc"]), detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return path, _unknown(path, value)
    if kind in ("model_type", "dict_type"):
        return path, f"[{dotted(path)}] = {_shown(value)}: expected a table"
    if path[-1] == "[key]" and path[:-1] and kind.startswith("string_"):
        place = path[:-1]
        what = "label has 1 to 128 characters" if place[-2] == "labels" else f"tenant id {_pattern()}"
        return place, f"[{dotted(place)}]: the name is not valid: a {what}"
    return path, f"[{dotted(path[:-1])}] {path[-1]} = {_shown(value)}: expected {EXPECTED[path[-1]]}"


def _unknown(path: toml_lines.Path, value: object) -> str:
    """Return the fault for a key that does not exist, with the keys that do."""
    table, key = path[:-1], path[-1]
    model = PolicyContent if not table else Section if table[0] == "tenants" and len(table) == 2 else LabelRow
    near = get_close_matches(key, model.model_fields, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(model.model_fields)}"
    if isinstance(value, dict) and table[-2:-1] == ("labels",) and not near:
        hint += f'; a name with a dot needs quotes: "{table[-1]}.{key}"'
    return f"{f'[{dotted(table)}]' if table else 'at the top level'}: unknown key {dotted((key,))}; {hint}"


def _thresholds(content: PolicyContent, lines: Lines) -> Iterator[Fault]:
    """Find missing thresholds, and thresholds that contradict each other after inheritance."""
    for name in ("auto_at", "review_at"):
        if getattr(content.default, name) is None:
            yield ("default",), f"[default]: {name} is missing; every label that does not set it inherits it from here"
            return
    reported: set[tuple[toml_lines.Path, toml_lines.Path]] = set()
    for tenant_id, label in _resolved(content):
        chain = content.chain(tenant_id, label)
        auto_place, auto_at = next((place, row.auto_at) for place, row in chain if row.auto_at is not None)
        review_place, review_at = next((place, row.review_at) for place, row in chain if row.review_at is not None)
        if review_at <= auto_at or (auto_place, review_place) in reported:
            continue
        reported.add((auto_place, review_place))
        low, high = (*auto_place, "auto_at"), (*review_place, "review_at")
        message = (
            f"review_at is {review_at} ({_place(high, lines)}), which is above auto_at, {auto_at} "
            f"({_place(low, lines)}): lower review_at or raise auto_at"
        )
        yield low if len(auto_place) > len(review_place) else high, message  # the more specific row has the longer path


def _resolved(content: PolicyContent) -> Iterator[tuple[str | None, str | None]]:
    """Yield each pair of tenant and label whose thresholds may come from other rows than those of earlier pairs."""
    yield from ((None, label) for label in (None, *content.labels))
    for tenant_id, section in content.tenants.items():
        has_own = section.default.auto_at is not None or section.default.review_at is not None
        yield from ((tenant_id, label) for label in (None, *section.labels, *(content.labels if has_own else ())))


def _place(path: toml_lines.Path, lines: Lines) -> str:
    return f"[{dotted(path[:-1])}], line {lines.of(path)}"


def _shown(value: object) -> str:
    shown = "true" if value is True else "false" if value is False else repr(value)
    return shown if len(shown) <= SHOWN_CHARS else f"{shown[:SHOWN_CHARS]}..."


def _pattern() -> str:
    return "has at most 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit"
