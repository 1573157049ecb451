"""A text model whose vectors a test can spoil while it runs, and the canaries of such a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shared.clock import Clock
from shared.embedding.canaries import Canaries, FilesCheck, Subject
from shared.embedding.canary_answers import Answers
from shared.embedding.port import Embeddings, Matrix
from tests.support.assembly import RecordingObserver
from tests.support.fakes import DIM, FakeModel, ManualClock

INPUTS = tuple(f"canary {number}" for number in range(6))
EVERY_S = 3_600.0

Spoil = Callable[[Matrix], Matrix]


def constant(vectors: Matrix) -> Matrix:
    """Return vectors whose numbers are all equal."""
    return np.full_like(vectors, vectors.shape[1] ** -0.5)


def nowhere(vectors: Matrix) -> Matrix:
    """Return vectors of NaN."""
    return np.full_like(vectors, np.nan)


def longer(vectors: Matrix) -> Matrix:
    """Return vectors with a number too many."""
    return np.concatenate([vectors, vectors[:, :1]], axis=1)


def one_for_all(vectors: Matrix) -> Matrix:
    """Return the first unit vector for everything."""
    return np.tile(np.eye(1, vectors.shape[1], dtype=np.float32), (len(vectors), 1))


def rotated(vectors: Matrix) -> Matrix:
    """Return vectors that look right but are others."""
    return np.ascontiguousarray(np.roll(vectors, 1, axis=1))


class SpoiledModel(FakeModel):
    """A `FakeModel` whose vectors pass through `spoil` if it is set."""

    spoil: Spoil | None = None

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Embed the texts, and spoil their vectors."""
        found = super().embed(texts)
        return found if self.spoil is None else Embeddings(self.spoil(found.vectors), found.windows, found.cost)


@dataclass
class Watched:
    """A model with canaries; the path is the file of their answers."""

    path: Path | None = None
    model: SpoiledModel = field(default_factory=SpoiledModel)
    clock: ManualClock = field(default_factory=ManualClock)
    check: Callable[[], object] = lambda: None
    every_s: float = EVERY_S

    def __post_init__(self) -> None:
        """Put the canaries together."""
        self.reported = RecordingObserver()
        self.subject = Subject("text", "fake", DIM, INPUTS, self._embed, self.model.probe)
        self.files = FilesCheck(self._compare)
        self.canaries = self.made(self.clock)

    def _embed(self, inputs: Sequence[str]) -> Matrix:
        return self.model.embed(inputs).vectors

    def _compare(self) -> None:
        self.check()

    def made(self, clock: Clock) -> Canaries:
        """Return canaries that know only what is in the file."""
        answers = Answers(self.path, (len(INPUTS), DIM))
        return Canaries(self.subject, answers, self.files, self.reported, clock, self.every_s)

    @property
    def checked(self) -> list[tuple[object, ...]]:
        """The cosine and the state of the files of each report."""
        return [
            (round(float(str(cosine)), 3), changed) for _, cosine, changed, *_ in self.reported.named("canary_checked")
        ]

    @property
    def looks(self) -> list[int]:
        """The number of canaries in each call of the model."""
        return [len(call) for call in self.model.calls if call[0] == INPUTS[0]]
