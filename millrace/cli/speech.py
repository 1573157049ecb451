"""`millrace speech evaluate`."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from millrace.bars import bar
from millrace.cli.options import Json, load_settings, quiet
from millrace.cli.speech_options import Batch, Device, Model, ModelsFile
from millrace.transcribing import DEFAULT_MODEL, SpeechOptions, file_transcriber
from shared.clock import SystemClock
from shared.errors import Fatal

app = typer.Typer(no_args_is_help=True, help="Measure models of speech.", rich_markup_mode="markdown")


@app.callback()
def speech() -> None:
    """Measure models of speech."""


@app.command("evaluate")
def evaluate(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            help="Table with the columns `file` (a path beside the table), `transcript` and perhaps `language`.",
        ),
    ],
    model: Model = DEFAULT_MODEL,
    models_file: ModelsFile = None,
    device: Device = "auto",
    batch: Batch = 8,
    json: Json = False,
) -> None:
    """Measure a model on recordings with known transcripts.

    `wer` is the word error rate: words to replace, insert or delete, divided by the words of the transcripts, in lower
    case, without punctuation, with numbers as words. `real_time_factor` is the computing time per second of sound, with
    decoding. `coverage` is the share of the speech that text accounts for. Each is also given per language if the table
    has a column `language`.
    """
    quiet()
    try:
        from millrace.learning.speech_rates import evaluate as measure
        from millrace.learning.speech_rates import read_spoken
    except ImportError as error:
        raise Fatal(f"measuring speech needs {error.name}: install millrace[speech]") from error

    spoken = read_spoken(file)
    with (
        file_transcriber(SpeechOptions(model, models_file, device, batch), load_settings()) as transcriber,
        bar("transcribing", len(spoken)) as advance,
    ):
        rates, by_language = measure(transcriber, spoken, SystemClock(), advance)
    languages = {language: each.as_dict() for language, each in sorted(by_language.items())}
    if json:
        typer.echo(jsonlib.dumps(rates.as_dict() | {"languages": languages}, ensure_ascii=False))
        return
    for title, values in {"all": rates.as_dict(), **languages}.items():
        typer.echo(title)
        for name, value in values.items():
            typer.echo(f"  {name:<18} {value if isinstance(value, int) else f'{value:.4f}'}")
