"""The contender `fastembed`: the loop with batches of 256, encoded by fastembed on ONNX Runtime from a local folder."""

import json

import numpy as np
from confluent_kafka import Consumer, KafkaException, Producer
from fastembed import TextEmbedding

from benchmarks.peers.desk import BATCH_RECORDS, WAIT_S, Desk, Place

MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def main() -> None:
    """Work until SIGTERM."""
    place = Place.here()
    model = TextEmbedding(MODEL, specific_model_path=str(place.model), local_files_only=True)
    desk = Desk(place, model.embedding_size)
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
            vectors = np.asarray(list(model.embed([ticket["body"] for ticket in tickets])), np.float32)
            for message, result in zip(messages, desk.settle(tickets, vectors), strict=True):
                producer.produce(place.target, key=message.key(), value=json.dumps(result))
            producer.flush()
            consumer.commit(asynchronous=False)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
