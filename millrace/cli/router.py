"""`millrace router train | evaluate | show | explain`.

The libraries of a head take seconds to import, so each command imports them itself.
"""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from millrace.cli.head_report import (
    figures_line,
    print_figures,
    print_table,
    report_training,
    shortened,
    warn_of_result,
    warn_of_training,
    warn_of_unknown,
)
from millrace.cli.options import Json, load_stream_settings, quiet
from millrace.learning.labelled_files import Reading, read_labelled
from millrace.streams import DEFAULT

if TYPE_CHECKING:
    from shared.slices import Judged

app = typer.Typer(
    rich_markup_mode="markdown", help="The routing head: train, evaluate, show or explain it.", no_args_is_help=True
)

File = Annotated[Path, typer.Argument(help="A .csv file with a header, or a .jsonl file.")]
TextColumn = Annotated[str, typer.Option(help="Column of the texts.")]
LabelColumn = Annotated[str, typer.Option(help="Column of the labels.")]
Model = Annotated[Path, typer.Option("--model", help="Folder of the head that `router train` wrote.")]
Slices = Annotated[
    list[str] | None,
    typer.Option(
        "--slice",
        metavar="COLUMN",
        help="Column whose values are measured separately; may be repeated. Length, language, tenant and channel always "
        "are.",
    ),
]
Outside = Annotated[str | None, typer.Option("--out-of-scope-label", help="Label of the rows that belong to no queue.")]


@app.command("train")
def train(
    file: File,
    out: Annotated[Path, typer.Option(help="Folder for the head; an existing head is replaced.")],
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    out_of_scope_label: Outside = None,
    plots: Annotated[
        bool, typer.Option("--plots/--no-plots", help="Draw confusion.svg, reliability.svg and coverage.svg.")
    ] = True,
    json: Json = False,
) -> None:
    """Train a head on labelled texts, and report its quality on texts it has not seen.

    Training needs at least two labels with two texts each; ten texts per label are few, fifty are good. Training on
    10,000 short texts takes about half a minute, plus the time to embed them. Training also writes a proposed
    routing.toml beside the head, with a table per label and thresholds for 95 % precision. Use both with
    `MILLRACE_<STREAM>__DECISION__HEAD=DIR`.
    """
    from millrace.learning.heads import train_head
    from shared.routing.training.plots import draw, require_matplotlib

    quiet()
    if plots:
        require_matplotlib()
    labelled = read_labelled(file, text_column, label_column)
    reading = Reading(load_stream_settings(DEFAULT))
    outcome = train_head(reading, labelled, out_of_scope_label, out)
    if plots:
        draw(outcome.trained, outcome.examples, out)
    if json:
        typer.echo(jsonlib.dumps(dict(outcome.head.facts), ensure_ascii=False))
    else:
        report_training(outcome, {"repeated": outcome.repeated, "incomplete": labelled.skipped}, out, "text")
    warn_of_result(outcome, "text")


@app.command("evaluate")
def evaluate(
    file: File,
    model: Model,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    out_of_scope_label: Outside = None,
    slices: Slices = None,
    json: Json = False,
) -> None:
    """Measure a head on labelled texts that it was not trained on.

    Rows whose label the head does not know count as out of scope, with or without --out-of-scope-label. For such a row,
    the answer "out of scope" is right; for any other row, it is wrong. `accuracy` is the share of right decisions.
    `in_scope_accuracy` is the share of right labels over the in-scope rows. `macro_f1` (the mean over labels), `ece`
    (the calibration error, 15 bins) and `coverage_at_95_precision` always cover the in-scope rows only. A slice is
    named as worse if its accuracy is lower than that of random rows by more than chance explains.
    """
    from millrace.learning.heads import evaluate_head
    from shared.routing.head_files import load_head

    quiet()
    labelled = read_labelled(file, text_column, label_column, slices or ())
    head = load_head(model)
    report = evaluate_head(Reading(load_stream_settings(DEFAULT)), head, labelled, out_of_scope_label)
    if json:
        worse = [name for name, each in report.slices.items() if each.worse]
        by_slice = {name: each.as_dict() for name, each in report.slices.items()}
        typer.echo(jsonlib.dumps(report.figures.as_dict() | {"slices": by_slice, "worse": worse}))
    else:
        print_figures(report.figures.as_dict())
        _print_slices(report.slices)
    warn_of_unknown(report.unknown, "row")


