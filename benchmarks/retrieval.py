"""The cost of a hybrid query compared with a dense one, and of resolutions, terms, ranking and reply.

Texts are Banking77's if `MILLRACE_DATA` names them; vectors are drawn at random, since only the cost is measured.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.standin import StandInModel
from benchmarks.texts import TENANT, load_texts
from shared.clock import SystemClock
from shared.records import Point
from shared.search.ranking import RANKED_FIELDS
from shared.search.shown import SOLVED_TICKETS
from shared.search.similar import TERMS_VECTOR, Question, SimilarSearch
from shared.stream_settings import SearchSettings
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.port import VERSION_FIELD, Collection, HybridQuery, Query
from shared.vectorstore.terms import Terms
from workers.tickets.prepare import RESOLUTION, TEXT
from workers.tickets.stages import TICKETS

BATCH = 64
ANSWER = "We checked the account and sent the card again. It arrives within five days."
AT = "2026-01-01T00:00:00Z"


def fill(collection: Collection, texts: Sequence[str], terms: Terms) -> None:
    """Store the texts as solved tickets."""
    vectors = StandInModel().embed(texts).vectors
    answers = StandInModel().embed([f"{ANSWER} {text}" for text in texts]).vectors
    for start in range(0, len(texts), BATCH):
        points = []
        for place in range(start, min(start + BATCH, len(texts))):
            payload = {
                "tenant_id": TENANT, VERSION_FIELD: 1, "ticket_id": str(place), "flags": ["solved"], "satisfaction": 5,
                "subject": "", "body": texts[place], "resolution": ANSWER, "label": None, "occurred_at": AT,
                "text_digest": f"{place:064x}",
            }  # fmt: skip
            sparse = {TERMS_VECTOR: terms.of_document(texts[place])}
            which = TICKETS.point_id(TENANT, str(place))
            points.append(Point(which, 1, {TEXT: vectors[place], RESOLUTION: answers[place]}, payload, sparse))
        collection.upsert(points)


def report(tickets: int, rounds: int) -> None:
    """Measure and print microseconds per query, with the alternatives interleaved."""
    where, texts = load_texts(tickets)
    terms, settings = Terms(), SearchSettings()
    asked = texts[:BATCH]
    vectors = StandInModel().embed(asked).vectors
    with tempfile.TemporaryDirectory() as folder, closing(EdgeStore(Path(folder))) as store:
        collection = store.open(TICKETS.spec("bench", {"text": vectors.shape[1]}))
        fill(collection, texts, terms)
        dense = [
            Query(
                vector, TEXT, settings.candidates + 1, {"tenant_id": TENANT, "flags": "solved"},
                {"satisfaction": 4}, payload=RANKED_FIELDS,
            )
            for vector in vectors
        ]  # fmt: skip
        hybrid = [
            HybridQuery(query, terms.of_query(text), TERMS_VECTOR) for query, text in zip(dense, asked, strict=True)
        ]
        answered = [replace(query, second_using=RESOLUTION) for query in hybrid]
        unanswered = settings.model_copy(update={"resolution_weight": 0.0})
        without = SimilarSearch(collection, SOLVED_TICKETS, unanswered, TICKETS.points.is_ours)
        search = SimilarSearch(collection, SOLVED_TICKETS, settings, TICKETS.points.is_ours)
        at = datetime(2026, 6, 1, tzinfo=UTC)
        questions = [Question(TENANT, text, vector, at) for text, vector in zip(asked, vectors, strict=True)]
        ways: dict[str, Callable[[], object]] = {
            "search: cosine alone": lambda: collection.search(dense),
            "candidates: cosine and BM25": lambda: collection.candidates(hybrid),
            "candidates: with resolutions": lambda: collection.candidates(answered),
            "find, no resolutions: ranking, payloads, terms, reply": lambda: without.find(questions),
            "find: the same with resolutions": lambda: search.find(questions),
            "terms of a text to be stored": lambda: [terms.of_document(text) for text in asked],
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                times[name].append(_cpu_us(way))
    print(f"\nCPU microseconds per query, {len(texts)} points of {where}, batches of {BATCH}")
    for name, found in times.items():
        print(f"{name:<56}{median(found):>8.0f} ({min(found):.0f}-{max(found):.0f})")


def _cpu_us(way: Callable[[], object]) -> float:
    clock = SystemClock()
    start_s = clock.cpu_s()
    way()
    return (clock.cpu_s() - start_s) / BATCH * 1e6
