"""The contender `faust`: an agent of Faust that takes up to 256 records, with sentence-transformers' `encode`."""

import asyncio
import sys
from typing import Any

import faust
from sentence_transformers import SentenceTransformer

from benchmarks.peers.desk import BATCH_RECORDS, WAIT_S, Desk, Place


def main() -> None:
    """Work until SIGTERM."""
    place = Place.here()
    model = SentenceTransformer(str(place.model), device="cpu")
    desk = Desk(place, model.get_embedding_dimension() or 0)
    app = faust.App(
        place.group,
        broker=f"kafka://{place.bootstrap}",
        datadir=place.store.parent / "faust",
        producer_acks=-1,
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    tickets = app.topic(place.source, value_serializer="json")
    results = app.topic(place.target, value_serializer="json")

    @app.agent(tickets)
    async def route(stream: Any) -> None:
        async for batch in stream.take(BATCH_RECORDS, within=WAIT_S):
            vectors = model.encode([ticket["body"] for ticket in batch], show_progress_bar=False)
            sent = [await results.send(value=result) for result in desk.settle(batch, vectors)]
            await asyncio.gather(*sent)

    sys.argv[1:] = ["worker", "--loglevel", "error", "--without-web"]
    app.main()


if __name__ == "__main__":
    main()
