"""`python -m benchmarks.training [PART ...]`: what the choices of the training change in a head.

Needs `MILLRACE_DATA`. It prints the comparisons of `docs/accuracy.md`: each head with and without a part of its training.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from unittest.mock import patch

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.decisions import FEWEST, SEEDS, Texts, drawn_from, load, measured, trained_on
from millrace.learning.labelled_files import Reading
from shared.clock import SystemClock
from shared.logs import configure
from shared.routing import features, scope
from shared.routing.training import near_duplicates, recipe
from shared.stream_settings import StreamSettings

OUTSIDE = "NO_NODES_DETECTED"
LIMITS = ((2.0, 2.0), (0.95, 0.8), (0.85, 0.6))
"""Limits of likeness, of vectors and of terms; nothing reaches the first pair, so only identical texts are grouped."""

RARE_LABELS, OTHERS = 20, 40


@contextmanager
def without_class_weights() -> Iterator[None]:
    """Train without class weights meanwhile."""
    with patch.object(recipe, "UNEVEN", float("inf")):
        yield


def report_groups(train_part: Texts, test_part: Texts) -> None:
    """Held-out and test accuracy of curekart's labels, by the limits of likeness."""
    inside = test_part.where(np.array(test_part.labels) != OUTSIDE)
    print(
        f"\ncurekart, {len(train_part.texts)} + {len(inside.texts)} texts in scope: which texts are held out together"
    )
    for vectors, terms in LIMITS:
        alike = patch.multiple(near_duplicates, ALIKE_VECTORS=vectors, ALIKE_TERMS=terms)
        with alike:
            trained = trained_on(train_part)
        right = trained.held_out.argmax(axis=1)[trained.known] == train_part.examples().truth[trained.known]
        print(
            f"  cosine {vectors}, terms {terms}: near-duplicates {trained.near_duplicates}, accuracy "
            f"held out {right.mean():.4f}, test {measured(trained, inside).accuracy:.4f}"
        )


def report_ratio(train_part: Texts, test_part: Texts) -> None:
    """The scope score on curekart, by how much evidence moves its ratio."""
    print("\ncurekart: standard errors of evidence that move the scope's ratio from the usual one")
    for errors in (0.0, 1.0, 2.0):
        with patch.object(scope, "BEYOND_CHANCE", errors):
            trained = trained_on(train_part)
        weights, figures = trained.head.scope, measured(trained, test_part)
        print(
            f"  {errors:.0f}: ratio {-weights.nearness / weights.spread:.1f}, AUROC {figures.oos_auroc:.4f}, in scope "
            f"but given up {figures.in_scope_given_up:.4f}"
        )


def report_uneven(train_part: Texts, test_part: Texts) -> None:
    """Labels of very different sizes, with and without class weights: Banking77's, and eight of them joined into one."""
    for together in (1, 8):
        _report_uneven(joined(train_part, together), joined(test_part, together))


