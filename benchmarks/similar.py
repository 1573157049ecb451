"""The quality of the search for similar tickets on the sets that docs/accuracy.md names, with the default weights.

`python -m benchmarks.similar` prints all sets, `python -m benchmarks.similar NAME` one of them. Banking77 needs
`MILLRACE_DATA`; the other sets are in this repository.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from millrace.configured import model_card
from millrace.ingest.table_files import TableFile
from millrace.learning.labelled_files import embed
from millrace.learning.search_weights import (
    Corpus,
    Queries,
    build_table,
    distinct_texts,
    evaluate_search,
    read_corpus,
    read_queries,
)
from millrace.resources import load_text_model
from millrace.search_answers import print_metrics
from shared.embedding.port import TextModel
from shared.search.tuning.weights import Weights
from shared.stream_settings import StreamSettings
from shared.text.preparation import Preparer

FOLDER = Path(__file__).parent / "only_resolutions"
SEED = 1
COLUMNS_SHOWN = 140
SETTINGS = StreamSettings()
PREPARER = Preparer(model_card(SETTINGS).preparation)
SAYING_NOTHING = (
    "We are sorry for the trouble. The problem is solved now, please try again.",
    "Thank you for your patience. A colleague took care of it.",
    "Fixed with the last update.",
    "Solved by phone; the customer confirmed that it works.",
    "We apologise for the inconvenience and have added a voucher to your account.",
    "Closed: duplicate of an older request, answered there.",
    "Escalated to the second level, which solved it the same day.",
)
"""Resolutions that say nothing about the problem."""


def prepared(text: str) -> str:
    """Return a text as the worker embeds it."""
    return PREPARER.embedded("", text)


def banking77() -> tuple[Corpus, Queries]:
    """Return all questions, each searched among the others; those of the same intent are relevant."""
    folder = Path(os.environ["MILLRACE_DATA"]) / "text" / "banking77"
    rows = [row.cells for name in ("train.csv", "test.csv") for row in TableFile.open(folder / name).rows()]
    texts = [prepared(str(row["text"])) for row in rows]
    return leave_one_out(texts, [str(row["category"]) for row in rows], [""] * len(rows), [None] * len(rows))


def samples(resolution: Callable[[str], str] = lambda text: text) -> tuple[Corpus, Queries]:
    """Return the solved samples, each searched among the others; those of the same label are relevant."""
    lines = files("millrace.demo").joinpath("samples", "tickets.jsonl").read_text(encoding="utf-8").splitlines()
    solved = [row for row in map(json.loads, lines) if row["reason"] == "solved"]
    texts = [PREPARER.embedded(row["subject"], row["body"]) for row in solved]
    resolutions = [prepared(resolution(row["resolution"])) for row in solved]
    return leave_one_out(texts, [row["agent_label"] for row in solved], resolutions, [r["language"] for r in solved])


def half_resolved() -> tuple[Corpus, Queries]:
    """Return the samples, of which a half drawn at random has no resolution."""
    drawn = np.random.default_rng(SEED)
    return samples(lambda text: text if drawn.random() < 0.5 else "")


def saying_nothing() -> tuple[Corpus, Queries]:
    """Return the samples with resolutions that say nothing about the problem."""
    drawn = np.random.default_rng(SEED)
    return samples(lambda _: str(drawn.choice(SAYING_NOTHING)))


def only_resolutions() -> tuple[Corpus, Queries]:
    """Return forty threads in pairs with the same title, of which only the resolutions differ, and 120 questions."""
    corpus = read_corpus(FOLDER / "threads.csv", prepared)
    return corpus, read_queries(FOLDER / "questions.csv", corpus, prepared)


SETS: dict[str, Callable[[], tuple[Corpus, Queries]]] = {
    "only_resolutions": only_resolutions,
    "samples": samples,
    "half_resolved": half_resolved,
    "saying_nothing": saying_nothing,
    "banking77": banking77,
}


def leave_one_out(
    texts: Sequence[str], labels: Sequence[str], resolutions: Sequence[str], languages: Sequence[str | None]
) -> tuple[Corpus, Queries]:
    """Return the texts as corpus and as queries; a text with the same label as a query is relevant to it."""
    ids = [str(place) for place in range(len(texts))]
    places: dict[str, set[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, set()).add(place)
    relevant = [frozenset(places[label] - {place}) for place, label in enumerate(labels)]
    return Corpus(ids, texts, labels, resolutions), Queries(texts, ids, relevant, {"language": languages})


def report(names: Sequence[str], model: TextModel) -> None:
    """Measure and print."""
    for name in names:
        corpus, queries = SETS[name]()
        table = build_table(
            corpus, queries, embed(model, distinct_texts(corpus, queries), lambda _: None), SETTINGS.search.candidates
        )
        weights = Weights(SETTINGS.search.bm25_weight, SETTINGS.search.resolution_weight)
        found: dict[str, Any] = evaluate_search(table, corpus, queries, weights)
        print_metrics(Console(highlight=False, width=COLUMNS_SHOWN), found, f"{name}: {found['queries']} queries")


if __name__ == "__main__":
    report(sys.argv[1:] or list(SETS), load_text_model(SETTINGS))
