"""The default ranking on Banking77's test questions with the packaged model: never below cosine alone or BM25 alone.

Each of 3,080 questions is searched among all others; a question of the same intent is relevant. What it shows: neither
code nor library has made the ranking harmful. A green run does not prove it for other collections (`millrace similar
evaluate` does), nor anything about age and duplicates, which are not used. All 13,083:
`docs/decisions/0009-hybrid-ranking.md`.
"""

from pathlib import Path

import pytest

from millrace.configured import model_card
from millrace.ingest.table_files import TableFile
from millrace.learning.labelled_files import embed
from millrace.learning.search_weights import Corpus, Queries, build_table, distinct_texts, evaluate_search
from millrace.resources import load_text_model
from shared.search.tuning.measures import METRICS
from shared.search.tuning.weights import Weights
from shared.stream_settings import StreamSettings
from shared.text.preparation import Preparer

GAIN = 0.003
"""The gain of every metric overall by the terms: half of the measured one."""

pytestmark = pytest.mark.timeout(600)


def read(data_dir: Path) -> tuple[Corpus, Queries]:
    """Return the test questions as both the corpus and the queries."""
    rows = [row.cells for row in TableFile.open(data_dir / "text" / "banking77" / "test.csv").rows()]
    preparer = Preparer(model_card(StreamSettings()).preparation)
    texts = [preparer.embedded("", row["text"]) for row in rows]
    labels = [row["category"] for row in rows]
    ids = [str(place) for place in range(len(rows))]
    places: dict[str, set[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, set()).add(place)
    relevant = [frozenset(places[label] - {place}) for place, label in enumerate(labels)]
    return Corpus(ids, texts, labels, [""] * len(rows)), Queries(texts, ids, relevant, {})


def test_the_fused_ranking_is_never_below_either_alone(data_dir: Path) -> None:
    corpus, queries = read(data_dir)
    settings = StreamSettings()
    vectors = embed(load_text_model(settings), distinct_texts(corpus, queries), lambda _: None)
    table = build_table(corpus, queries, vectors, settings.search.candidates)
    found = evaluate_search(
        table, corpus, queries, Weights(settings.search.bm25_weight, settings.search.resolution_weight)
    )
    assert set(found["slices"]) == {"short", "medium", "long"}
    for name, part in (("all", found), *found["slices"].items()):
        for metric in METRICS:
            assert part["fused"][metric] >= max(part["dense"][metric], part["bm25"][metric]), (name, metric)
    for metric in METRICS:
        assert found["fused"][metric] > found["dense"][metric] + GAIN, metric
