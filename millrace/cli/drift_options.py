"""Options of `millrace drift`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from millrace.cli.dlq_options import TIME_HELP
from shared.deadletters.selection import parse_time

DEFAULT_LIMIT = 20_000

FromTopic = Annotated[
    bool,
    typer.Option(
        "--from-topic",
        help="Decide the newest records of the input topic again, instead of reading the store. Choose it before the "
        "first decisions, or after a change of model, head or policy: the reference is then that of the new ones, and "
        "knows the share of records that become dead letters. It takes as long as a worker takes for these records.",
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TIME",
        help="Only items that happened at this time or later; with --from-topic, records that were sent then. "
        f"{TIME_HELP} Choose a time after the last intended change.",
        show_default=False,
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="TIME",
        help=f"Only items before this time. {TIME_HELP} Choose a time before what you want to find.",
        show_default=False,
    ),
]
Limit = Annotated[
    int,
    typer.Option(
        min=1,
        help="Largest number of items; with --from-topic, of records. Of more, a sample of the whole period is "
        "taken; without --from, the newest ones. More find smaller changes, up to 20,000 for each reference.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of the references. Default: MILLRACE_DRIFT__REFERENCES. A reference of the same stream, vector, model "
        "and key is replaced, and workers use the new one within a minute: write to another folder to look at it first.",
        show_default=False,
    ),
]
References = Annotated[
    Path | None,
    typer.Option(
        "--references",
        metavar="DIR",
        help="Folder of the references. Default: MILLRACE_DRIFT__REFERENCES.",
        show_default=False,
    ),
]


def moment_of(text: str | None, now: datetime) -> datetime | None:
    """Return the moment that an option gives.

    Raises:
        typer.BadParameter: it is not valid.
    """
    try:
        return None if text is None else parse_time(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
