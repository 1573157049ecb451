"""The `millrace` command: parse, load settings, call.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a service is unavailable for now.
"""

import sys

import typer

from millrace.cli import (
    audit,
    classes,
    demo,
    dlq,
    doctor,
    drift,
    duplicates,
    embed,
    ingest,
    lag,
    models,
    models_build,
    pause,
    plot,
    policy,
    prepare,
    retry,
    router,
    run,
    search,
    search_evaluate,
    similar,
    speech,
    topics,
    transcribe,
)
from shared.errors import MillraceError, StoreInUse, Unavailable

UNAVAILABLE = 3

app = typer.Typer(
    rich_markup_mode="markdown",
    name="millrace",
    help="Read tickets, calls and product images from Kafka, embed and route them, index them in Qdrant, and audit the "
    "results. "
    "For settings, see `millrace run --help`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.add_typer(topics.app, name="topics")
app.command("ingest")(ingest.ingest)
app.command("audit")(audit.audit)
app.command("lag")(lag.lag)
app.add_typer(drift.app, name="drift")
models.app.command("build")(models_build.build_)
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.doctor)
app.command("pause")(pause.pause)
app.command("resume")(pause.resume)
app.add_typer(dlq.app, name="dlq")
app.add_typer(retry.app, name="retry")
app.add_typer(router.app, name="router")
app.add_typer(classes.app, name="classes")
app.add_typer(policy.app, name="policy")
app.add_typer(duplicates.app, name="duplicates")
app.add_typer(similar.app, name="similar")
search.app.command("evaluate")(search_evaluate.evaluate)
app.add_typer(search.app, name="search")
app.command("embed")(embed.embed)
app.command("plot")(plot.plot)
app.command("prepare")(prepare.prepare)
app.command("transcribe")(transcribe.transcribe)
app.add_typer(speech.app, name="speech")
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line; an error is written to standard error as a message, never as a traceback."""
    try:
        app()
    except (Unavailable, StoreInUse) as error:
        _fail(str(error), UNAVAILABLE)
    except MillraceError as error:
        _fail(str(error), 1)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(code)
