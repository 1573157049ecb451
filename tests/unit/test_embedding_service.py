"""Between the stages and a model: the cache, duplicates, and the search for the poison input; texts and pictures.

A green run does not prove anything about a real model's vectors; the golden tests check those.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic
from zlib import crc32

import numpy as np
import pytest

from schemas.failures import FailureReason
from shared.cache.memory import MemoryCache
from shared.cache.port import VectorCache
from shared.embedding.port import IMAGE, TEXT, InputT, Modality, Pixels
from shared.embedding.service import Embedder
from shared.errors import DeviceLost, Rejected, Stopped
from shared.records import Embedded
from tests.support.assembly import RecordingObserver
from tests.support.fakes import FakeModel
from tests.support.pictures import PictureModel, drawn


@dataclass(frozen=True)
class Kind(Generic[InputT]):
    """A modality under test.

    Attributes:
        make: Returns the input for a name: equal names give equal inputs; names with POISON or NANVECTOR give such inputs.
        model: Returns a new model, which records its calls and can be made to fail.
    """

    modality: Modality[InputT]
    make: Callable[[str], InputT]
    model: Callable[[], Any]


def picture(name: str) -> Pixels:
    """Return a picture of noise; a poison one has no colours, one without a vector is black."""
    seed = crc32(name.encode())
    if "POISON" in name:
        return np.full((4, 4), seed % 256, np.uint8)
    return np.zeros((6, 6, 3), np.uint8) if "NANVECTOR" in name else drawn(seed)


KINDS: list[Kind[Any]] = [Kind(TEXT, str, FakeModel), Kind(IMAGE, picture, PictureModel)]


class Parts:
    """An embedder of one modality over a model with random vectors; its inputs are identified by name."""

    def __init__(self, kind: Kind[Any], cache: VectorCache | None = None) -> None:
        self.kind, self.model, self.reported = kind, kind.model(), RecordingObserver()
        self.cache = MemoryCache(1 << 20) if cache is None else cache
        self.embedder: Embedder[Any] = Embedder(kind.modality, self.model, self.cache, self.reported)
        self._names: dict[bytes, str] = {}

    def embed(self, *names: str) -> list[Embedded | Rejected]:
        """Embed the inputs of these names."""
        inputs = [self.kind.make(name) for name in names]
        self._names.update(zip(map(self.kind.modality.content, inputs), names, strict=True))
        return self.embedder.embed(inputs)

    @property
    def calls(self) -> list[list[str]]:
        """Return the names that the model was called with."""
        return [[self._names[self.kind.modality.content(each)] for each in call] for call in self.model.calls]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.modality.name)
def kind(request: pytest.FixtureRequest) -> Kind[Any]:
    chosen: Kind[Any] = request.param
    return chosen


@pytest.fixture
def parts(kind: Kind[Any]) -> Parts:
    return Parts(kind)


def vector(answer: Embedded | Rejected) -> bytes:
    assert isinstance(answer, Embedded)
    return answer.vector.tobytes()


def refused(answers: Sequence[Embedded | Rejected]) -> list[int]:
    return [at for at, answer in enumerate(answers) if isinstance(answer, Rejected)]


def test_vectors_come_in_the_order_of_the_inputs(parts: Parts) -> None:
    forward, backward = parts.embed("a", "b", "c"), Parts(parts.kind).embed("c", "b", "a")
    assert [vector(each) for each in forward] == [vector(each) for each in backward][::-1]


def test_no_input_makes_no_call(parts: Parts) -> None:
    assert parts.embed() == []
    assert parts.calls == []


def test_a_known_input_is_taken_from_the_cache(parts: Parts) -> None:
    [first] = parts.embed("a")
    again = parts.embed("b", "a")
    assert parts.calls == [["a"], ["b"]]
    assert vector(again[1]) == vector(first)


def test_duplicates_are_embedded_once(parts: Parts) -> None:
    answers = parts.embed("a", "b", "a", "a")
    assert parts.calls == [["a", "b"]]
    assert len({vector(answers[at]) for at in (0, 2, 3)}) == 1


def test_without_a_cache_the_vectors_are_the_same(kind: Kind[Any]) -> None:
    bare, caching = Parts(kind, MemoryCache(0)), Parts(kind)
    for _ in range(2):
        assert [vector(each) for each in bare.embed("a", "b")] == [vector(each) for each in caching.embed("a", "b")]
    assert (len(bare.model.calls), len(caching.model.calls)) == (2, 1)


def test_the_work_done_is_reported(parts: Parts) -> None:
    parts.embed("one two", "one two")
    parts.embed("one two", "three")
    name, costs = parts.kind.modality.name, [kind_cost(parts.kind, "one two"), kind_cost(parts.kind, "three")]
    assert parts.reported.named("inputs_embedded") == [(name, 2, costs[0], 1), (name, 2, costs[1], 1)]
    assert parts.reported.named("model_computed") == [(name, 0.0), (name, 0.0)]


def kind_cost(kind: Kind[Any], name: str) -> float:
    """Return the cost that a model counts for one input alone."""
    cost: float = kind.model().embed([kind.make(name)]).cost
    assert cost > 0
    return cost


@pytest.mark.parametrize("poison", [[0], [6], [3], [0, 1], [2, 5], list(range(7))])
def test_the_search_finds_the_poison_inputs_and_no_others(parts: Parts, poison: list[int]) -> None:
    names = [f"POISON {at}" if at in poison else f"input {at}" for at in range(7)]
    answers = parts.embed(*names)
    assert refused(answers) == poison
    clean = Parts(parts.kind)
    assert [vector(each) for at, each in enumerate(answers) if at not in poison] == [
        vector(each) for each in clean.embed(*(name for at, name in enumerate(names) if at not in poison))
    ]


def test_a_poison_input_is_rejected_with_its_reason_and_without_its_content(parts: Parts) -> None:
    [answer] = parts.embed("POISON secret")
    assert isinstance(answer, Rejected)
    field = parts.kind.modality.field
    assert (answer.reason, answer.field, answer.stage) == (FailureReason.MODEL_FAILED, field, "embed")
    assert "secret" not in str(answer)


def test_one_poison_input_among_many_costs_few_calls(parts: Parts) -> None:
    parts.embed(*(f"input {at}" for at in range(255)), "POISON")
    assert len(parts.model.calls) <= 17


def test_a_poison_input_is_not_cached(parts: Parts) -> None:
    parts.embed("POISON")
    assert refused(parts.embed("POISON")) == [0]
    assert len(parts.model.calls) == 2


def test_a_dead_device_blames_no_input(parts: Parts) -> None:
    parts.model.dead = DeviceLost("gone")
    with pytest.raises(DeviceLost):
        parts.embed("a", "b")
    assert len(parts.model.calls) == 1


def test_an_abandoned_input_is_not_blamed(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopping(_: Sequence[object]) -> None:
        raise Stopped("the worker was asked to stop")

    monkeypatch.setattr(parts.model, "embed", stopping)
    with pytest.raises(Stopped):
        parts.embed("a", "b")


def test_an_input_that_its_model_rejects_keeps_its_reason(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = Rejected(FailureReason.MEDIA_DECODING_LIMIT, "audio", "decoding takes more than 10 s")

    def rejecting(_: Sequence[object]) -> None:
        raise reason

    monkeypatch.setattr(parts.model, "embed", rejecting)
    assert parts.embed("a", "b") == [reason, reason]


def test_a_device_that_fails_on_the_harmless_probe_blames_no_input(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying() -> None:
        raise DeviceLost("even the probe")

    monkeypatch.setattr(parts.model, "probe", dying)
    with pytest.raises(DeviceLost, match="even the probe"):
        parts.embed("a", "POISON")


def test_a_vector_that_is_not_finite_is_rejected_alone_and_not_cached(parts: Parts) -> None:
    answers = parts.embed("a", "NANVECTOR", "b")
    assert refused(answers) == [1]
    assert isinstance(answers[1], Rejected)
    assert (answers[1].reason, answers[1].field) == (FailureReason.VECTOR_NOT_FINITE, parts.kind.modality.field)
    parts.embed("NANVECTOR")
    assert len(parts.model.calls) == 2


def test_vectors_of_another_model_are_not_taken_from_the_cache(parts: Parts) -> None:
    other = Parts(parts.kind, parts.cache)
    other.model.fingerprint = "0therm0d"
    parts.embed("a")
    other.embed("a")
    assert other.calls == [["a"]]


def test_long_texts_reach_the_model_in_several_calls_with_a_heartbeat_before_each() -> None:
    model, heard = FakeModel(), list[int]()
    short: Modality[str] = replace(TEXT, together_bytes=10)
    embedder = Embedder(short, model, MemoryCache(1 << 20), RecordingObserver(), lambda: heard.append(len(model.calls)))
    texts = ["aaaa", "bbbbbb", "c", "d" * 30, "éééé", "f"]
    answers = embedder.embed(texts)
    assert model.calls == [["aaaa", "bbbbbb"], ["c"], ["d" * 30], ["éééé", "f"]]
    assert heard == [0, 1, 2, 3]
    alone = Embedder(TEXT, FakeModel(), MemoryCache(1 << 20), RecordingObserver()).embed(texts)
    assert [vector(each) for each in answers] == [vector(each) for each in alone]


def test_short_texts_and_pictures_reach_the_model_in_one_call(parts: Parts) -> None:
    parts.embed(*(f"name {number}" for number in range(256)))
    assert len(parts.calls) == 1


def test_modalities_share_a_cache_but_no_vector() -> None:
    cache = MemoryCache(1 << 20)
    each = [Parts(kind, cache) for kind in KINDS]
    for parts in each:
        parts.embed("a")
        parts.embed("a")
    assert [parts.calls for parts in each] == [[["a"]], [["a"]]]


def test_the_same_bytes_are_another_input_in_another_modality() -> None:
    cache = MemoryCache(1 << 20)
    models = [FakeModel(), FakeModel()]
    speech: Modality[str] = Modality(name="audio", unit="audio_seconds", field="audio", content=str.encode)
    for modality, model in zip([TEXT, speech], models, strict=True):
        Embedder(modality, model, cache, RecordingObserver()).embed(["a"])
    assert [model.calls for model in models] == [[["a"]], [["a"]]]


def test_a_cache_that_forgets_at_once_costs_only_time(kind: Kind[Any]) -> None:
    class Forgetful:
        def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Embedded]:
            return {}

        def put_many(self, vectors: Mapping[bytes, Embedded]) -> None:
            assert all(np.isfinite(each.vector).all() for each in vectors.values())

    forgetful = Parts(kind, Forgetful())
    assert [vector(each) for each in forgetful.embed("a", "a")] == [
        vector(each) for each in Parts(kind).embed("a", "a")
    ]


def test_the_fingerprint_and_the_size_are_those_of_the_model(parts: Parts) -> None:
    assert (parts.embedder.fingerprint, parts.embedder.dim) == (parts.model.fingerprint, parts.model.dim)
