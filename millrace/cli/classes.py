"""`millrace classes train | evaluate`: heads that classify pictures of products, with their titles if these are given.

The libraries of a head take seconds to import, so each command imports them itself.
"""

import json as jsonlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.cli.head_report import (
    LISTED,
    print_figures,
    report_training,
    warn_of_result,
    warn_of_unknown,
)
from millrace.cli.options import Json, load_settings, load_stream_settings, quiet
from millrace.learning.product_files import read_pictures
from millrace.streams import PICTURED
from shared.wording import counted

if TYPE_CHECKING:
    from millrace.learning.product_reading import ProductReading

ITEM = "picture"

app = typer.Typer(
    rich_markup_mode="markdown",
    help="The head that classifies pictures of products, also by their titles: train or evaluate it.",
    no_args_is_help=True,
)

Source = Annotated[
    Path,
    typer.Argument(
        metavar="DIR|MANIFEST",
        help="A folder with one subfolder per class, at any depth, that holds its pictures; or a manifest: a .csv or "
        ".jsonl file with the columns `file` (relative to it) and `label`, and perhaps `title`, "
        "`description` and `product_id`, by which views of one product are held out together.",
    ),
]
LabelColumn = Annotated[str, typer.Option(help="Column of the labels in a manifest.")]
Outside = Annotated[
    str | None,
    typer.Option(
        "--out-of-scope-label",
        help="Label of pictures that belong to no class, if you have such pictures; the more they resemble what your shop "
        "receives by mistake, the better the scope score. Without it, the score is learned by leaving classes out.",
    ),
]


@app.command("train")
def train(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for the head; an existing head is replaced.")],
    label_column: LabelColumn = "label",
    out_of_scope_label: Outside = None,
    plots: Annotated[
        bool, typer.Option("--plots/--no-plots", help="Draw confusion.svg, reliability.svg and coverage.svg.")
    ] = True,
    json: Json = False,
) -> None:
    """Train a head on labelled pictures, and report its quality on pictures that it has not seen.

    If the manifest has titles or descriptions, the head reads both the picture and the text; choose this where classes
    look alike but have other names. Training needs at least two classes with two pictures each; twenty pictures per class
    are few, a hundred are good. Classes of very different size are weighted if that helps on held-out pictures. The
    models are those of the stream `products` (`MILLRACE_PRODUCTS__IMAGE__MODEL`). Training also writes a proposed
    routing.toml beside the head, with a table per class and thresholds for 95 % precision. Use both with
    `MILLRACE_PRODUCTS__DECISION__HEAD=DIR`; `millrace router show DIR` shows the head.
    """
    from millrace.learning.classes import inputs_of, train_classes
    from shared.routing.training.plots import draw, require_matplotlib

    quiet()
    if plots:
        require_matplotlib()
    labelled = read_pictures(source, label_column)
    outcome, products = train_classes(_reading(inputs_of(labelled)), labelled, out_of_scope_label, out)
    if plots:
        draw(outcome.trained, outcome.examples, out)
    if json:
        typer.echo(jsonlib.dumps(dict(outcome.head.facts), ensure_ascii=False))
    else:
        left_out = {
            "repeated": outcome.repeated,
            "without a label": labelled.unlabelled,
            "that cannot be used": len(products.damaged),
        }
        report_training(outcome, left_out, out, ITEM)
    _warn_of_damaged(products.damaged)
    warn_of_result(outcome, ITEM)


@app.command("evaluate")
def evaluate(
    source: Source,
    model: Annotated[Path, typer.Option("--model", help="Folder of the head that `classes train` wrote.")],
    label_column: LabelColumn = "label",
    out_of_scope_label: Outside = None,
    json: Json = False,
) -> None:
    """Measure a head on labelled pictures that it was not trained on.

    `accuracy` is the share of right decisions, with its 95 % interval (Wilson's). `macro_f1` (the mean over classes),
    `ece` (the calibration error, 15 bins) and `coverage_at_95_precision` cover the pictures whose class the head knows;
    other pictures count as out of scope, and rejecting them is right. A picture that cannot be decoded or embedded counts
    in no figure: it is named in a warning.
    """
    from millrace.learning.classes import evaluate_classes
    from shared.routing.head_files import load_head

    quiet()
    labelled = read_pictures(source, label_column)
    head = load_head(model)
    report = evaluate_classes(_reading(head.inputs), head, labelled, out_of_scope_label)
    low, high = report.interval
    if json:
        left_out = {"unlabelled": labelled.unlabelled, "damaged": len(report.damaged)}
        interval = {"accuracy_interval": [low, high]}
        typer.echo(jsonlib.dumps(report.figures.as_dict() | interval | left_out))
    else:
        print_figures(report.figures.as_dict())
        typer.echo(f"{'accuracy, 95 % interval':<26} {low:.4f}-{high:.4f}")
        if labelled.unlabelled:
            typer.echo(f"left out: {counted(labelled.unlabelled, ITEM)} without a label")
    _warn_of_damaged(report.damaged)
    warn_of_unknown(report.unknown, ITEM)


def _reading(inputs: Sequence[str]) -> "ProductReading":
    from millrace.learning.product_reading import ProductReading

    return ProductReading(load_stream_settings(PICTURED), load_settings(), inputs)


def _warn_of_damaged(damaged: Sequence[str]) -> None:
    if damaged:
        sys.stderr.write(f"warning: {counted(len(damaged), ITEM)} cannot be used:\n")
    for each in damaged[:LISTED]:
        sys.stderr.write(f"  {each}\n")
    if len(damaged) > LISTED:
        sys.stderr.write(f"  ... and {len(damaged) - LISTED} more\n")
