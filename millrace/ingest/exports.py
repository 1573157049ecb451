"""Exports of other systems that Millrace recognises by their headers: `exports.toml`."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from millrace.ingest.fields import normal

OTHERS = "*"
"""In the values of a field: any value that is not listed."""


class Export(BaseModel):
    """The description of an export, with normalised names; the comment at the top of `exports.toml` explains it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    signatures: tuple[frozenset[str], ...]
    columns: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    times: tuple[str, ...] = ()
    repeats: bool = False


@cache
def known_exports() -> tuple[Export, ...]:
    """Return the known exports, in the order in which they are tried."""
    text = files("millrace.ingest").joinpath("exports.toml").read_text(encoding="utf-8")
    return tuple(Export.model_validate(_normal(each)) for each in tomllib.loads(text).values())


def recognise_export(columns: Sequence[str]) -> Export | None:
    """Return the known export that has this header, or None."""
    present = {normal(column) for column in columns}
    return next((each for each in known_exports() if any(marks <= present for marks in each.signatures)), None)


def _normal(table: Mapping[str, Any]) -> dict[str, Any]:
    names = {"signatures": [{normal(column) for column in marks} for marks in table["signatures"]]}
    return {**table, **names, "columns": {normal(column): field for column, field in table["columns"].items()}}
