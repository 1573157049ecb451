"""`millrace router train | evaluate | show | explain`.

The libraries of a head take seconds to import, so each command imports them itself.
"""

import json as jsonlib
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millrace.cli.options import Json, load_stream_settings, quiet
from millrace.learning.labelled_files import Reading, read_labelled
from millrace.streams import DEFAULT
from shared.routing.policy import POLICY_FILE
from shared.wording import counted

if TYPE_CHECKING:
    from millrace.learning.heads import TrainingResult
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
LISTED = 10
SHOWN_CHARS = 200


@app.command("train")
def train(
    file: File,
    out: Annotated[Path, typer.Option(help="Folder for the head; an existing head is replaced.")],
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    out_of_scope_label: Outside = None,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Draw confusion.svg, reliability.svg and coverage.svg.")
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
    from shared.routing.training.pictures import draw, require_matplotlib

    quiet()
    if pictures:
        require_matplotlib()
    labelled = read_labelled(file, text_column, label_column)
    reading = Reading(load_stream_settings(DEFAULT))
    outcome = train_head(reading, labelled, out_of_scope_label, out)
    if pictures:
        draw(outcome.trained, outcome.examples, out)
    if json:
        typer.echo(jsonlib.dumps(dict(outcome.head.facts), ensure_ascii=False))
    else:
        _report(outcome, labelled.skipped, out)
    _warn(outcome)


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
        for name, value in report.figures.as_dict().items():
            typer.echo(f"{name:<26} {value if isinstance(value, int) else f'{value:.4f}'}")
        _print_slices(report.slices)
    if report.unknown:
        named = ", ".join(f"{label} ({rows})" for label, rows in list(report.unknown.items())[:LISTED])
        sys.stderr.write(
            f"warning: the file has {counted(len(report.unknown), 'label')} that the head does not know; their rows count "
            f"as out of scope: {named}\n"
        )


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
    parts = {
        "blend": f"blend: weight {recipe['weight']:.1f} for vectors, the rest for terms",
        "joint": "support vector machines on vectors and terms side by side",
        "logistic": "logistic regression on vectors and terms side by side",
    }[recipe["kind"]]
    parts += ", with class weights" if recipe["class_weights"] else ""
    rows = {
        "fingerprint": facts["fingerprint"],
        "model": f"{facts['model']} (the head works only with vectors of this model)",
        "labels": f"{len(facts['labels'])}, {facts['texts']} texts, data SHA-256 {facts['data_sha256'][:16]}...",
        "recipe": parts,
        "held out": _figures(held_out),
        "thresholds": ", ".join(f"{name} {value:.3f}" for name, value in facts["thresholds"].items()),
        "scope": "learned by leaving labels out" if facts["scope_learned"] else "default: too few labels to learn it",
    }
    for name, value in rows.items():
        typer.echo(f"{name:<12} {value}")
    for label, count in facts["label_counts"].items():
        typer.echo(f"  {count:>6}  {label}")
    _warn_of(facts)


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
    _table("labels", ("share", "label"), [(f"{share:.3f}", label) for label, share in reported.shares[:limit]])
    first, second = reported.shares[0][0], reported.shares[1][0]
    weights = [
        ("the meaning (vector)", f"{reported.dense:+.2f}"),
        *((term, f"{weight:+.2f}") for term, weight in reported.terms),
    ]
    _table(f"for {first}, against {second}", ("term", "logits"), weights)
    near = [(f"{cosine:.3f}", label, _shortened(known)) for cosine, label, known in reported.nearest]
    _table("nearest training texts", ("cosine", "label", "text"), near)


def _print_slices(slices: "dict[str, Judged]") -> None:
    rows = [
        (name, str(each.rows), f"{each.mean:.4f}", f"{each.interval[0]:.4f}-{each.interval[1]:.4f}")
        for name, each in slices.items()
    ]
    _table("accuracy by slice, with 95 % intervals", ("slice", "rows", "accuracy", "interval"), rows)
    for name in (name for name, each in slices.items() if each.worse):
        typer.echo(f"worse than the whole beyond chance: {name}")


def _report(outcome: "TrainingResult", skipped: int, out: Path) -> None:
    facts: Any = outcome.head.facts
    left_out = f"; left out: {outcome.repeated} repeated, {skipped} incomplete" if outcome.repeated or skipped else ""
    typer.echo(f"{facts['texts']} texts, {len(facts['labels'])} labels{left_out}")
    typer.echo(f"held out: {_figures(facts['held_out'])}")
    thresholds = facts["thresholds"]
    typer.echo(f"thresholds: auto_at {thresholds['auto_at']:.3f}, review_at {thresholds['review_at']:.3f}")
    worst = [(str(p["count"]), f"{p['label']} mistaken for {p['taken_for']}") for p in facts["confused"][:LISTED]]
    if facts["near_duplicates"]:
        typer.echo(f"nearly identical to another text of their label, so held out together: {facts['near_duplicates']}")
    _table("most often confused on held-out texts", ("texts", "labels"), worst)
    typer.echo(f"wrote head {outcome.head.fingerprint} to {out} and a proposed policy to {outcome.policy}")
    if outcome.policy.name != POLICY_FILE:
        typer.echo(f"the existing {POLICY_FILE} was kept and is still used: compare the two files")


def _figures(held_out: dict[str, Any]) -> str:
    return (
        f"accuracy {held_out['accuracy']:.4f}, macro F1 {held_out['macro_f1']:.4f}, calibration error "
        f"{held_out['ece']:.4f}, {held_out['coverage_at_95_precision']:.1%} decided at 95 % precision"
    )


def _warn(outcome: "TrainingResult") -> None:
    if outcome.outside == 0:
        sys.stderr.write(
            "warning: no row has the out-of-scope label, so the scope score is learned by leaving labels out\n"
        )
    if outcome.contested:
        sys.stderr.write(f"warning: texts that occur under more than one label: {outcome.contested}\n")
    _warn_of(dict(outcome.head.facts))


def _warn_of(facts: dict[str, Any]) -> None:
    if facts["rare_labels"]:
        sys.stderr.write(f"warning: labels with fewer than 10 texts: {', '.join(facts['rare_labels'])}\n")
    if facts["mislabels"]:
        sys.stderr.write(f"warning: {facts['mislabels_found']} probable mislabels, the clearest first:\n")
    for each in facts["mislabels"][:LISTED]:
        sys.stderr.write(f"  {each['label']}, probably {each['suggested']}: {_shortened(each['text'])}\n")
    if len(facts["mislabels"]) > LISTED:
        sys.stderr.write("  ... (more with `router show DIR --json`)\n")


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 1] + "…"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left", box=None)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(" ".join(cell.split())) for cell in row))
    Console(highlight=False).print(table)
