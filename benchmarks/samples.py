"""Millrace's own samples with their labels and languages, and search among labelled texts.

`python -m benchmarks.decisions samples search --model KEY` embeds them with the named model.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from scipy.stats import binomtest

from millrace.learning.labelled_files import Reading
from millrace.learning.search_weights import Corpus, Queries, build_table, distinct_texts, evaluate_search
from shared.search.tuning.weights import Weights
from shared.stream_settings import StreamSettings

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts, each with its label and its language."""

    texts: Sequence[str]
    labels: Sequence[str]
    languages: Sequence[str | None]


def labelled_samples() -> Labelled:
    """Return the sample tickets that have a label: the solved ones, and those open ones for which one is expected."""
    folder = files("millrace.demo").joinpath("samples")
    rows = [json.loads(line) for line in folder.joinpath("tickets.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = json.loads(folder.joinpath("expected.json").read_text(encoding="utf-8"))
    labels = {row["ticket_id"]: row["agent_label"] for row in rows if row["reason"] == "solved"}
    labels |= {row["ticket_id"]: expected[row["ticket_id"]] for row in rows if row["reason"] == "created"}
    kept = [row for row in rows if row["reason"] in ("solved", "created") and labels[row["ticket_id"]] is not None]
    return Labelled(
        [message_of(row) for row in kept],
        [labels[row["ticket_id"]] for row in kept],
        [row["language"] for row in kept],
    )


def message_of(row: Row) -> str:
    """Return the text of a ticket that is prepared."""
    return f"{row['subject']}\n\n{row['body']}"


def report_search(reading: Reading, own: StreamSettings, title: str, found: Labelled) -> None:
    """Search each text among all others, and print the MRR of all and by language; texts of one label are relevant."""
    texts = reading.prepare(found.texts)
    ids = [str(place) for place in range(len(texts))]
    of_label: dict[str, set[int]] = {}
    for place, label in enumerate(found.labels):
        of_label.setdefault(label, set()).add(place)
    same = [frozenset(of_label[label] - {place}) for place, label in enumerate(found.labels)]
    corpus = Corpus(ids, texts, found.labels, [""] * len(texts))
    queries = Queries(texts, ids, same, {"language": found.languages})
    distinct = distinct_texts(corpus, queries)
    vectors = dict(zip(distinct, reading.embed(distinct), strict=True))
    table = build_table(corpus, queries, vectors, own.search.candidates)
    measured = evaluate_search(table, corpus, queries, Weights(own.search.bm25_weight, own.search.resolution_weight))
    print(f"\n{title}, each of {len(texts)} searched among the others; weight of BM25 {own.search.bm25_weight}")
    slices = {name: part for name, part in measured["slices"].items() if name.startswith("language")}
    for name, part in ({"all": measured} | slices).items():
        for ranking in ("fused", "dense", "bm25"):
            low, high = part[ranking]["mrr_interval"]
            print(f"  {name}, {ranking}: MRR {part[ranking]['mrr']:.3f} ({low:.3f}-{high:.3f})")


def share_with_interval(right: int, asked: int) -> str:
    """Return a share as text, with its 95 % interval (Wilson 1927, by scipy)."""
    low, high = binomtest(right, asked).proportion_ci(method="wilson")
    return f"{right / asked:.4f} ({low:.3f}-{high:.3f}) of {asked}"
