"""`millrace embed`."""

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from millrace.bulk.inputs import read_source, readable
from millrace.bulk.kinds import NOUNS, InputKind, choose_kind
from millrace.cli.options import Json, load_settings, load_stream_settings, quiet
from millrace.cli.speech_options import Device, ModelsFile
from millrace.streams import DEFAULT, PICTURED, RECORDED
from shared.clock import SystemClock
from shared.errors import Fatal
from shared.settings_part import Part
from shared.stream_settings import StreamSettings
from shared.wording import counted

SUMMARY_OMITS = frozenset({"mean", "standard_deviation", "job"})
"""What the summary leaves out of the metadata, as it is long."""


Source = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="A folder of images (JPEG, PNG, WebP), of recordings, or of texts (.txt), in which the name of a file's "
        "own subfolder is its label; a manifest: a .csv or .jsonl file with a column `file` (relative to it), and "
        "perhaps `label`, `image_id` and `product_id`; or a .csv or .jsonl file with a column `text`.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        help="Folder for the outputs, a new one or that of a run to go on with. It must not lie in PATH.",
    ),
]
Kind = Annotated[
    InputKind | None,
    typer.Option(
        help="What to embed; by default images or sounds, of which there are more, by the first bytes of the files; "
        "texts only if there are neither, because .txt files beside images mostly describe them. Files of other kinds "
        "are listed in rejects.csv.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Name of the model, a table in models.toml, such as `efficientnet-lite0`, `minilm-l6-v2` or "
        "`whisper-base`; by default the one of the stream's settings (`MILLRACE_PRODUCTS__IMAGE__MODEL`, "
        "`MILLRACE_TICKETS__EMBEDDING__MODEL`, `MILLRACE_CALLS__SPEECH__MODEL`).",
        show_default=False,
    ),
]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw",
        help="Keep the length that the model gives each vector, instead of unit length: choose this if what reads the "
        "vectors scales them itself. Models of texts have no other length.",
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of the labels in a manifest or a table; `label` by default, if there is one.", show_default=False
    ),
]
TextColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of the texts in a table, which is then no manifest; `text` by default.", show_default=False
    ),
]
ShardSize = Annotated[
    int | None,
    typer.Option(
        "--shard",
        min=1,
        help="Inputs that are written at once: a run that is killed repeats at most this number. By default 256 "
        "images, 1,024 texts or 8 recordings.",
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Delete the outputs of another run in DIR, and start again.")
]


def embed(
    path: Source,
    out: Out,
    kind: Kind = None,
    model: Model = None,
    models_file: ModelsFile = None,
    device: Device = "auto",
    raw: Raw = False,
    label_column: LabelColumn = None,
    text_column: TextColumn = None,
    shard: ShardSize = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Embed many files or texts into arrays for numpy, without Kafka and Qdrant.

    Writes `vectors.npy`, `labels.npy`, `rows.csv` (which file is in which row), `rejects.csv` (which file has no vector,
    and why) and `metadata.json`; docs/bulk.md describes them. Inputs are decoded and prepared as a worker does it. If the
    command is stopped or killed, the same command goes on with what is left, and the outputs have the same bytes
    as without the interruption. The exit code is 1 if no input has a vector.
    """
    from millrace.bulk.embedding import Wanted, check_apart
    from millrace.bulk.embedding import embed as run

    quiet()
    check_apart(path, out)
    source = read_source(path, text_column, label_column)
    chosen = choose_kind(source, kind, path)
    own = _own_settings(chosen, model, models_file, device)
    wanted = Wanted(path, out, chosen, raw, shard, overwrite)
    done = run(wanted, source, own, load_settings(), SystemClock())
    if json:
        summary = {name: value for name, value in done.metadata.items() if name not in SUMMARY_OMITS}
        typer.echo(jsonlib.dumps(summary | {"done_before": done.before, "out": readable(str(out))}, ensure_ascii=False))
    else:
        _print_summary(done.metadata, done.before, chosen, out)
    if not done.metadata["embedded"]:
        raise Fatal(f"no {NOUNS[chosen]} could be embedded; {out / 'rejects.csv'} has the reason for each")


def _own_settings(kind: InputKind, model: str | None, models_file: Path | None, device: str) -> StreamSettings:
    """Return the settings of the stream whose model embeds a kind of input, with what the command line says."""
    streams = {InputKind.IMAGES: PICTURED, InputKind.TEXTS: DEFAULT, InputKind.SOUNDS: RECORDED}
    part = {InputKind.IMAGES: "image", InputKind.TEXTS: "embedding", InputKind.SOUNDS: "speech"}[kind]
    own = load_stream_settings(streams[kind])
    given: dict[str, Any] = {"model": model, "models_file": models_file, "device": None if device == "auto" else device}
    changes = {name: value for name, value in given.items() if value is not None}
    configured: Part = getattr(own, part)
    return own.model_copy(update={part: configured.model_copy(update=changes)})


def _print_summary(facts: Any, before: int, kind: InputKind, out: Path) -> None:
    rows, dim = facts["shape"]
    rate = facts["timing"]["items_per_second"]
    length = "of unit length" if facts["length"] == "unit" else "of the model's own length"
    typer.echo(f"{readable(str(out))}: {counted(rows, 'vector')} of {dim} numbers, {length}, by {facts['model']}")
    if before == facts["inputs"]:
        typer.echo(f"  all {counted(before, NOUNS[kind])} were done before")
    elif before:
        typer.echo(f"  {before} of {counted(facts['inputs'], NOUNS[kind])} were done before")
    classes = len(facts["classes"])
    typer.echo(f"  {facts['labelled']} with a label, of {classes} {'class' if classes == 1 else 'classes'}")
    typer.echo("  " + (f"{rate:.1f} {kind.value}/s" if rate else f"no time was measured for {kind.value}"))
    if facts["rejected"]:
        sys.stderr.write(
            f"warning: {counted(facts['rejected'], 'input')} could not be embedded: {out / 'rejects.csv'}\n"
        )
