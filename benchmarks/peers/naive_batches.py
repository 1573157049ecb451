"""The contender `naive-batches`: the naive loop with batches of 256 for sentence-transformers' `encode`."""

import json

from confluent_kafka import Consumer, KafkaException, Producer
from sentence_transformers import SentenceTransformer

from benchmarks.peers.desk import BATCH_RECORDS, WAIT_S, Desk, Place


def main() -> None:
    """Work until SIGTERM."""
    place = Place.here()
    model = SentenceTransformer(str(place.model), device="cpu")
    desk = Desk(place, model.get_embedding_dimension() or 0)
    producer = Producer({"bootstrap.servers": place.bootstrap, "acks": "all"})
    consumer = Consumer(
        {
            "bootstrap.servers": place.bootstrap,
            "group.id": place.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([place.source])
    try:
        while True:
            messages = consumer.consume(BATCH_RECORDS, WAIT_S)
            if not messages:
                continue
            for message in messages:
                if (error := message.error()) is not None:
                    raise KafkaException(error)
            tickets = [json.loads(message.value() or b"") for message in messages]
            vectors = model.encode([ticket["body"] for ticket in tickets], show_progress_bar=False)
            for message, result in zip(messages, desk.settle(tickets, vectors), strict=True):
                producer.produce(place.target, key=message.key(), value=json.dumps(result))
            producer.flush()
            consumer.commit(asynchronous=False)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
