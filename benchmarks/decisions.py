"""`python -m benchmarks.decisions [PART ...]`: the quality of heads' decisions; the figures of `docs/accuracy.md`.

Needs `MILLRACE_DATA`, except for the samples. `--model` names another model than the default. Each text is embedded
once; a run takes about five minutes on two cores.
"""

import argparse
import csv
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from benchmarks.samples import Labelled, labelled_samples, message_of, report_search, share_with_interval
from millrace.learning.labelled_files import Reading
from shared.clock import SystemClock
from shared.embedding.port import Matrix
from shared.logs import configure
from shared.model_settings import EmbeddingSettings
from shared.routing.calibration import expected_calibration_error
from shared.routing.features import TfIdf
from shared.routing.linear import fit_dense, fit_sparse
from shared.routing.neighbours import vote
from shared.routing.training.evaluate import Evaluation, evaluate_predictions
from shared.routing.training.folds import Examples
from shared.routing.training.plan import plan_training
from shared.routing.training.train import Trained, train
from shared.stream_settings import StreamSettings
from shared.vectorstore.port import Hit

SEEDS = range(5)
FEW = (10, 5)
FEWEST = 3
IN_SCOPE = 60
NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class Texts:
    """Labelled texts with their vectors, shape (n, dim)."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    vectors: Matrix

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Texts":
        """Return the chosen texts."""
        rows = np.arange(len(self.texts))[chosen]
        return Texts(tuple(self.texts[n] for n in rows), tuple(self.labels[n] for n in rows), self.vectors[rows])

    def examples(self) -> Examples:
        """Return the texts as examples for training."""
        return Examples.of(self.texts, self.labels, self.vectors)


def load(reading: Reading, file: Path, text: str, label: str) -> Texts:
    """Read, prepare and embed a file."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    prepared = reading.prepare([row[text] for row in rows])
    return Texts(tuple(prepared), tuple(row[label] for row in rows), reading.embed(prepared))


def trained_on(texts: Texts) -> Trained:
    """Train a head."""
    return train(plan_training(texts.examples(), None), "benchmark", lambda: None)


def measured(trained: Trained, asked: Texts) -> Evaluation:
    """Evaluate a head."""
    return evaluate_predictions(trained.head, trained.head.predict(asked.texts, asked.vectors), asked.labels)


def parts_alone(known: Texts, asked: Texts) -> dict[str, float]:
    """Return the accuracy of vectors alone, terms alone, and the vote of neighbours."""
    examples, terms = known.examples(), TfIdf.fit(known.texts)
    right = np.array([examples.labels.index(label) for label in asked.labels])
    learned, weighed = terms.weigh(known.texts), terms.weigh(asked.texts)
    labels, dim = len(examples.labels), known.vectors.shape[1]
    fits = {
        "vectors alone": fit_dense(known.vectors, examples.truth, labels, len(terms)),
        "terms alone": fit_sparse(learned, examples.truth, labels, dim),
    }
    shares = {
        name: float((fit.logits(asked.vectors, weighed).argmax(axis=1) == right).mean()) for name, fit in fits.items()
    }
    return shares | {"vote": mean(each == label for each, label in zip(voted(known, asked), asked.labels, strict=True))}


def voted(known: Texts, asked: Texts) -> list[str]:
    """Return the votes of the nearest labelled texts."""
    cosines = asked.vectors @ known.vectors.T
    nearest = np.argsort(-cosines, axis=1)[:, :NEIGHBOURS]
    return [
        vote([Hit(None, float(row[n]), {"label": known.labels[n]}) for n in near], "label")[0][0]  # type: ignore[arg-type]  # the vote does not look at ids
        for row, near in zip(cosines, nearest, strict=True)
    ]


