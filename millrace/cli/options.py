"""Options that several commands share."""

import os
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from millrace.streams import STREAMS
from shared.broker.security import Brokers
from shared.engine.stream import Stream
from shared.logs import configure
from shared.settings import Settings, variable
from shared.stream_settings import StreamSettings, read_stream_settings
from shared.variables import replacements, unknown_variables

ReadT = TypeVar("ReadT")

Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--bootstrap",
        metavar="HOST:PORT,...",
        help="Addresses of one or more Kafka brokers, separated by commas. Default: MILLRACE_BROKER__BOOTSTRAP.",
        show_default=False,
    ),
]
StreamName = Annotated[str, typer.Option("--stream", help=f"The stream to use: {', '.join(STREAMS)}.")]
DEFAULT_STREAM = next(iter(STREAMS))
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output instead of text.")]


def coloured(text: str, colour: str) -> str:
    """Return a text in a colour, which `typer.echo` drops where there is no terminal; plain if `NO_COLOR` is set."""
    return text if os.environ.get("NO_COLOR") else typer.style(text, fg=colour)


def quiet() -> None:
    """Configure logs for a command that a person runs: only errors, as text."""
    configure("error", json_lines=False)


def load_settings(bootstrap: str | None = None) -> Settings:
    """Read the settings of the process; an address on the command line wins over the one in the environment.

    Raises:
        typer.BadParameter: a setting is wrong; the error names its variable.
    """
    settings = _read(Settings)
    if bootstrap is None:
        return settings
    return settings.model_copy(update={"broker": settings.broker.model_copy(update={"bootstrap": bootstrap})})


def load_stream_settings(stream: Stream[Any, Any]) -> StreamSettings:
    """Read the settings of a stream.

    Raises:
        typer.BadParameter: a setting is wrong; the error names its variable.
    """
    return _read(lambda: read_stream_settings(stream.name))


def refuse_unknown_variables() -> None:
    """Refuse variables that look like settings but that nothing reads: a worker must not ignore an intended setting.

    Raises:
        typer.BadParameter: such a variable is set; the error names its replacement, or a variable that may be meant.
    """
    for each in unknown_variables(os.environ, list(STREAMS)):
        meant = "" if each.is_replaced or not each.instead else f"; did you mean {each.instead[0]}?"
        raise typer.BadParameter(f"{each}{meant}; docs/settings.md lists all settings")


def _read(read: Callable[[], ReadT]) -> ReadT:
    try:
        return read()
    except ValidationError as error:
        first = error.errors()[0]
        name = variable(*first["loc"])
        instead = replacements(name, list(STREAMS))
        why = f"was renamed; set {' or '.join(instead)} instead" if instead else first["msg"]
        raise typer.BadParameter(f"setting {name}: {why}") from error
    except SettingsError as error:
        raise typer.BadParameter(
            f"settings: {error}; a "
            "variable for a "
            "whole part "
            "must hold a "
            "JSON object: "
            "set each "
            "field by "
            "its own variable, "
            "MILLRACE_<PART>__<FIELD>"
        ) from error


def require_bootstrap(settings: Settings) -> Brokers:
    """Return the brokers' addresses and how to connect to them.

    Raises:
        typer.BadParameter: no brokers are configured.
    """
    if settings.broker.bootstrap is None:
        raise typer.BadParameter(
            "no brokers are configured: give --bootstrap host:port or set MILLRACE_BROKER__BOOTSTRAP"
        )
    return Brokers(settings.broker.bootstrap, settings.broker)


def require_stream(name: str) -> Stream[Any, Any]:
    """Return the stream with a name.

    Raises:
        typer.BadParameter: the stream does not exist.
    """
    if name not in STREAMS:
        raise typer.BadParameter(f"there is no stream {name}; expected one of: {', '.join(STREAMS)}")
    return STREAMS[name]
