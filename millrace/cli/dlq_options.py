"""Options that select dead letters, for all commands of `millrace dlq`, and what they mean."""

from collections.abc import Collection
from typing import Annotated

import typer

from schemas.failures import FailureReason
from shared.clock import SystemClock
from shared.deadletters.selection import Criteria, Selection

MAX_REPLAYS = 3

TIME_HELP = "ISO 8601 (UTC if it has no zone), or a time before now: 30s, 5m, 2h, 3d, 1w (7d: seven days ago)."

Reasons = Annotated[
    list[FailureReason] | None,
    typer.Option(
        "--reason",
        metavar="REASON",
        help=f"Only dead letters with this reason. Repeatable. Reasons: {', '.join(FailureReason)}.",
    ),
]
Fields = Annotated[
    list[str] | None,
    typer.Option("--field", help="Only dead letters in which this field, or one inside it, was wrong. Repeatable."),
]
Stages = Annotated[
    list[str] | None,
    typer.Option("--stage", help="Only dead letters that this stage refused: decode or embed. Repeatable."),
]
Tenants = Annotated[
    list[str] | None,
    typer.Option("--tenant", help="Only dead letters of this tenant, which is read from the record's key. Repeatable."),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help=f"Only dead letters written at this time or later. {TIME_HELP}"),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help=f"Only dead letters written before this time. {TIME_HELP}")
]
Quarantine = Annotated[
    bool,
    typer.Option(
        "--quarantine",
        help="Use the quarantine (dead letters that were replayed too often) instead of the dead-letter queue.",
    ),
]
MaxReplays = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="A dead letter that was replayed this many times is sent to the quarantine, not to redo; default: "
        f"{MAX_REPLAYS}.",
        show_default=False,
    ),
]


def selection_of(
    reasons: Collection[str] | None,
    fields: Collection[str] | None,
    stages: Collection[str] | None,
    tenants: Collection[str] | None,
    since: str | None,
    until: str | None,
) -> Selection:
    """Return the selection that the options describe.

    Raises:
        typer.BadParameter: a time is not valid.
    """
    criteria = Criteria(_texts(reasons), _texts(fields), _texts(stages), _texts(tenants), since, until)
    try:
        return Selection(criteria, SystemClock().now())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def rate_of(text: str | None) -> float | None:
    """Return the rate in dead letters per second; None if there is no limit.

    Raises:
        typer.BadParameter: the rate is not a number above 0.
    """
    if text is None:
        return None
    number, _, unit = text.partition("/")
    try:
        rate = float(number) / {"": 1, "s": 1, "m": 60}[unit]
        if 0 < rate < float("inf"):
            return rate
    except (ValueError, KeyError):
        pass
    raise typer.BadParameter(f"--rate {text}: expected a number above 0, such as 100, 100/s or 30/m")


def max_replays_of(given: int | None, quarantine: bool) -> int:
    """Return after how many replays a dead letter goes to the quarantine.

    Raises:
        typer.BadParameter: the option was given although the quarantine itself is replayed.
    """
    if given is not None and quarantine:
        raise typer.BadParameter("leave out --max-replays: with --quarantine, replays are counted from 0 again")
    return MAX_REPLAYS if given is None else given


def _texts(given: Collection[str] | None) -> tuple[str, ...]:
    return tuple(str(each) for each in given or ())