def report_banking77(train_part: Texts, test_part: Texts) -> None:
    """All labels: accuracy and calibration."""
    began_s = SystemClock().monotonic_s()
    trained = trained_on(train_part)
    seconds = SystemClock().monotonic_s() - began_s
    figures = measured(trained, test_part)
    print(f"\nBanking77, {len(train_part.texts)} + {len(test_part.texts)} texts; trained in {seconds:.0f} s")
    print(f"  recipe: {trained.recipe}")
    for name, loss in trained.losses.items():
        print(f"    held-out log loss, {name}: {loss:.4f}")
    for name, value in (figures.as_dict() | parts_alone(train_part, test_part)).items():
        print(f"  {name:<26} {value:.4f}")


def report_scope(train_part: Texts, test_part: Texts) -> None:
    """Sixty of the labels known, the others out of scope; drawn again for each seed, and the first sixty by name."""
    print(
        f"\nOut of scope: {IN_SCOPE} of 77 labels known; AUROC of the score, of confidence alone, of the nearest text alone"
    )
    names = np.array(sorted(set(train_part.labels)))
    draws = {"first by name": names[:IN_SCOPE]} | {
        f"seed {seed}": np.random.default_rng(seed).permutation(names)[:IN_SCOPE] for seed in SEEDS
    }
    for name, known in draws.items():
        figures = measured(trained_on(train_part.where(np.isin(train_part.labels, known))), test_part)
        reported = (figures.oos_auroc, figures.oos_auroc_confidence, figures.oos_auroc_nearest)
        print(
            f"  {name:<14} {' '.join(f'{value:.4f}' for value in reported)}  in scope {figures.in_scope_accuracy:.4f}"
        )


def report_few(train_part: Texts, test_part: Texts) -> None:
    """Ten and five texts per label."""
    for count in FEW:
        print(f"\nFew labels: {count} texts per label, seeds {list(SEEDS)}; mean (lowest-highest)")
        _over_seeds(partial(drawn_from, train_part, dict.fromkeys(train_part.labels, count)), test_part)


def report_uneven(train_part: Texts, test_part: Texts) -> None:
    """Labels of very different sizes: from all texts of the largest label to three, in random order."""
    labels, sizes = np.unique(train_part.labels, return_counts=True)
    counts = np.geomspace(sizes.max(), FEWEST, len(labels)).round().astype(int)
    print(f"\nUneven labels: {counts[0]} to {counts[-1]} texts, seeds {list(SEEDS)}; mean (lowest-highest)")

    def uneven(seed: int) -> Texts:
        order = np.random.default_rng(seed).permutation(len(labels))
        wanted = dict(zip(labels[order].tolist(), counts.tolist(), strict=True))
        return drawn_from(train_part, wanted, seed)

    _over_seeds(uneven, test_part)


def drawn_from(texts: Texts, counts: Mapping[str, int], seed: int) -> Texts:
    """Return a number of random texts of each label, or all if a label has fewer."""
    drawn, labels = np.random.default_rng(seed), np.array(texts.labels)
    rows = [drawn.permutation(np.flatnonzero(labels == name))[: counts[name]] for name in sorted(set(texts.labels))]
    return texts.where(np.concatenate(rows))


def _over_seeds(draw: Callable[[int], Texts], test_part: Texts) -> None:
    seen: dict[str, list[float]] = {}
    for seed in SEEDS:
        few = draw(seed)
        figures = measured(trained_on(few), test_part)
        reported = {
            "head": figures.accuracy,
            "head's macro F1": figures.macro_f1,
            "head's calibration error": figures.ece,
        }
        for name, value in (reported | parts_alone(few, test_part)).items():
            seen.setdefault(name, []).append(value)
    for name, values in seen.items():
        print(f"  {name:<26} {mean(values):.4f} ({min(values):.4f}-{max(values):.4f})")


def report_bitext(reading: Reading, folder: Path) -> None:
    """Bitext's templates: by intent and by category."""
    for label in ("intent", "category"):
        known, asked = (load(reading, folder / f"{part}.csv", "utterance", label) for part in ("train", "test"))
        unique = known.where(
            np.unique(
                np.array([f"{t}\0{n}" for t, n in zip(known.texts, known.labels, strict=True)]), return_index=True
            )[1]
        )
        print(f"\nBitext by {label}: {len(unique.texts)} + {len(asked.texts)} texts")
        for name, value in (measured(trained_on(unique), asked).as_dict() | parts_alone(unique, asked)).items():
            print(f"  {name:<26} {value:.4f}")


