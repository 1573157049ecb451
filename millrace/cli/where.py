"""The option `--where`, which several commands share: conditions on the fields and attributes of items."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from millrace.filters import fields_of
from millrace.streams import STREAMS
from shared.search.conditions import StreamConditions, read_for_streams
from shared.settings import variable
from shared.stream_settings import StreamSettings
from shared.vectorstore.conditions import Condition

Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="Only items that meet a condition, such as plan=enterprise, 'price < 50' or 'occurred_at >= 2026-05-01'; may "
        "be repeated, and all must hold. It names a field of the stream, or an attribute of the setting "
        "search.indexed_attributes; an unknown name lists them. See docs/filters.md.",
    ),
]


def read_where(where: Sequence[str] | None, settings: Mapping[str, StreamSettings]) -> StreamConditions:
    """Return the conditions for the streams that are searched, or why a stream is left out.

    Args:
        where: The conditions as they were given.
        settings: The settings of each stream that is searched, by its name.

    Raises:
        typer.BadParameter: no stream can meet all conditions; the error names the field and the reason.
    """
    try:
        return read_for_streams(where or (), {name: fields_of(STREAMS[name], own) for name, own in settings.items()})
    except ValueError as error:
        names = ", ".join(variable(name, "search", "indexed_attributes") for name in settings)
        raise typer.BadParameter(f"{error}. Attributes are set by {names}", param_hint="--where") from error


def read_where_of(where: Sequence[str] | None, stream: str, own: StreamSettings) -> tuple[Condition, ...]:
    """Return the conditions for a single stream.

    Raises:
        typer.BadParameter: as `read_where`.
    """
    return read_where(where, {stream: own}).by_stream[stream]
