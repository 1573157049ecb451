"""The worker's output for the demo's records, byte by byte: results, ledger, dead letters and points.

The fingerprint of the policy is left out. The batches, the clock and the model are fixed: vectors have four components
of a half, so that every cosine is exact on every machine. `python -m tests.golden.test_demo_bytes` writes the expected
digests again, if a change is intended.

These digests differ from earlier ones on purpose. The detection of languages added fields to all results and to all
points. The ranking by resolutions changed all results: each similar ticket has new fields, such as `same_customer`, and
other scores. When calls became similar items too, the fields of a similar ticket changed their order, and nothing else.
The points changed once more when the digest of an event's content lost its schema version and its defaults (decision 0040).
The ledger and the dead letters are as before.

A green run does not prove that the real model or the real store behave as before: `tests/golden/test_text_models.py`
compares vectors, and the contract suites test the stores.
"""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from millrace.demo.run import POISON, TENANT, Samples
from schemas.topics import input_topic, redo_topic
from shared.embedding.port import Embeddings
from shared.records import Message, Point, Record
from tests.support.assembly import Assembly
from tests.support.fakes import FakeCollection, FakeModel

EXPECTED = Path(__file__).with_name("demo_bytes.txt")
DIM = 16
BATCH_RECORDS, AGAIN_RECORDS = 64, 23
BATCH_S = 0.5
NO_POLICY = b"the fingerprint of the packaged policy"


class HalvesModel(FakeModel):
    """Draws four components of +-0.5 from a text's digest: unit vectors whose products are exact in float32."""

    def __init__(self) -> None:
        super().__init__(DIM)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Embed each text."""
        vectors = np.zeros((len(texts), DIM), np.float32)
        for row, text in enumerate(texts):
            digest = sha256(text.encode()).digest()
            places = np.argsort(np.frombuffer(digest[:DIM], np.uint8), kind="stable")[:4]
            vectors[row, places] = [0.5 if byte % 2 else -0.5 for byte in digest[DIM : DIM + 4]]
        return Embeddings(vectors, (1,) * len(texts), sum(len(text.split()) for text in texts))


def demo_records(topic: str) -> list[Record]:
    """Return the demo's 365 records: the solved tickets, the open ones, and one that is not valid."""
    samples = Samples.load()
    rows = [*samples.solved, *samples.opened]
    begin = {"schema_version": 1, "tenant_id": TENANT, "event_version": 1}
    events = [begin | {"event_id": f"e-{number}"} | row for number, row in enumerate(rows)]
    pairs = [(f"{TENANT}:{each['ticket_id']}", json.dumps(each, ensure_ascii=False).encode()) for each in events]
    pairs.append((f"{TENANT}:T-9999", POISON))
    return [
        Record(topic, offset % 4, offset // 4, 1_700_000_000_000 + offset, key.encode(), value)
        for offset, (key, value) in enumerate(pairs)
    ]


def written() -> list[str]:
    """Settle the records, then all of them again from the redo topic; return one line for each thing written."""
    parts = Assembly(
        collection=FakeCollection(dimensions={"text": DIM, "resolution": DIM}), model=HalvesModel(), cache_bytes=1 << 20
    )
    for topic, size in ((input_topic("tickets"), BATCH_RECORDS), (redo_topic("tickets"), AGAIN_RECORDS)):
        records = demo_records(topic)
        for start in range(0, len(records), size):
            parts.settle(*records[start : start + size])
            parts.clock.seconds += BATCH_S
    policy = parts.policy.sha256.encode()
    return [*(_message_line(message, policy) for message in parts.sink.delivered), *_point_lines(parts, policy)]


def _message_line(message: Message, policy: bytes) -> str:
    digest = sha256((message.value or b"").replace(policy, NO_POLICY))
    for name, value in message.headers:
        digest.update(f"\n{name}=".encode() + (value or b""))
    return f"{message.topic} {(message.key or b'').decode()} {digest.hexdigest()}"


def _point_lines(parts: Assembly, policy: bytes) -> Iterator[str]:
    points = parts.collection.points
    for which in sorted(points, key=str):
        yield f"point {which} {_digest_of(points[which], policy)}"


def _digest_of(point: Point, policy: bytes) -> str:
    digest = sha256(json.dumps(point.payload, sort_keys=True).encode().replace(policy, NO_POLICY))
    for name in sorted(point.vectors):
        digest.update(name.encode() + point.vectors[name].tobytes())
    for name in sorted(point.sparse):
        digest.update(name.encode() + point.sparse[name].indices.tobytes() + point.sparse[name].values.tobytes())
    return digest.hexdigest()


def test_the_output_for_the_demo_s_records_is_unchanged() -> None:
    expected = EXPECTED.read_text().splitlines()
    assert len(demo_records("tickets")) == 365
    assert written() == expected


if __name__ == "__main__":
    EXPECTED.write_text("".join(f"{line}\n" for line in written()))
