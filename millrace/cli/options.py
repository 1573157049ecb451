"""Options that several commands share."""

from typing import Annotated

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from schemas.topics import STREAMS
from shared.broker.security import Brokers
from shared.logs import configure
from shared.settings import Settings

Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--bootstrap", help="host:port,... of the brokers; default MILLRACE_BROKER__BOOTSTRAP.", show_default=False
    ),
]
Stream = Annotated[str, typer.Option("--stream", help="Which stream; tickets is the only one today.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output instead of text.")]


def quiet() -> None:
    """Configure logs for a command that answers a person: only errors, as text."""
    configure("error", json_lines=False)


def load_settings(bootstrap: str | None = None) -> Settings:
    """Read the settings; an address given on the command line wins over the environment.

    Raises:
        typer.BadParameter: a setting is wrong; the error names its variable.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "MILLRACE_" + "__".join(str(part) for part in first["loc"]).upper()
        raise typer.BadParameter(f"setting {name}: {first['msg']}") from error
    except SettingsError as error:
        raise typer.BadParameter(f"settings: {error}; parts are set by MILLRACE_<PART>__<FIELD>") from error
    if bootstrap is None:
        return settings
    return settings.model_copy(update={"broker": settings.broker.model_copy(update={"bootstrap": bootstrap})})


def require_bootstrap(settings: Settings) -> Brokers:
    """Return the brokers' addresses and how to speak to them.

    Raises:
        typer.BadParameter: none are configured.
    """
    if settings.broker.bootstrap is None:
        raise typer.BadParameter("which brokers? give --bootstrap host:port or set MILLRACE_BROKER__BOOTSTRAP")
    return Brokers(settings.broker.bootstrap, settings.broker)


def require_stream(stream: str) -> str:
    """Return the stream's name.

    Raises:
        typer.BadParameter: there is no such stream.
    """
    if stream not in STREAMS:
        raise typer.BadParameter(f"there is no stream {stream}; there is: {', '.join(STREAMS)}")
    return stream
