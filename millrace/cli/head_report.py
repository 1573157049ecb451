"""What the commands that train and evaluate heads print: figures, tables and warnings."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.routing.policy import POLICY_FILE
from shared.wording import counted

if TYPE_CHECKING:
    from millrace.learning.heads import TrainingResult

LISTED = 10
SHOWN_CHARS = 200


def report_training(outcome: "TrainingResult", left_out: Mapping[str, int], out: Path, item: str) -> None:
    """Print the result of a training.

    Args:
        outcome: The result.
        left_out: Why some were left out -> their number.
        out: The folder of the head.
        item: What was learned from: `text` or `picture`.
    """
    facts: Any = outcome.head.facts
    named = ", ".join(f"{number} {why}" for why, number in left_out.items())
    typer.echo(
        f"{facts['texts']} {item}s, {len(facts['labels'])} labels"
        f"{f'; left out: {named}' if any(left_out.values()) else ''}"
    )
    typer.echo(f"held out: {figures_line(facts['held_out'])}")
    thresholds = facts["thresholds"]
    typer.echo(f"thresholds: auto_at {thresholds['auto_at']:.3f}, review_at {thresholds['review_at']:.3f}")
    if facts["near_duplicates"]:
        typer.echo(
            f"nearly identical to another {item} of their label, so held out together: {facts['near_duplicates']}"
        )
    worst = [(str(p["count"]), f"{p['label']} mistaken for {p['taken_for']}") for p in facts["confused"][:LISTED]]
    print_table(f"most often confused on held-out {item}s", (f"{item}s", "labels"), worst)
    typer.echo(f"wrote head {outcome.head.fingerprint} to {out} and a proposed policy to {outcome.policy}")
    if outcome.policy.name != POLICY_FILE:
        typer.echo(f"the existing {POLICY_FILE} was kept and is still used: compare the two files")


def figures_line(held_out: Mapping[str, Any]) -> str:
    """Return the held-out figures of a head on one line."""
    return (
        f"accuracy {held_out['accuracy']:.4f}, macro F1 {held_out['macro_f1']:.4f}, calibration error "
        f"{held_out['ece']:.4f}, {held_out['coverage_at_95_precision']:.1%} decided at 95 % precision"
    )


def print_figures(figures: Mapping[str, float | int]) -> None:
    """Print the figures of an evaluation, one a line."""
    for name, value in figures.items():
        typer.echo(f"{name:<26} {value if isinstance(value, int) else f'{value:.4f}'}")


def warn_of_unknown(unknown: Mapping[str, int], item: str) -> None:
    """Warn of labels that the head does not know, each given with its number of items."""
    if unknown:
        named = ", ".join(f"{label} ({rows})" for label, rows in list(unknown.items())[:LISTED])
        sys.stderr.write(
            f"warning: the head does not know {counted(len(unknown), 'label')}; their {item}s count as out of scope: "
            f"{named}\n"
        )


def warn_of_result(outcome: "TrainingResult", item: str) -> None:
    """Warn of what makes a new head less good than it could be."""
    if outcome.outside == 0:
        sys.stderr.write(
            f"warning: no {item} has the out-of-scope label, so the scope score is learned by leaving labels out\n"
        )
    if outcome.contested:
        sys.stderr.write(f"warning: {item}s that occur under more than one label: {outcome.contested}\n")
    warn_of_training(dict(outcome.head.facts), item)


def warn_of_training(facts: Mapping[str, Any], item: str) -> None:
    """Warn of labels with few examples and of probable mislabels, as found in training."""
    if facts["rare_labels"]:
        sys.stderr.write(f"warning: labels with fewer than 10 {item}s: {', '.join(facts['rare_labels'])}\n")
    if facts["mislabels"]:
        sys.stderr.write(f"warning: {facts['mislabels_found']} probable mislabels, the clearest first:\n")
    for each in facts["mislabels"][:LISTED]:
        sys.stderr.write(f"  {each['label']}, probably {each['suggested']}: {shortened(each['text'])}\n")
    if len(facts["mislabels"]) > LISTED:
        sys.stderr.write("  ... (more with `router show DIR --json`)\n")


def shortened(text: str) -> str:
    """Return a text on one line, cut after `SHOWN_CHARS` characters."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 1] + "…"


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; long cells are folded."""
    table = Table(title=title, title_justify="left", box=None)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(" ".join(cell.split())) for cell in row))
    Console(highlight=False).print(table)
