"""`millrace models`: bring the files of models to this machine, list models, and compare their files with their cards."""

import json as jsonlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal

from millrace.bars import bar
from millrace.cli.options import Json, coloured, load_settings, load_stream_settings, quiet, require_stream
from millrace.cli.speech_options import ModelsFile
from millrace.streams import STREAMS
from millrace.wanted_models import Known, chosen, known_models
from shared.clock import Clock, SystemClock
from shared.embedding.fetching.fetch import Found, Request, fetch, look
from shared.embedding.sources import models_folder
from shared.errors import Fatal, Unavailable
from shared.logs import configure, get_logger

FAILED, UNAVAILABLE = 1, 3
LOG_EVERY_S = 10.0

log = get_logger("models")
app = typer.Typer(
    rich_markup_mode="markdown",
    help="The files of models: fetch them before workers start, list them, and verify them.",
    no_args_is_help=True,
)

Keys = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY",
        help="Models by the names of their tables in models.toml. By default those that the settings of the streams name.",
        show_default=False,
    ),
]
Streams = Annotated[
    list[str] | None,
    typer.Option(
        "--stream",
        help=f"Only the models of this stream: {', '.join(STREAMS)}. Repeatable. By default those of all streams; give the "
        "one whose worker runs on this machine.",
        show_default=False,
    ),
]
All = Annotated[bool, typer.Option("--all", help="All models of models.toml, whether a stream uses them or not.")]


@app.command("fetch")
def fetch_(
    keys: Keys = None,
    stream: Streams = None,
    all_: All = False,
    models_file: ModelsFile = None,
    copy: Annotated[
        bool,
        typer.Option(
            "--copy",
            help="Copy models into the folder that are already on this machine, in an installed package, a folder or the "
            "hub's cache: choose this if workers see only the folder. Otherwise they are verified where they are.",
        ),
    ] = False,
    given: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            exists=True,
            metavar="PLACE",
            help="A folder with the files, or a wheel (.whl), to take them from instead of the card's source: for "
            "machines without a network. Repeatable.",
            show_default=False,
        ),
    ] = None,
    timeout_s: Annotated[
        float,
        typer.Option(
            "--timeout",
            min=1,
            max=3600,
            metavar="SECONDS",
            help="Give up if fewer than 64 KiB have arrived for this long; raise it for a server that asks to wait longer.",
        ),
    ] = 60.0,
    json: Json = False,
) -> None:
    """Bring models to this machine, so that workers load them without a network.

    They come from where their cards in models.toml say: a hub (`HF_ENDPOINT`,
    and `HF_TOKEN` for private models), a folder or a package. Each file is
    compared with its SHA-256, and a run that ended early is continued. The folder
    is `MILLRACE_OPERATION__MODELS_DIR`. Several runs at once wait for each other.
    Exit code 1: something is wrong that waiting does not fix; 3: the source does
    not answer for now, run the command again.
    """
    if len({each.suffix == ".whl" for each in given or ()}) > 1:
        raise typer.BadParameter("give either folders or wheels by --from, not both")
    settings, wanted = load_settings(), _wanted(keys, stream, all_, models_file)
    if os.isatty(2):
        quiet()
    else:
        configure(settings.operation.log_level, settings.operation.log_format == "json")
    clock = SystemClock()
    request = Request(models_folder(), timeout_s, os.environ, copy, tuple(given or ()))
    reports = [_fetched(each, request, clock) for each in wanted]
    _say(reports, json)
    states = {report["state"] for report in reports}
    if states & {"failed", "unavailable"}:
        raise typer.Exit(FAILED if "failed" in states else UNAVAILABLE)


@app.command("list")
def list_(stream: Streams = None, models_file: ModelsFile = None, json: Json = False) -> None:
    """List all models: whether their files are here, where, how large, and which streams use them.

    Names of files are compared with the cards, but not their content: `millrace models verify` reads that.
    """
    quiet()
    load_settings()
    known = _known(stream, models_file)
    _say([_looked(each, is_compared=False) for each in known if each.streams or not stream], json)


