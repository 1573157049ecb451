"""What every peer does with tickets and their vectors: route them by the trained head, store them, make the results.

A contender's own module has the rest: it reads records, encodes their texts, sends the results and commits.
"""

import json
import os
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
from safetensors import safe_open

from shared.embedding.port import Matrix
from shared.routing.features import TfIdf
from shared.routing.head_files import ARRAYS, FACTS, TERMS

Ticket = Mapping[str, Any]
Result = dict[str, Any]

BATCH_RECORDS = 256
WAIT_S = 0.1
"""How long a batch waits for more records: FastStream's default."""

COMMIT_EVERY_RECORDS = 100
"""Of the loop that takes one record at a time. Committing after each would be slower."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender works, from its environment.

    Attributes:
        bootstrap: Addresses of the brokers.
        group: Its consumer group.
        source: The topic of the tickets.
        target: The topic of the results.
        model: Folder of the encoder.
        head: Folder of the trained head.
        store: An empty folder for the store.
    """

    bootstrap: str
    group: str
    source: str
    target: str
    model: Path
    head: Path
    store: Path

    def environment(self) -> dict[str, str]:
        """Return the variables that `here` reads."""
        return {f"PEERS_{name.upper()}": str(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def here(cls) -> "Place":
        """Return the place that the environment describes; from now on, SIGTERM ends the process in good order."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        given = {name: os.environ[f"PEERS_{name.upper()}"] for name in cls.__slots__}
        paths = {name: Path(given[name]) for name in ("model", "head", "store")}
        return cls(**(given | paths))  # type: ignore[arg-type]  # names and kinds are those of the fields


class Router:
    """The label of each ticket by a head's linear classifier, on its vector and its terms.

    Args:
        folder: A head that `millrace router train` wrote; only what a classifier needs is read.
    """

    def __init__(self, folder: Path) -> None:
        self._labels: list[str] = json.loads((folder / FACTS).read_text(encoding="utf-8"))["labels"]
        with safe_open(folder / ARRAYS, "numpy") as arrays:
            self._dense, self._sparse = arrays.get_tensor("dense"), arrays.get_tensor("sparse")
            self._bias, rarity = arrays.get_tensor("bias"), arrays.get_tensor("rarity")
        terms = json.loads((folder / TERMS).read_text(encoding="utf-8"))
        self._terms = TfIdf(terms["words"], terms["pieces"], rarity)

    def labels_of(self, texts: Sequence[str], vectors: Matrix) -> list[str]:
        """Return the label of each text."""
        logits = vectors @ self._dense + self._terms.weigh(texts) @ self._sparse + self._bias
        return [self._labels[best] for best in np.argmax(logits, axis=1)]


class Desk:
    """Routes and stores.

    Args:
        place: Names the head and the folder of the store, which is created.
        dim: The length of the vectors.
    """

    def __init__(self, place: Place, dim: int) -> None:
        self._router = Router(place.head)
        place.store.mkdir()
        params = edge.EdgeVectorParams(size=dim, distance=edge.Distance.Cosine)
        self._shard = edge.EdgeShard.create(str(place.store), edge.EdgeConfig(vectors=params))

    def settle(self, tickets: Sequence[Ticket], vectors: Matrix) -> list[Result]:
        """Route tickets, write them to the store, and return their results."""
        labels = self._router.labels_of([ticket["body"] for ticket in tickets], vectors)
        points = [
            edge.Point(_id_of(ticket), vector, {**ticket, "label": label})
            for ticket, vector, label in zip(tickets, vectors.tolist(), labels, strict=True)
        ]
        self._shard.update(edge.UpdateOperation.upsert_points(points))
        return [
            {"tenant_id": ticket["tenant_id"], "ticket_id": ticket["ticket_id"], "label": label}
            for ticket, label in zip(tickets, labels, strict=True)
        ]


def _id_of(ticket: Ticket) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{ticket['tenant_id']}:{ticket['ticket_id']}")
