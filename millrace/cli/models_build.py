"""`millrace models build`: make an int8 model of a text model, for the CPU."""

import json as jsonlib
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal

from millrace.bars import bar
from millrace.cli.options import Json, load_settings, quiet
from millrace.cli.speech_options import ModelsFile
from millrace.learning.labelled_files import read_labelled
from millrace.quantising.building import MODELS_FILE, Order, build, check_source
from millrace.quantising.parts import LEAST_LABELLED, Built, Floors, Judged
from millrace.quantising.texts import LEAST, packaged_sample, sample_of
from shared.embedding.card import NAME_PART
from shared.embedding.files import RECORD
from shared.embedding.port import TEXT
from shared.embedding.registry import TextCard, load_cards, load_text_card
from shared.errors import Fatal
from shared.text.preparation import Preparer

NAME = re.compile(NAME_PART, re.ASCII)
LEAST_MEAN_COSINE, LEAST_OVERLAP = 0.997, 0.9


Key = Annotated[str, typer.Argument(metavar="KEY", help="The text model, by the name of its table in models.toml.")]
To = Annotated[
    Path,
    typer.Option(metavar="FOLDER", help="The folder for the model, which must not exist yet, or be empty."),
]
Name = Annotated[
    str | None,
    typer.Option(help="The name of the new model; KEY-int8 by default.", show_default=False),
]
Texts = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        metavar="FILE",
        help=f"Your own tickets, at least {LEAST}: .csv, .jsonl, or .txt with one in each line. Give them if yours are "
        "in other languages than English and French, or unlike short mails. By default the packaged sample tickets.",
        show_default=False,
    ),
]
Head = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        metavar="FOLDER",
        help="A routing head of KEY: the int8 model is refused if the head decides fewer texts of --held-out rightly.",
        show_default=False,
    ),
]
HeldOut = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        metavar="FILE",
        help=f"Labelled texts that the head was not trained on, at least {LEAST_LABELLED}.",
        show_default=False,
    ),
]
MeanCosine = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="Refuse the model if the mean cosine of its vectors with those of KEY is lower. Lower it only if "
        "`millrace router evaluate` and `millrace similar evaluate` show that your use allows it.",
    ),
]
Overlap = Annotated[
    float,
    typer.Option(min=0, max=1, help="Refuse it if fewer of the ten nearest texts are the same on average, as a share."),
]


def build_(
    key: Key,
    to: To,
    name: Name = None,
    models_file: ModelsFile = None,
    texts: Texts = None,
    head: Head = None,
    held_out: HeldOut = None,
    text_column: Annotated[str, typer.Option(help="Column of the texts in both files.")] = "text",
    label_column: Annotated[str, typer.Option(help="Column of the labels.")] = "label",
    least_mean_cosine: MeanCosine = LEAST_MEAN_COSINE,
    least_overlap: Overlap = LEAST_OVERLAP,
    json: Json = False,
) -> None:
    """Make an int8 model of a text model in float32, which a CPU with VNNI computes faster.

    Texts that it is not calibrated with show how near its vectors are to those of
    the original; if they are not near enough, nothing is written, and the exit
    code is 1. The folder gets the model, a record of what it was made of
    (`build.json`), and a `models.toml` with the rows of KEY's file and the new
    one. It is another model: its vectors do not belong into the collection of the
    original, and heads are trained again. Needs `millrace[quantise]`.
    """
    quiet()
    load_settings()
    card = _card(key, models_file)
    floors = Floors(least_mean_cosine, least_overlap)
    order = Order(card, _new_name(name or f"{key}-int8", models_file), _free(to), models_file, floors)
    preparer = Preparer(card.preparation)
    sample = packaged_sample(preparer) if texts is None else sample_of(texts, text_column, preparer)
    judged = _judged(card, preparer, head, held_out, (text_column, label_column))
    try:
        with bar(f"building {order.name}", None):
            built = build(order, sample, judged)
    except ImportError as error:
        raise Fatal(f"`millrace models build` needs {error.name}: install millrace[quantise]") from error
    _say(built, json)


def _card(key: str, models_file: Path | None) -> TextCard:
    """Return the card of the original.

    Raises:
        typer.BadParameter: there is no such model, or no int8 model can be made of it.
    """
    try:
        card = load_text_card(key, models_file)
        check_source(card)
    except Fatal as error:
        raise typer.BadParameter(str(error)) from error
    return card


def _new_name(name: str, models_file: Path | None) -> str:
    if name in {each.key for each in load_cards(models_file)}:
        raise typer.BadParameter(f"there is a model {name} already: give another --name")
    if not NAME.fullmatch(name):
        raise typer.BadParameter(f"--name {name}: a name has ASCII letters, digits, '.', '_' and '-'")
    return name


def _free(folder: Path) -> Path:
    if not folder.absolute().parent.is_dir():
        raise typer.BadParameter(f"--to {folder}: the folder above it does not exist; create it")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter(f"--to {folder}: it exists and is not an empty folder; name another one, or remove it")
    return folder.absolute()


def _judged(
    card: TextCard, preparer: Preparer, head: Path | None, held_out: Path | None, columns: tuple[str, str]
) -> Judged | None:
    """Return the head and its held-out texts, if both are given.

    Raises:
        typer.BadParameter: only one of both is given.
        Fatal: the head belongs to another model, or there are too few texts.
    """
    if (head is None) != (held_out is None):
        raise typer.BadParameter("give both --head and --held-out, or neither")
    if head is None or held_out is None:
        return None
    from shared.routing.head_files import load_head

    found = load_head(head)
    found.check_model({TEXT.name: card.fingerprint})
    file = read_labelled(held_out, *columns)
    if len(file.texts) < LEAST_LABELLED:
        raise Fatal(f"{held_out} has {len(file.texts)} labelled texts, but {LEAST_LABELLED} are needed")
    return Judged(found, [preparer.message(text).embedded for text in file.texts], file.labels)


def _say(built: Built, json: bool) -> None:
    models_file = built.folder / MODELS_FILE
    if json:
        facts: dict[str, Any] = {
            "model": built.card.key,
            "fingerprint": built.card.fingerprint,
            "folder": str(built.folder),
            "models_file": str(models_file),
            "size_bytes": built.size_bytes,
        }
        typer.echo(jsonlib.dumps(facts | built.as_dict()))
        return
    parity, accuracy = built.parity, built.accuracy
    typer.echo(
        f"{built.card.key}, fingerprint {built.card.fingerprint}, {decimal(built.size_bytes)}, in {built.folder}"
    )
    typer.echo(
        f"{parity.texts} held-out texts: mean cosine {parity.mean_cosine:.4f}, lowest {parity.least_cosine:.4f}, "
        f"{parity.overlap:.1%} of the ten nearest texts the same"
    )
    if accuracy is not None:
        typer.echo(
            f"the head decides {accuracy.quantised:.2%} of {accuracy.texts} texts rightly, with the original "
            f"{accuracy.original:.2%}"
        )
    typer.echo(f"{RECORD} records what it was made of. To use it for tickets:")
    typer.echo(f"  MILLRACE_TICKETS__EMBEDDING__MODELS_FILE={models_file}")
    typer.echo(f"  MILLRACE_TICKETS__EMBEDDING__MODEL={built.card.key}")
