"""Trains and evaluates routing heads: on files of texts for `millrace router`, on any examples for its siblings."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from millrace.bars import bar
from millrace.learning.labelled_files import LabelledFile, Reading, some
from schemas.decisions import Label
from shared.errors import Fatal
from shared.routing.head import Head, Predictions
from shared.routing.head_files import make_folder, save_head
from shared.routing.inputs import TEXT_ALONE
from shared.routing.policy import POLICY_FILE
from shared.routing.training.evaluate import Evaluation, evaluate_predictions, right_decisions
from shared.routing.training.findings import facts_of
from shared.routing.training.folds import Examples
from shared.routing.training.plan import plan_training
from shared.routing.training.proposal import propose
from shared.routing.training.train import Trained, train
from shared.slices import Judged, column_slices, judge_slices, length_slices
from shared.text.language import detect_language

PROPOSAL_FILE = "routing.proposed.toml"
LABEL: TypeAdapter[str] = TypeAdapter(Label)


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of a training.

    Attributes:
        head: The head as written to disk and read back.
        policy: Path of the proposed routing.toml.
        trained: The held-out answers, for the plots.
        examples: The examples that the head was trained on.
        repeated: Number of rows that were left out because they repeat a content and label or have no text to embed.
        contested: Number of contents that occur under more than one label.
        outside: Number of examples with the out-of-scope label; None if no such label was named.
    """

    head: Head
    policy: Path
    trained: Trained
    examples: Examples
    repeated: int
    contested: int
    outside: int | None


def train_head(reading: Reading, file: LabelledFile, outside_label: str | None, folder: Path) -> TrainingResult:
    """Train a head on a file and write it, with a proposed routing.toml.

    Args:
        reading: Prepares and embeds the texts.
        file: The labelled texts.
        outside_label: The label of rows that belong to no queue; they are used only for the scope score.
        folder: The folder to write the head to.

    Raises:
        Fatal: there are too few texts or labels, a label is not valid, or the folder cannot be written.
    """
    check_labels(file.labels)
    make_folder(folder)  # a folder that cannot be written is reported before the training
    prepared = reading.prepare_file(file)
    pairs = list(dict.fromkeys(pair for pair in zip(prepared, file.labels, strict=True) if pair[0]))
    inside = [pair for pair in pairs if pair[1] != outside_label]
    outside = [pair for pair in pairs if pair[1] == outside_label]
    vectors = reading.embed([text for text, _ in inside + outside])
    examples = Examples.of([text for text, _ in inside], [label for _, label in inside], vectors[: len(inside)])
    out_of_scope = None
    if outside:
        no_label = np.full(len(outside), -1)
        out_of_scope = Examples(tuple(text for text, _ in outside), vectors[len(inside) :], no_label, examples.labels)
    found = learn(examples, out_of_scope, reading.fingerprint, folder)
    counted = None if outside_label is None else len(outside)
    return replace(found, repeated=len(file.texts) - len(pairs), outside=counted)


def learn(examples: Examples, out_of_scope: Examples | None, model: str, folder: Path) -> TrainingResult:
    """Train a head on examples and write it, with a proposed routing.toml.

    Args:
        examples: The labelled examples; no content occurs twice under one label.
        out_of_scope: Examples that belong to no label; None if all have one.
        model: Fingerprint of the model that computed the vectors; those of several inputs are joined by "+".
        folder: The folder to write the head to.

    Raises:
        Fatal: there are too few examples or labels, or the folder cannot be written.
    """
    plan = plan_training(examples, out_of_scope)
    with bar("training", plan.steps) as advance:
        trained = train(plan, model, lambda: advance(1))
    make_folder(folder)
    of_texts = examples.inputs == TEXT_ALONE
    proposal = propose(examples.labels, trained.auto_at, trained.review_at, of_texts=of_texts)
    policy = _write_policy(folder, proposal)
    head = save_head(replace(trained.head, facts=facts_of(trained, examples)), folder)
    contested = sum(times > 1 for times in Counter(examples.contents).values())
    return TrainingResult(head, policy, trained, examples, repeated=0, contested=contested, outside=None)


@dataclass(frozen=True, slots=True)
class HeadReport:
    """The result of an evaluation.

    Attributes:
        figures: The metrics on all rows.
        unknown: Label that the head does not know -> number of its rows.
        slices: Name of a slice -> its accuracy, compared with that of all rows: by length, by language (detected if the
            file has no such column) and by the other columns of the file that form slices.
    """

    figures: Evaluation
    unknown: dict[str, int]
    slices: dict[str, Judged]


def evaluate_head(reading: Reading, head: Head, file: LabelledFile, outside_label: str | None) -> HeadReport:
    """Measure a head on a file.

    Raises:
        Fatal: the head was trained on another model, the head knows the out-of-scope label, or no row has a label of
            the head.
    """
    check_outside(head, outside_label)
    predictions = reading.predict(head, file)
    figures = evaluated(head, predictions, file.labels)
    right = right_decisions(head, predictions, file.labels).astype(np.float64)
    columns = dict(file.columns)
    if "language" not in columns:
        columns["language (detected)"] = tuple(map(detect_language, file.texts))
    slices = judge_slices(right, length_slices(file.texts) | column_slices(columns))
    return HeadReport(figures, unknown_labels(head, file.labels, outside_label), slices)


def check_outside(head: Head, outside_label: str | None) -> None:
    """Check that the out-of-scope label is not one of the head's own labels.

    Raises:
        Fatal: it is.
    """
    if outside_label in head.labels:
        raise Fatal(
            f"the head was trained with {outside_label} as an ordinary label; train it again with "
            f"--out-of-scope-label {outside_label}"
        )


def evaluated(head: Head, predictions: Predictions, labels: Sequence[str]) -> Evaluation:
    """Compare predictions with the labels of a file.

    Raises:
        Fatal: no row has a label of the head.
    """
    try:
        return evaluate_predictions(head, predictions, labels)
    except ValueError as error:
        raise Fatal(f"{error}; the head has {some(head.labels)}") from error


def unknown_labels(head: Head, labels: Sequence[str], outside_label: str | None) -> dict[str, int]:
    """Return the labels that the head does not know, each with its number of rows, sorted by name."""
    counts = Counter(labels)
    return {label: counts[label] for label in sorted(counts.keys() - set(head.labels) - {outside_label})}


def _write_policy(folder: Path, proposal: str) -> Path:
    """Write the proposed policy, under another name if a different policy exists, which may have been edited."""
    path = folder / POLICY_FILE
    try:
        if path.exists() and path.read_text(encoding="utf-8") != proposal:
            path = folder / PROPOSAL_FILE
        path.write_text(proposal, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(f"{path} cannot be written: {error}") from error
    return path


def check_labels(labels: Iterable[str]) -> None:
    """Check the labels of a file.

    Raises:
        Fatal: a label is empty or too long.
    """
    for label in dict.fromkeys(labels):
        try:
            LABEL.validate_python(label)
        except ValidationError as error:
            raise Fatal(f"the label {label[:40]!r} is not valid: {error.errors()[0]['msg']}") from error
