"""The environment variables of the settings: which exist, and which are set although no setting reads them.

A variable that no setting reads is a mistake. If its name was valid once, a worker could silently run without its head.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import BaseModel

from shared.settings import PREFIX, Settings, variable
from shared.stream_settings import StreamSettings

OF_THE_TESTS = ("MILLRACE_DATA", "MILLRACE_FORBID_SKIPS", "MILLRACE_TEST_")
"""Prefixes of the variables that only the tests and benchmarks of the checkout read."""

MOVED = {
    ("broker", "group"): ("consumer", "group"),
    ("batch",): ("batch",),
    ("embedding",): ("embedding",),
    ("decision",): ("decision",),
    ("similar",): ("search",),
}
"""Former settings of the process, each with the part of a stream's settings that replaced it."""


@dataclass(frozen=True, slots=True)
class UnknownVariable:
    """A variable that is set but that no setting reads.

    Attributes:
        name: The name as it is set.
        instead: The variables that replaced it, or that may be meant; empty if not known.
        is_replaced: Whether `instead` holds the variables that replaced it.
    """

    name: str
    instead: tuple[str, ...]
    is_replaced: bool

    def __str__(self) -> str:
        """Return a description of the problem."""
        if self.is_replaced:
            return f"{self.name} was renamed; set {' or '.join(self.instead)} instead"
        return f"{self.name} is set, but no setting has this name"


def branches(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the branches of a tree of settings, by name."""
    named = {name: field.annotation for name, field in model.model_fields.items()}
    return {name: part for name, part in named.items() if isinstance(part, type) and issubclass(part, BaseModel)}


def places(streams: Sequence[str]) -> dict[tuple[str, ...], type[BaseModel]]:
    """Return each part of the settings by its place: the parts of the process, then those of each stream."""
    shared: dict[tuple[str, ...], type[BaseModel]] = {(name,): part for name, part in branches(Settings).items()}
    return shared | {(stream, name): part for stream in streams for name, part in branches(StreamSettings).items()}


def known_variables(streams: Sequence[str]) -> set[str]:
    """Return every variable that is read: those of the fields, and those of whole parts, which accept a JSON object."""
    parts = places(streams)
    fields = {variable(*place, name) for place, part in parts.items() for name in part.model_fields}
    return fields | {variable(*place) for place in parts} | {variable(stream) for stream in streams}


def replacements(name: str, streams: Sequence[str]) -> tuple[str, ...]:
    """Return the variables that replaced a variable that is not read any more; empty if no setting ever read it."""
    for old, new in MOVED.items():
        before = variable(*old)
        if name == before or name.startswith(f"{before}__"):
            return tuple(variable(stream, *new) + name.removeprefix(before) for stream in streams)
    return ()


def unknown_variables(environ: Iterable[str], streams: Sequence[str]) -> list[UnknownVariable]:
    """Return the variables that look like settings but that no setting reads.

    An unknown field of an existing part counts as read, because reading the settings refuses it.

    Args:
        environ: The names of all environment variables.
        streams: The names of all streams.
    """
    known = known_variables(streams)
    parts = {variable(*place) for place in places(streams)}
    found = []
    for name in sorted(environ):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or upper.startswith(OF_THE_TESTS):
            continue
        instead = replacements(upper, streams)
        if not instead and upper.rpartition("__")[0] in parts:
            continue
        near = get_close_matches(upper.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], n=1)
        meant = instead or tuple(f"{PREFIX}{each}" for each in near)
        found.append(UnknownVariable(name, meant, is_replaced=bool(instead)))
    return found
