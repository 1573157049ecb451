"""Vectors that are computed ahead: used where they are right and wanted, and never in the way.

The loop's and the pipeline's own tests run with a model that computes ahead too. A green run does not prove that
anything is faster; `benchmarks/throughput.py` measures that.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from shared.cache.memory import MemoryCache
from shared.clock import SystemClock
from shared.embedding.port import TEXT, Embeddings
from shared.embedding.service import Embedder
from shared.engine.ahead import AheadEmbedder
from shared.engine.timing import Stopwatch
from shared.errors import DeviceLost, Rejected, Stopped
from shared.records import Embedded
from tests.support.assembly import RecordingObserver
from tests.support.fakes import FakeModel


class ForOneThread(FakeModel):
    """A model that only one thread may use."""

    def __getattribute__(self, name: str) -> object:
        """Hide what allows several threads."""
        if name == "any_thread":
            raise AttributeError(name)
        return super().__getattribute__(name)


class OneForAll(FakeModel):
    """A model whose vectors are all the same."""

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return the vector of one text for all."""
        found = super().embed(texts)
        return Embeddings(np.repeat(found.vectors[:1], len(texts), axis=0), found.windows, found.cost)


class Parts:
    """An embedder over a model, and what was reported."""

    def __init__(self, model: FakeModel | None = None, cache_bytes: int = 0) -> None:
        self.model, self.reported = model or FakeModel(), RecordingObserver()
        self.embedder = Embedder(TEXT, self.model, MemoryCache(cache_bytes), self.reported)
        self.ahead = AheadEmbedder({TEXT.name: self.embedder}, Stopwatch(SystemClock(), self.reported))
        self.ahead.trust()
        self.beats = 0

    def beat(self) -> None:
        """Count a heartbeat."""
        self.beats += 1

    def run(self, ahead: list[str], asked: list[str]) -> list[Embedded | Rejected]:
        """Compute some texts ahead, and embed others or the same."""
        found = self.ahead.usable(self.ahead.embed({TEXT.name: ahead}, self.beat))
        return self.embedder.embed(asked, *found.values())


def vectors(answers: Sequence[Embedded | Rejected]) -> list[list[float] | None]:
    """Return the vectors; None for a rejection."""
    return [each.vector.tolist() if isinstance(each, Embedded) else None for each in answers]


def test_what_was_computed_ahead_is_not_computed_again() -> None:
    parts, alone = Parts(), Parts()
    found = parts.run(["a", "b b", "a", "c"], ["c", "a", "a"])
    assert parts.model.calls == [["a", "b b", "c"]]
    assert parts.beats == 1
    assert vectors(found) == vectors(alone.embedder.embed(["c", "a", "a"]))
    assert parts.reported.named("inputs_embedded") == [("text", 3, 4, 1)], (
        "the model encoded what nobody asked for, too"
    )


def test_what_was_not_computed_ahead_is_embedded_when_it_is_asked_for() -> None:
    parts = Parts()
    assert None not in vectors(parts.run(["a"], ["a", "b"]))
    assert parts.model.calls == [["a"], ["b"]]


def test_the_cache_is_asked_once_and_filled() -> None:
    parts = Parts(cache_bytes=1 << 20)
    parts.run(["a", "b"], ["a", "b"])
    parts.run(["b", "a", "c"], ["b", "a", "c"])
    assert parts.model.calls == [["a", "b"], ["c"]]
    assert parts.reported.named("inputs_embedded") == [("text", 2, 2, 0), ("text", 3, 1, 2)]


@pytest.mark.parametrize("wrong", ["POISON", "NANVECTOR"])
def test_a_bad_input_is_judged_when_it_is_asked_for(wrong: str) -> None:
    parts = Parts()
    found = parts.run(["a", wrong, "b"], ["a", wrong, "b"])
    assert [isinstance(each, Rejected) for each in found] == [False, True, False]
    assert vectors(found)[0] == vectors(Parts().embedder.embed(["a"]))[0]


def test_vectors_that_are_one_are_left_to_the_batch_in_hand() -> None:
    parts = Parts(OneForAll())
    ahead = parts.embedder.embed_ahead(list("abcdef"), parts.beat)
    assert (ahead.fresh, ahead.cost) == ({}, 0)


def test_a_dead_device_is_noticed_when_the_batch_is_in_hand() -> None:
    parts = Parts()
    parts.model.dead = DeviceLost("lost")
    ahead = parts.ahead.usable(parts.ahead.embed({TEXT.name: ["a"]}, parts.beat))
    with pytest.raises(DeviceLost):
        parts.embedder.embed(["a"], *ahead.values())


def test_a_stop_is_not_held_up() -> None:
    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        Parts().embedder.embed_ahead(["a"], stop)


def test_a_model_for_one_thread_computes_nothing_ahead() -> None:
    parts = Parts(ForOneThread())
    assert parts.ahead.embed({TEXT.name: ["a"]}, parts.beat) is None
    assert parts.model.calls == []


def test_nothing_is_computed_before_the_model_was_looked_at() -> None:
    parts = Parts()
    untrusted = AheadEmbedder({TEXT.name: parts.embedder}, Stopwatch(SystemClock(), parts.reported))
    assert untrusted.embed({TEXT.name: ["a"]}, parts.beat) is None
    untrusted.doubt()
    assert untrusted.embed({TEXT.name: ["a"]}, parts.beat) is None
    untrusted.trust()
    assert untrusted.embed({TEXT.name: ["a"]}, parts.beat) is not None


def test_nothing_is_used_that_was_computed_before_a_doubt() -> None:
    parts = Parts()
    before = parts.ahead.embed({TEXT.name: ["a"]}, parts.beat)
    parts.ahead.doubt()
    assert parts.ahead.usable(before) == {}
    after = parts.ahead.embed({TEXT.name: ["a"]}, parts.beat)
    assert parts.ahead.usable(after).keys() == {"text"}
    assert parts.ahead.usable(None) == {}


def test_nothing_is_computed_ahead_while_it_would_be_thrown_away() -> None:
    parts = Parts()
    parts.ahead.learn(asked=89, possible=100)
    assert parts.ahead.embed({TEXT.name: ["a"]}, parts.beat) is None
    parts.ahead.learn(asked=90, possible=100)
    assert parts.ahead.embed({TEXT.name: ["a"]}, parts.beat) is not None
    parts.ahead.learn(asked=0, possible=0)  # a batch of removals
    assert parts.ahead.embed({TEXT.name: []}, parts.beat) is None
    assert parts.ahead.embed({TEXT.name: ["b"]}, parts.beat) is not None
