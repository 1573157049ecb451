"""The contender `faststream`: a batch subscriber of FastStream on confluent-kafka, with sentence-transformers' `encode`.

Offsets are committed after the results are delivered (`NACK_ON_ERROR`), as in the other contenders.
"""

import asyncio
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker
from sentence_transformers import SentenceTransformer

from benchmarks.peers.desk import BATCH_RECORDS, WAIT_S, Desk, Place


def main() -> None:
    """Work until SIGTERM."""
    place = Place.here()
    model = SentenceTransformer(str(place.model), device="cpu")
    desk = Desk(place, model.get_embedding_dimension() or 0)
    broker = KafkaBroker(place.bootstrap, acks="all", logger=None)

    @broker.subscriber(
        place.source,
        group_id=place.group,
        auto_offset_reset="earliest",
        batch=True,
        max_records=BATCH_RECORDS,
        polling_interval=WAIT_S,
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    @broker.publisher(place.target, batch=True)
    async def route(tickets: list[dict[str, Any]]) -> list[dict[str, Any]]:
        vectors = model.encode([ticket["body"] for ticket in tickets], show_progress_bar=False)
        return desk.settle(tickets, vectors)

    asyncio.run(FastStream(broker, logger=None).run())


if __name__ == "__main__":
    main()
