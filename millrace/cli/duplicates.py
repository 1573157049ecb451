"""`millrace duplicates judge`: a person's verdict on two images."""

import json as jsonlib
from contextlib import closing
from typing import Annotated, Any, get_args

import typer
from pydantic import ValidationError

from millrace.cli.options import Bootstrap, Json, load_settings, quiet, require_bootstrap
from millrace.streams import PICTURED
from schemas.base import SCHEMA_VERSION
from schemas.duplicates import Verdict
from schemas.topics import input_topic
from shared.broker.delivery import deliver
from shared.broker.producer import KafkaSink
from shared.clock import SystemClock
from shared.records import Message

WITHDRAWN = "withdrawn"
VERDICTS = (*get_args(Verdict), WITHDRAWN)

app = typer.Typer(
    rich_markup_mode="markdown", help="Near-duplicates: what people say about two images.", no_args_is_help=True
)


@app.callback()
def duplicates() -> None:
    """Keep `judge` a command of its own."""


@app.command("judge")
def judge(
    one: Annotated[str, typer.Argument(metavar="IMAGE", help="The id of one image.")],
    other: Annotated[str, typer.Argument(metavar="IMAGE", help="The id of the other image.")],
    tenant: Annotated[str, typer.Option(help="The tenant of both images.")],
    verdict: Annotated[
        str,
        typer.Option(
            metavar="|".join(VERDICTS),
            help="`different`: the pair is left out of results from now on. `same_picture`, `same_product`: results name "
            "the pair with this tier. `withdrawn`: what was measured counts again.",
        ),
    ],
    version: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of this verdict on these two images; the highest wins. Default: the milliseconds since 1970, so "
            "that the verdict that is sent last wins. Give it if your own system counts verdicts.",
            show_default=False,
        ),
    ] = None,
    bootstrap: Bootstrap = None,
    json: Json = False,
) -> None:
    """Send a verdict on two images, in any order; the worker of products stores it, and never asks about them again.

    Results that are published already are not published again. See docs/near-duplicates.md.
    """
    quiet()
    if verdict not in VERDICTS:
        raise typer.BadParameter(f"{verdict} is not a verdict; choose one of {', '.join(VERDICTS)}")
    settings, clock = load_settings(bootstrap), SystemClock()
    brokers, now = require_bootstrap(settings), clock.now()
    number = round(now.timestamp() * 1_000) if version is None else version
    event = _event(
        schema_version=SCHEMA_VERSION,
        event_id=f"verdict-{number}",
        tenant_id=tenant,
        event_version=number,
        occurred_at=now.isoformat(),
        reason="judged",
        images=[one, other],
        verdict=None if verdict == WITHDRAWN else verdict,
    )
    message = Message(input_topic(PICTURED.name), PICTURED.key(event), event.model_dump_json().encode())
    with closing(KafkaSink(brokers, settings.broker)) as sink:
        deliver([message], sink, clock)
    if json:
        typer.echo(jsonlib.dumps({"images": event.images, "verdict": event.verdict, "event_version": number}))
    else:
        typer.echo(f"sent to {input_topic(PICTURED.name)}: {one} and {other} are {verdict} (version {number})")


def _event(**fields: Any) -> Any:
    """Return the validated event.

    Raises:
        typer.BadParameter: a field is not valid.
    """
    try:
        return PICTURED.events.validate_json(jsonlib.dumps(fields))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "judged")
        raise typer.BadParameter(f"{where}: {first['msg']}") from error
