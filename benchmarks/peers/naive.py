"""The naive contender: a loop of confluent-kafka that takes one record at a time and encodes it by sentence-transformers.

Results are sent at once; every hundred records, it waits until they are delivered, and commits.
"""

import json

from confluent_kafka import Consumer, KafkaException, Producer
from sentence_transformers import SentenceTransformer

from benchmarks.peers.desk import COMMIT_EVERY_RECORDS, WAIT_S, Desk, Place


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
        uncommitted = 0
        while True:
            message = consumer.poll(WAIT_S)
            if message is not None:
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                ticket = json.loads(message.value() or b"")
                for result in desk.settle([ticket], model.encode([ticket["body"]], show_progress_bar=False)):
                    producer.produce(place.target, key=message.key(), value=json.dumps(result))
                producer.poll(0)
                uncommitted += 1
            if uncommitted >= COMMIT_EVERY_RECORDS or (message is None and uncommitted):
                producer.flush()
                consumer.commit(asynchronous=False)
                uncommitted = 0
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