def joined(texts: Texts, together: int) -> Texts:
    """Return the texts with each few labels that follow each other by name joined into one."""
    place = {name: number // together for number, name in enumerate(sorted(set(texts.labels)))}
    return Texts(texts.texts, tuple(f"group {place[label]:02d}" for label in texts.labels), texts.vectors)


def _report_uneven(train_part: Texts, test_part: Texts) -> None:
    labels, sizes = np.unique(train_part.labels, return_counts=True)
    counts = np.geomspace(sizes.max(), FEWEST, len(labels)).round().astype(int).tolist()
    scores: dict[str, list[float]] = {"with class weights": [], "without": []}
    for seed in SEEDS:
        order = labels[np.random.default_rng(seed).permutation(len(labels))].tolist()
        drawn = drawn_from(train_part, dict(zip(order, counts, strict=True)), seed)
        scores["with class weights"].append(measured(trained_on(drawn), test_part).macro_f1)
        with without_class_weights():
            scores["without"].append(measured(trained_on(drawn), test_part).macro_f1)
    print(f"\nBanking77, {len(labels)} labels of {counts[0]} to {counts[-1]} texts: macro F1, mean (lowest-highest)")
    for name, values in scores.items():
        print(f"  {name:<20} {mean(values):.4f} ({min(values):.4f}-{max(values):.4f})")


def report_scarce(train_part: Texts, test_part: Texts) -> None:
    """Labels with one or two texts, with and without class weights, and by the nearest text."""
    labels = sorted(set(train_part.labels))
    print(
        f"\nBanking77, {RARE_LABELS} labels with few texts, the others with {OTHERS}: macro F1 of the few, and of all"
    )
    for count in (1, 2):
        scores: dict[str, list[tuple[float, float]]] = {}
        for seed in SEEDS:
            rare = np.random.default_rng(seed).permutation(labels)[:RARE_LABELS].tolist()
            known = drawn_from(train_part, dict.fromkeys(labels, OTHERS) | dict.fromkeys(rare, count), seed)
            nearest = (test_part.vectors @ known.vectors.T).argmax(axis=1)
            answers = {
                "with class weights": answered(known, test_part),
                "nearest text": np.array(known.labels)[nearest],
            }
            with without_class_weights():
                answers["without"] = answered(known, test_part)
            for name, given in answers.items():
                few = f1_score(test_part.labels, given, labels=rare, average="macro", zero_division=0.0)
                every = f1_score(test_part.labels, given, average="macro", zero_division=0.0)
                scores.setdefault(name, []).append((float(few), float(every)))
        for name, values in scores.items():
            few, every = (mean(column) for column in zip(*values, strict=True))
            print(f"  {count} text{'s' if count > 1 else ''}, {name:<20} {few:.3f} {every:.3f}")


def report_terms(train_part: Texts, test_part: Texts) -> None:
    """Other lengths of runs of characters: accuracy of the head, and the time to weigh the terms of a text."""
    print("\nBanking77: lengths of the runs of characters, accuracy of the head, microseconds per text (least of five)")
    clock = SystemClock()
    for lengths in ((4, 4), (2, 5)):
        with patch.object(features, "PIECES", features.PIECES | {"ngram_range": lengths}):
            trained = trained_on(train_part)
            times_s = []
            for _ in range(5):
                began_s = clock.monotonic_s()
                trained.head.terms.weigh(test_part.texts)
                times_s.append(clock.monotonic_s() - began_s)
            micros = min(times_s) / len(test_part.texts) * 1e6
            print(f"  {lengths[0]} to {lengths[1]}: {measured(trained, test_part).accuracy:.4f}, {micros:.0f}")


def answered(known: Texts, asked: Texts) -> list[str]:
    """Return the label that a head trained on some texts gives each of others."""
    head = trained_on(known).head
    return [head.labels[n] for n in head.predict(asked.texts, asked.vectors).probabilities.argmax(axis=1)]


def main() -> None:
    """Measure the named parts, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    curekart = {"groups": report_groups, "ratio": report_ratio}
    banking77 = {"uneven": report_uneven, "scarce": report_scarce, "terms": report_terms}
    parts = (*curekart, *banking77)
    parser.add_argument("part", nargs="*", default=parts, help=f"parts to measure, of {', '.join(parts)}")
    wanted = parser.parse_args().part
    configure("error", json_lines=False)
    reading, texts = Reading(StreamSettings()), Path(os.environ["MILLRACE_DATA"]) / "text"
    for reports, folder, columns in (
        (curekart, "hint3_curekart", ("sentence", "label")),
        (banking77, "banking77", ("text", "category")),
    ):
        if reports.keys() & set(wanted):
            both = [load(reading, texts / folder / f"{part}.csv", *columns) for part in ("train", "test")]
            for part in reports.keys() & set(wanted):
                reports[part](*both)


if __name__ == "__main__":
    main()
