"""Trains and evaluates heads on pictures and titles of products, for `millrace classes`."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from millrace.learning.heads import (
    TrainingResult,
    check_labels,
    check_outside,
    evaluated,
    learn,
    unknown_labels,
)
from millrace.learning.product_files import LabelledPictures
from millrace.learning.product_reading import ProductReading, Products
from shared.embedding.port import IMAGE, TEXT
from shared.errors import Fatal
from shared.routing.head import Head
from shared.routing.head_files import make_folder
from shared.routing.training.evaluate import Evaluation, right_decisions
from shared.slices import mean_interval


def inputs_of(pictures: LabelledPictures) -> tuple[str, ...]:
    """Return the inputs of a head for these products: texts are an input if any product has one."""
    return (IMAGE.name, TEXT.name) if pictures.has_texts else (IMAGE.name,)


def train_classes(
    reading: ProductReading, pictures: LabelledPictures, outside_label: str | None, folder: Path
) -> tuple[TrainingResult, Products]:
    """Train a head on labelled products and write it, with a proposed routing.toml.

    Args:
        reading: Reads the inputs that `inputs_of` names.
        pictures: The labelled products.
        outside_label: The label of products that belong to no class; they are used only for the scope score.
        folder: The folder to write the head to.

    Returns:
        The result, and the products as they were read.

    Raises:
        Fatal: there are too few products or labels, a label is not valid, no picture can be used, or the folder
            cannot be written.
    """
    check_labels(pictures.labels)
    make_folder(folder)  # a folder that cannot be written is reported before the training
    products, inputs = reading.read(pictures), inputs_of(pictures)
    model = "+".join(reading.fingerprints[name] for name in inputs)
    return train_on(products, inputs, model, outside_label, folder), products


def train_on(
    products: Products, inputs: tuple[str, ...], model: str, outside_label: str | None, folder: Path
) -> TrainingResult:
    """Train a head of these inputs on products that have been read; see `train_classes`."""
    distinct = {key: row for row, key in reversed(list(enumerate(_keys(products, inputs))))}
    rows = sorted(distinct.values())
    inside = [row for row in rows if products.rows[row].label != outside_label]
    outside = [row for row in rows if products.rows[row].label == outside_label]
    labels = tuple(sorted({products.rows[row].label for row in inside}))
    if not labels:
        raise Fatal("training needs pictures with other labels than the out-of-scope label")
    out_of_scope = products.examples(outside, labels, inputs) if outside else None
    found = learn(products.examples(inside, labels, inputs), out_of_scope, model, folder)
    counted = None if outside_label is None else len(outside)
    return replace(found, repeated=len(products.rows) - len(rows), outside=counted)


def _keys(products: Products, inputs: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Return what makes each product the same example as another one: picture, text and label."""
    texts = products.texts if TEXT.name in inputs else ("",) * len(products.rows)
    return list(zip(products.digests, texts, products.labels, strict=True))


@dataclass(frozen=True, slots=True)
class ClassReport:
    """The result of an evaluation.

    Attributes:
        figures: The metrics on all products.
        interval: The 95 % interval of the accuracy (Wilson's).
        unknown: Label that the head does not know -> number of its products.
        damaged: What is wrong with each picture that could not be used; it counts in no figure.
    """

    figures: Evaluation
    interval: tuple[float, float]
    unknown: dict[str, int]
    damaged: tuple[str, ...]


def evaluate_classes(
    reading: ProductReading, head: Head, pictures: LabelledPictures, outside_label: str | None
) -> ClassReport:
    """Measure a head on labelled products.

    Args:
        reading: Reads the head's inputs.
        head: The head.
        pictures: The labelled products.
        outside_label: The label of products that belong to no class.

    Raises:
        Fatal: the head was trained on other models or inputs, the head knows the out-of-scope label, no picture can be
            decoded, or no product has a label of the head.
    """
    check_outside(head, outside_label)
    head.check_model(reading.fingerprints)
    return report_on(reading.read(pictures), head, outside_label)


def report_on(products: Products, head: Head, outside_label: str | None = None) -> ClassReport:
    """Measure a head on products that have been read; see `evaluate_classes`."""
    texts = products.texts if TEXT.name in head.inputs else ("",) * len(products.rows)
    predictions = head.predict(texts, products.features(head.inputs))
    figures = evaluated(head, predictions, products.labels)
    right = right_decisions(head, predictions, products.labels).astype(np.float64)
    unknown = unknown_labels(head, products.labels, outside_label)
    return ClassReport(figures, mean_interval(right), unknown, products.damaged)
