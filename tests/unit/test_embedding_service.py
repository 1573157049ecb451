"""Between the stages and a model: the cache, duplicates, and the search for the poison text.

A green run does not prove anything about a real model's vectors; the golden tests are for that.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from schemas.failures import FailureReason
from shared.cache.memory import MemoryCache
from shared.embedding.service import TextEmbedder
from shared.errors import DeviceLost, Rejected
from shared.records import Embedded
from tests.assembly import Told
from tests.fakes import FakeModel


class Parts:
    """A text embedder over a model of digests."""

    def __init__(self, cache_bytes: int = 1 << 20) -> None:
        self.model, self.told = FakeModel(), Told()
        self.cache = MemoryCache(cache_bytes)
        self.embedder = TextEmbedder(self.model, self.cache, self.told)

    def embed(self, *texts: str) -> list[Embedded | Rejected]:
        return self.embedder.embed(texts)


def vector(answer: Embedded | Rejected) -> bytes:
    assert isinstance(answer, Embedded)
    return answer.vector.tobytes()


def refused(answers: Sequence[Embedded | Rejected]) -> list[int]:
    return [at for at, answer in enumerate(answers) if isinstance(answer, Rejected)]


def test_vectors_come_in_the_order_of_the_texts() -> None:
    parts = Parts()
    forward, backward = parts.embed("a", "b", "c"), Parts().embed("c", "b", "a")
    assert [vector(each) for each in forward] == [vector(each) for each in backward][::-1]


def test_no_text_is_no_call() -> None:
    parts = Parts()
    assert parts.embed() == []
    assert parts.model.calls == []


def test_a_known_text_is_taken_from_the_cache() -> None:
    parts = Parts()
    [first] = parts.embed("a")
    again = parts.embed("b", "a")
    assert parts.model.calls == [["a"], ["b"]]
    assert vector(again[1]) == vector(first)


def test_duplicates_are_embedded_once() -> None:
    parts = Parts()
    answers = parts.embed("a", "b", "a", "a")
    assert parts.model.calls == [["a", "b"]]
    assert len({vector(answers[at]) for at in (0, 2, 3)}) == 1


def test_without_a_cache_the_vectors_are_the_same() -> None:
    bare, caching = Parts(cache_bytes=0), Parts()
    for _ in range(2):
        assert [vector(each) for each in bare.embed("a", "b")] == [vector(each) for each in caching.embed("a", "b")]
    assert (len(bare.model.calls), len(caching.model.calls)) == (2, 1)


def test_what_was_done_is_told() -> None:
    parts = Parts()
    parts.embed("one two", "one two")
    parts.embed("one two", "three")
    assert parts.told.named("texts_embedded") == [(2, 2, 1), (2, 1, 1)]


@pytest.mark.parametrize("poison", [[0], [6], [3], [0, 1], [2, 5], list(range(7))])
def test_the_search_finds_the_poison_texts_and_no_others(poison: list[int]) -> None:
    texts = [f"POISON {at}" if at in poison else f"text {at}" for at in range(7)]
    parts = Parts()
    answers = parts.embed(*texts)
    assert refused(answers) == poison
    clean = Parts()
    assert [vector(each) for at, each in enumerate(answers) if at not in poison] == [
        vector(each) for each in clean.embed(*(text for at, text in enumerate(texts) if at not in poison))
    ]


def test_a_poison_text_is_rejected_with_its_reason_and_without_its_content() -> None:
    [answer] = Parts().embed("POISON secret")
    assert isinstance(answer, Rejected)
    assert (answer.reason, answer.field, answer.stage) == (FailureReason.MODEL_FAILED, "text", "embed")
    assert "secret" not in str(answer)


def test_one_poison_text_among_many_costs_few_calls() -> None:
    parts = Parts()
    parts.embed(*(f"text {at}" for at in range(255)), "POISON")
    assert len(parts.model.calls) <= 17


def test_a_poison_text_is_not_remembered_as_a_vector() -> None:
    parts = Parts()
    parts.embed("POISON")
    assert refused(parts.embed("POISON")) == [0]
    assert len(parts.model.calls) == 2


def test_a_dead_device_blames_no_text() -> None:
    parts = Parts()
    parts.model.dead = DeviceLost("gone")
    with pytest.raises(DeviceLost):
        parts.embed("a", "b")
    assert len(parts.model.calls) == 1


def test_a_device_that_fails_on_the_harmless_probe_blames_no_text() -> None:
    class Dying(FakeModel):
        def probe(self) -> None:
            raise DeviceLost("even the probe")

    embedder = TextEmbedder(Dying(), MemoryCache(0), Told())
    with pytest.raises(DeviceLost, match="even the probe"):
        embedder.embed(["a", "POISON"])


def test_a_vector_that_is_not_finite_is_rejected_alone_and_not_remembered() -> None:
    parts = Parts()
    answers = parts.embed("a", "NANVECTOR", "b")
    assert refused(answers) == [1]
    assert isinstance(answers[1], Rejected)
    assert answers[1].reason is FailureReason.VECTOR_NOT_FINITE
    parts.embed("NANVECTOR")
    assert len(parts.model.calls) == 2


def test_vectors_of_another_model_are_not_taken_from_the_cache() -> None:
    parts = Parts()
    other = FakeModel()
    other.fingerprint = "0therm0d"
    parts.embed("a")
    TextEmbedder(other, parts.cache, Told()).embed(["a"])
    assert other.calls == [["a"]]


def test_a_cache_that_forgets_at_once_costs_only_time() -> None:
    class Forgetful:
        def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Embedded]:
            return {}

        def put_many(self, vectors: Mapping[bytes, Embedded]) -> None:
            assert all(np.isfinite(each.vector).all() for each in vectors.values())

    embedder = TextEmbedder(FakeModel(), Forgetful(), Told())
    assert [vector(each) for each in embedder.embed(["a", "a"])] == [vector(each) for each in Parts().embed("a", "a")]


def test_the_fingerprint_and_the_size_are_the_model_s() -> None:
    parts = Parts()
    assert (parts.embedder.fingerprint, parts.embedder.dim) == (parts.model.fingerprint, parts.model.dim)