def report_samples(reading: Reading) -> None:
    """Millrace's own samples, English, French and mixed: held out by cross-validation, then the open tickets."""
    folder = files("millrace.demo").joinpath("samples")
    rows = [json.loads(line) for line in folder.joinpath("tickets.jsonl").read_text(encoding="utf-8").splitlines()]
    intended = json.loads(folder.joinpath("expected.json").read_text(encoding="utf-8"))
    solved = [row for row in rows if row["reason"] == "solved"]
    opened = [row for row in rows if row["reason"] == "created" and intended[row["ticket_id"]] is not None]
    known = _of_samples(reading, solved, [row["agent_label"] for row in solved])
    trained = trained_on(known)
    right = trained.held_out.argmax(axis=1) == known.examples().truth
    print(
        f"\nOur samples: {len(solved)} solved tickets in 12 labels; recipe {trained.recipe.kind} {trained.recipe.weight}"
    )
    _by_language("held out", solved, right, trained.held_out.max(axis=1))
    asked = _of_samples(reading, opened, [intended[row["ticket_id"]] for row in opened])
    shares = trained.head.predict(asked.texts, asked.vectors).probabilities
    answers = [trained.head.labels[column] for column in shares.argmax(axis=1)]
    _by_language("open", opened, np.array(answers) == asked.labels, shares.max(axis=1))
    _by_language("open, by vote", opened, np.array(voted(known, asked)) == asked.labels, None)


def _of_samples(reading: Reading, rows: Sequence[dict[str, str]], labels: Sequence[str]) -> Texts:
    prepared = reading.prepare([message_of(row) for row in rows])
    return Texts(tuple(prepared), tuple(labels), reading.embed(prepared))


def _by_language(
    name: str, rows: Sequence[dict[str, str]], right: NDArray[np.bool_], confidence: NDArray[np.float32] | None
) -> None:
    languages = np.array([row["language"] for row in rows])
    for language in sorted(set(languages)):
        chosen = languages == language
        error = (
            "" if confidence is None else f", ece {expected_calibration_error(confidence[chosen], right[chosen]):.3f}"
        )
        print(f"  {name}, {language}: {share_with_interval(int(right[chosen].sum()), int(chosen.sum()))}{error}")


def questions(file: Path) -> Labelled:
    """Return the questions of a file of Banking77."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    return Labelled([row["text"] for row in rows], [row["category"] for row in rows], [None] * len(rows))


def main() -> None:
    """Measure the named parts, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("banking77", "scope", "few", "uneven", "bitext", "samples", "search")
    parser.add_argument(
        "part", nargs="*", default=parts, help=f"parts to measure, of {', '.join(parts)}; all by default"
    )
    parser.add_argument("--model", default=EmbeddingSettings().model, help="the model, a table of models.toml")
    given = parser.parse_args()
    wanted = given.part
    configure("error", json_lines=False)
    own = StreamSettings(embedding=EmbeddingSettings(model=given.model))
    reading, texts = Reading(own), Path(os.environ.get("MILLRACE_DATA", "")) / "text"
    print(f"model {given.model}, fingerprint {reading.fingerprint}")
    if {"banking77", "scope", "few", "uneven"} & set(wanted):
        both = [load(reading, texts / "banking77" / f"{part}.csv", "text", "category") for part in ("train", "test")]
        for part, report in (
            ("banking77", report_banking77),
            ("scope", report_scope),
            ("few", report_few),
            ("uneven", report_uneven),
        ):
            if part in wanted:
                report(*both)
    if "bitext" in wanted:
        report_bitext(reading, texts / "bitext_support")
    if "samples" in wanted:
        report_samples(reading)
        report_search(reading, own, "Our samples", labelled_samples())
    if "search" in wanted:
        report_search(reading, own, "Banking77's test questions", questions(texts / "banking77" / "test.csv"))


if __name__ == "__main__":
    main()
