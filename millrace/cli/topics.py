"""`millrace topics create`."""

from typing import Annotated

import typer

from millrace.cli.options import (
    DEFAULT_STREAM,
    Bootstrap,
    load_settings,
    quiet,
    require_bootstrap,
    require_stream,
)
from millrace.streams import STREAMS
from schemas.topics import DRIFT_ALERTS, PARTITIONS
from shared.broker.provision import create_topics

app = typer.Typer(rich_markup_mode="markdown", help="Create the topics of streams.", no_args_is_help=True)


@app.callback()
def topics() -> None:
    """Create the topics of streams."""


@app.command("create")
def create(
    bootstrap: Bootstrap = None,
    stream: Annotated[
        list[str],
        typer.Option(help=f"The stream whose topics are created: {', '.join(STREAMS)}. Repeatable."),
    ] = [DEFAULT_STREAM],  # noqa: B006  (typer copies it)
    replication: Annotated[
        int, typer.Option(min=1, help="Replicas of each partition: 3 in production, 1 for a single broker.")
    ] = 1,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Partitions of every topic: the largest number of workers that can share the stream. Choose enough for "
            "later: if partitions are added, records of one id move to another partition and lose their order. "
            f"Default: {PARTITIONS}.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Create the topics of these streams and that of alerts of drift, if missing; topics that exist are not changed."""
    quiet()
    address = require_bootstrap(load_settings(bootstrap))
    wanted = [*(topic for name in stream for topic in require_stream(name).topics(partitions)), DRIFT_ALERTS]
    created = create_topics(address, wanted, replication)
    for topic in wanted:
        state = "created" if topic.name in created else "exists"
        typer.echo(f"{topic.name:<20} {topic.partitions:>3} partitions  {state}")
