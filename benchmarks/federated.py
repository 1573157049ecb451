"""The cost of one search over a collection of tickets: what chance gives, measured once, and each question after that.

Texts are Banking77's if `MILLRACE_DATA` names them; vectors are drawn at random, since only the cost is measured. The text
model is left out.
"""

import tempfile
from contextlib import closing
from pathlib import Path
from statistics import median

from benchmarks.retrieval import fill
from benchmarks.standin import StandInModel
from benchmarks.texts import TENANT, load_texts
from millrace.streams import DEFAULT
from shared.clock import SystemClock
from shared.search.federated.federation import Federation, Question
from shared.search.federated.parts import SourceParts
from shared.search.federated.source import Source
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.terms import Terms

CANDIDATES = 20
ASKED = 64


def report(tickets: int, rounds: int) -> None:
    """Measure and print milliseconds: for what chance gives, and for a question (median of each round)."""
    where, texts = load_texts(tickets)
    model, clock = StandInModel(), SystemClock()
    assert DEFAULT.findable is not None
    with tempfile.TemporaryDirectory() as folder, closing(EdgeStore(Path(folder))) as store:
        collection = store.open(DEFAULT.spec("bench", {"text": model.dim}))
        fill(collection, texts, Terms())
        parts = SourceParts(
            stream=DEFAULT.name,
            id_field=DEFAULT.id_field,
            collection=collection,
            vectors=("text",),
            findable=DEFAULT.findable,
            is_ours=DEFAULT.points.is_ours,
            point_id=DEFAULT.point_id,
        )
        federation = Federation(
            [Source(parts, 0.6, CANDIDATES)], {DEFAULT.name: lambda some: {"text": model.embed(some).vectors}}
        )
        asked = texts[:ASKED]
        vectors = model.embed(asked).vectors
        questions = [
            Question(TENANT, {DEFAULT.name: {"text": vector}}, text)
            for text, vector in zip(asked, vectors, strict=True)
        ]
        began_s = clock.monotonic_s()
        federation.find(questions[0])
        first_s = clock.monotonic_s() - began_s
        took_ms = []
        for _ in range(rounds):
            for question in questions:
                began_s = clock.monotonic_s()
                federation.find(question)
                took_ms.append(1_000 * (clock.monotonic_s() - began_s))
    print(
        f"one search over {len(texts)} tickets ({where}): first question {1_000 * first_s:.0f} ms, because what chance "
        f"gives is measured; then {median(took_ms):.1f} ms a question ({min(took_ms):.1f}-{max(took_ms):.1f})"
    )