@app.command("show")
def show(
    folder: Annotated[Path, typer.Argument(help="Folder of the head.", metavar="DIR")],
    json: Json = False,
) -> None:
    """Show a head: its model, labels, recipe, held-out quality and thresholds, and the warnings of its training."""
    from shared.routing.head_files import load_head

    quiet()
    facts: Any = dict(load_head(folder).facts)
    if json:
        typer.echo(jsonlib.dumps(facts, ensure_ascii=False))
        return
    recipe, held_out = facts["recipe"], facts["held_out"]
    item = "picture" if "inputs" in facts else "text"
    parts = {
        "blend": f"blend: weight {recipe['weight']:.1f} for vectors, the rest for terms",
        "dense": "logistic regression on vectors alone",
        "joint": "support vector machines on vectors and terms side by side",
        "logistic": "logistic regression on vectors and terms side by side",
    }[recipe["kind"]]
    parts += ", with class weights" if recipe["class_weights"] else ""
    rows = {
        "fingerprint": facts["fingerprint"],
        "model": f"{facts['model']} (the head works only with vectors of this model)",
        "labels": f"{len(facts['labels'])}, {facts['texts']} {item}s, data SHA-256 {facts['data_sha256'][:16]}...",
        "recipe": parts,
        "held out": figures_line(held_out),
        "thresholds": ", ".join(f"{name} {value:.3f}" for name, value in facts["thresholds"].items()),
        "scope": "learned by leaving labels out" if facts["scope_learned"] else "default: too few labels to learn it",
    }
    for name, value in rows.items():
        typer.echo(f"{name:<12} {value}")
    for label, count in facts["label_counts"].items():
        typer.echo(f"  {count:>6}  {label}")
    warn_of_training(facts, item)


@app.command("explain")
def explain(
    text: Annotated[str, typer.Option("--text", help="The text to decide on.")],
    model: Model,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Number of labels, terms and training texts to show.")] = 5,
    json: Json = False,
) -> None:
    """Explain a head's answer for a text.

    This shows the probabilities of the labels, the terms that raise the most probable label and lower the second,
    and the most similar training texts.
    """
    from shared.routing.head_files import load_head

    quiet()
    head = load_head(model)
    reading = Reading(load_stream_settings(DEFAULT))
    head.check_model(reading.fingerprints)
    prepared = reading.prepare([text])
    reported = head.explain(prepared[0], reading.embed(prepared)[0], limit)
    if json:
        typer.echo(jsonlib.dumps(asdict(reported), ensure_ascii=False))
        return
    verdict = "in scope" if reported.scope >= head.scope_at else "out of scope"
    typer.echo(f"scope {reported.scope:.3f}: {verdict} (threshold {head.scope_at:.3f})")
    print_table("labels", ("share", "label"), [(f"{share:.3f}", label) for label, share in reported.shares[:limit]])
    first, second = reported.shares[0][0], reported.shares[1][0]
    weights = [
        ("the meaning (vector)", f"{reported.dense:+.2f}"),
        *((term, f"{weight:+.2f}") for term, weight in reported.terms),
    ]
    print_table(f"for {first}, against {second}", ("term", "logits"), weights)
    near = [(f"{cosine:.3f}", label, shortened(known)) for cosine, label, known in reported.nearest]
    print_table("nearest training texts", ("cosine", "label", "text"), near)


def _print_slices(slices: "dict[str, Judged]") -> None:
    rows = [
        (name, str(each.rows), f"{each.mean:.4f}", f"{each.interval[0]:.4f}-{each.interval[1]:.4f}")
        for name, each in slices.items()
    ]
    print_table("accuracy by slice, with 95 % intervals", ("slice", "rows", "accuracy", "interval"), rows)
    for name in (name for name, each in slices.items() if each.worse):
        typer.echo(f"worse than the whole beyond chance: {name}")
