"""Training, evaluating and explaining routing heads, from files: what `millrace router` does, without its options."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from millrace.bars import bar
from millrace.learning.labelled_files import LabelledFile, Reading, some
from schemas.decisions import Label
from shared.errors import Fatal
from shared.routing.head import Head
from shared.routing.head_files import make_folder, save_head
from shared.routing.policy import POLICY_FILE
from shared.routing.training.evaluate import Evaluation, evaluate_predictions
from shared.routing.training.findings import facts_of
from shared.routing.training.folds import Examples
from shared.routing.training.proposal import propose
from shared.routing.training.train import Trained, steps, train

PROPOSAL_FILE = "routing.proposed.toml"
LABEL: TypeAdapter[str] = TypeAdapter(Label)


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What training made.

    Attributes:
        head: As it was written and read back.
        policy: Where the proposed routing.toml was written.
        trained: What was held out, for the pictures.
        examples: What it was trained on.
        repeated: How many rows repeated a text and label and were left out.
        contested: How many texts stand under more than one label.
    """

    head: Head
    policy: Path
    trained: Trained
    examples: Examples
    repeated: int
    contested: int


def train_head(reading: Reading, file: LabelledFile, outside_label: str | None, folder: Path) -> TrainingResult:
    """Train a head on a file and write it, with a proposed routing.toml.

    Args:
        reading: Prepares and embeds.
        file: Labelled texts.
        outside_label: The label of rows that belong nowhere: they teach the scope score alone.
        folder: Where the head goes.

    Raises:
        Fatal: there is too little to learn from, or the folder cannot be written.
    """
    _check_labels(dict.fromkeys(file.labels))
    make_folder(folder)  # what cannot be written shows before the work, not after it
    prepared = reading.prepare_file(file)
    pairs = list(dict.fromkeys(pair for pair in zip(prepared, file.labels, strict=True) if pair[0]))
    inside = [pair for pair in pairs if pair[1] != outside_label]
    outside = [pair for pair in pairs if pair[1] == outside_label]
    if outside_label is not None and not outside:
        raise Fatal(f"no row has the label {outside_label}")
    vectors = reading.embed([text for text, _ in inside + outside])
    examples = Examples.of([text for text, _ in inside], [label for _, label in inside], vectors[: len(inside)])
    strangers = None
    if outside:
        nowhere = np.full(len(outside), -1)
        strangers = Examples(tuple(text for text, _ in outside), vectors[len(inside) :], nowhere, examples.labels)
    with bar("training", steps(examples, strangers)) as advance:
        trained = train(examples, strangers, reading.fingerprint, lambda: advance(1))
    policy = _write_policy(folder, propose(examples.labels, trained.auto_at, trained.review_at))
    head = save_head(replace(trained.head, facts=facts_of(trained, examples)), folder)
    contested = len(inside) - len({text for text, _ in inside})
    return TrainingResult(head, policy, trained, examples, len(file.texts) - len(pairs), contested)


def evaluate_head(
    reading: Reading, head: Head, file: LabelledFile, outside_label: str | None
) -> tuple[Evaluation, dict[str, int]]:
    """Return a head's figures on a file, and the labels it does not know with their number of rows.

    Raises:
        Fatal: the head is another model's, knows the out-of-scope label, or not one row has a label of the head.
    """
    if outside_label in head.labels:
        raise Fatal(
            f"the head was trained with {outside_label} as a label like any other; train it with "
            f"--out-of-scope-label {outside_label}"
        )
    counts = Counter(file.labels)
    unknown = {label: counts[label] for label in sorted(counts.keys() - set(head.labels) - {outside_label})}
    try:
        figures = evaluate_predictions(head, reading.predict(head, file), file.labels)
    except ValueError as error:
        raise Fatal(f"{error}; it has {some(head.labels)}") from error
    return figures, unknown


def _write_policy(folder: Path, proposal: str) -> Path:
    """Write the proposed policy; one that is there may have been edited, so it stays and the proposal lies beside it."""
    path = folder / POLICY_FILE
    try:
        if path.exists() and path.read_text(encoding="utf-8") != proposal:
            path = folder / PROPOSAL_FILE
        path.write_text(proposal, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(f"{path} cannot be written: {error}") from error
    return path


def _check_labels(labels: Iterable[str]) -> None:
    for label in labels:
        try:
            LABEL.validate_python(label)
        except ValidationError as error:
            raise Fatal(f"the label {label[:40]!r} cannot be: {error.errors()[0]['msg']}") from error
