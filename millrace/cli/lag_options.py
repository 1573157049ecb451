"""Options of `millrace lag`."""

from typing import Annotated

import typer

SHORT_LOOK_S = 2.0

Groups = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        metavar="PATTERN",
        help="Only groups that match: a name, or a pattern such as `millrace-*`. Repeatable. A name must exist, or the "
        "exit code is 1. Without `--topic`, all topics of these groups are shown. Groups of `millrace dlq replay` are "
        "shown only if a pattern is about them, such as `millrace-*-dlq-replay-*`. Default: MILLRACE_LAG__GROUPS.",
        show_default=False,
    ),
]
Topics = Annotated[
    list[str] | None,
    typer.Option(
        "--topic",
        metavar="PATTERN",
        help="Only topics that match: a name or a pattern. Repeatable. A name must exist, or the exit code is 1. "
        "Default: MILLRACE_LAG__TOPICS.",
        show_default=False,
    ),
]
Partitions = Annotated[bool, typer.Option("--partitions", help="Show a line for each partition.")]
Watched = Annotated[
    bool,
    typer.Option(
        "--watch",
        help="Show a live table until Ctrl-C, or for the time that `--for` gives. Without a terminal, one table for each "
        "look is printed.",
    ),
]
LookedFor = Annotated[
    float | None,
    typer.Option(
        "--for",
        min=0.1,
        metavar="SECONDS",
        help="How long to look before the answer; rates are measured over this time. To find groups that are stuck, choose "
        f"more than MILLRACE_LAG__STUCK_AFTER_S. Default: {SHORT_LOOK_S:g}.",
        show_default=False,
    ),
]
MaxAge = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Exit with 1 if a record that was not read is older: 60s, 5m, 2h or 1d. Choose the delay that you have "
        "promised to whoever waits for the results.",
    ),
]
MaxLag = Annotated[int | None, typer.Option(min=0, help="Exit with 1 if a group has more unread records in a topic.")]