@app.command("verify")
def verify(
    keys: Keys = None, stream: Streams = None, all_: All = False, models_file: ModelsFile = None, json: Json = False
) -> None:
    """Compare every file of models with its SHA-256 in the card; exit code 1 if a file is damaged or missing."""
    quiet()
    load_settings()
    reports = [_looked(each) for each in _wanted(keys, stream, all_, models_file)]
    _say(reports, json)
    if any(report["state"] != "present" for report in reports):
        raise typer.Exit(FAILED)


def _known(streams: Sequence[str] | None, models_file: Path | None) -> list[Known]:
    named = [require_stream(name) for name in streams or STREAMS]
    return known_models({each.name: load_stream_settings(each) for each in named}, models_file)


def _wanted(keys: Sequence[str] | None, streams: Sequence[str] | None, is_all: bool, file: Path | None) -> list[Known]:
    if sum([bool(keys), bool(streams), is_all]) > 1:
        raise typer.BadParameter("give models by KEY, by --stream or by --all: only one of these")
    known = _known(streams, file)
    try:
        return chosen(known, keys or (), is_all)
    except Fatal as error:
        raise typer.BadParameter(str(error)) from error


def _looked(each: Known, is_compared: bool = True) -> dict[str, Any]:
    return _report(each, look(each.card, models_folder(), is_compared))


def _fetched(each: Known, request: Request, clock: Clock) -> dict[str, Any]:
    """Fetch one model; a failure is reported, and the others are still fetched."""
    try:
        found, is_new = fetch(each.card, request, clock, lambda key, total: _progress(key, total, clock))
    except Unavailable as error:
        return _report(each, Found("absent", None, 0, (str(error),))) | {"state": "unavailable"}
    except Fatal as error:
        return _report(each, Found("absent", None, 0, (str(error),))) | {"state": "failed"}
    return _report(each, found) | ({"state": "fetched"} if is_new else {})


@contextmanager
def _progress(key: str, total: int | None, clock: Clock) -> Iterator[Callable[[int], None]]:
    """Show a bar in a terminal; elsewhere write a line at the start, at the end and every ten seconds."""
    done, shown_s = 0, clock.monotonic_s()
    log.info("fetching", model=key, total_bytes=total)
    with bar(key, total) as show:

        def advance(count: int) -> None:
            nonlocal done, shown_s
            done += count
            show(count)
            if clock.monotonic_s() - shown_s >= LOG_EVERY_S:
                shown_s = clock.monotonic_s()
                log.info("fetching", model=key, done_bytes=done, total_bytes=total)

        yield advance
    log.info("fetched", model=key, done_bytes=done)


def _report(each: Known, found: Found) -> dict[str, Any]:
    card = each.card
    return {
        "key": card.key,
        "modality": card.modality,
        "source": card.source,
        "licence": card.licence,
        "size_bytes": found.size_bytes or None,
        "state": found.state,
        "folder": None if found.folder is None else str(found.folder),
        "streams": list(each.streams),
        "problems": list(found.problems),
    }


def _say(reports: Sequence[dict[str, Any]], json: bool) -> None:
    if json:
        typer.echo(jsonlib.dumps({"models": reports}))
        return
    colours = {"present": "green", "fetched": "green", "absent": "yellow"}
    for each in reports:
        state = coloured(f"{each['state']:<11}", colours.get(each["state"], "red"))
        size = decimal(each["size_bytes"]) if each["size_bytes"] else "size unknown"
        used = f"used by {', '.join(each['streams'])}" if each["streams"] else "not used"
        typer.echo(f"{state}  {each['key']}: {each['modality']}, {each['licence']}, {size}, {used}")
        typer.echo(f"             from {each['source']}")
        if each["folder"]:
            typer.echo(f"             in   {each['folder']}")
        for problem in each["problems"]:
            typer.echo(f"             -> {problem}")
