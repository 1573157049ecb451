"""Whether terms are better taken from the kept or from the embedded text: MRR where 200 tickets quote one macro.

Needs `MILLRACE_DATA`: 1,400 of Banking77's training questions are searched by 400 others; those of the same intent are
relevant. 200 of each quote one mail of the help desk. The vectors are those of the embedded text, in every row.
"""

import csv
import os
import random
from collections.abc import Sequence
from pathlib import Path

from millrace.learning.labelled_files import embed
from millrace.learning.search_weights import Corpus, Queries, build_table
from millrace.resources import load_text_model
from shared.records import Vector
from shared.search.tuning.weights import Weights
from shared.search.tuning.weights import tuning_report as metrics
from shared.stream_settings import SearchSettings, StreamSettings

CORPUS, QUERIES, QUOTING, SEED = 1_400, 400, 200, 0
MACRO = """

On Mon, 4 May 2026 at 10:00 Acme Support <[mail]> wrote:
> Hello, thank you for contacting Acme support. We have received your request about your card or transfer
> and one of our agents will answer within two working days. Meanwhile you may find an answer in the app:
> open Settings, choose Payments, and check whether the transfer, top up or card payment is still pending.
> Please do not share your PIN or password with anybody. Your reference is in the subject of this mail.
> Kind regards, the Acme support team"""


def rows() -> list[dict[str, str]]:
    """Return the questions with their intents, shuffled."""
    file = Path(os.environ["MILLRACE_DATA"]) / "text" / "banking77" / "train.csv"
    with file.open(encoding="utf-8", newline="") as opened:
        found = list(csv.DictReader(opened))
    random.Random(SEED).shuffle(found)  # noqa: S311  (not for secrets)
    return found[: CORPUS + QUERIES]


def quoting(texts: Sequence[str]) -> list[str]:
    """Return the texts, the first of which quote the macro."""
    return [text + MACRO * (number < QUOTING) for number, text in enumerate(texts)]


def report() -> None:
    """Measure and print."""
    if "MILLRACE_DATA" not in os.environ:
        print("\nQuoted history: skipped, MILLRACE_DATA names no data")
        return
    found = rows()
    texts, labels = [row["text"] for row in found], [row["category"] for row in found]
    vectors = embed(load_text_model(StreamSettings()), list(dict.fromkeys(texts)), lambda _: None)
    relevant = [frozenset(place for place in range(CORPUS) if labels[place] == label) for label in labels[CORPUS:]]
    searched, asked = texts[:CORPUS], texts[CORPUS:]
    print(f"\nMRR, {QUOTING} of {CORPUS} tickets and {QUOTING} of {QUERIES} questions quote one macro")
    print(f"{'terms of the tickets':<24}{'of the question':<20}{'fused':>8}{'vectors':>9}{'BM25':>8}")
    for of_tickets, documents in (("embedded", searched), ("kept", quoting(searched))):
        for of_question, questions in (("embedded", asked), ("kept", quoting(asked))):
            by_text: dict[str, Vector] = {
                **dict(zip(documents, (vectors[text] for text in searched), strict=True)),
                **dict(zip(questions, (vectors[text] for text in asked), strict=True)),
            }
            corpus = Corpus([str(place) for place in range(CORPUS)], documents, labels[:CORPUS], [""] * CORPUS)
            queries = Queries(questions, [None] * QUERIES, relevant, {})
            table = build_table(corpus, queries, by_text, SearchSettings().candidates)
            measured = metrics(table, Weights(SearchSettings().bm25_weight, 0.0))
            scores = "".join(
                f"{measured[name]['mrr']:>{width}.4f}" for name, width in (("fused", 8), ("dense", 9), ("bm25", 8))
            )
            print(f"{of_tickets:<24}{of_question:<20}{scores}")


if __name__ == "__main__":
    report()
