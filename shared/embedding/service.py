"""Embedding for the stages: the cache is asked first, duplicates are embedded once, and a failing batch is halved.

Vectors that cannot be right are refused before they are cached. Whether their inputs or the model is to blame, the
canaries of the model decide (`canaries.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from schemas.failures import FailureReason
from shared.cache.port import VectorCache, cache_key
from shared.embedding.port import Embeddings, InputT, Modality, Model, SharedModel
from shared.embedding.sanity import WHAT, judge
from shared.errors import Fatal, Rejected, Stopped
from shared.observers import Observer
from shared.records import Embedded

STAGE = "embed"


@dataclass(frozen=True, slots=True)
class Ahead:
    """Vectors that were found before they were asked for, by the key of their input.

    Attributes:
        known: Those that the cache had.
        fresh: Those that the model computed.
        cost: What the model encoded, in the modality's unit.
    """

    known: Mapping[bytes, Embedded]
    fresh: Mapping[bytes, Embedded]
    cost: float


NOTHING_AHEAD = Ahead({}, {}, 0.0)


class Embedder(Generic[InputT]):
    """Turns each input of one modality into a vector, or into a rejection if the model cannot embed it.

    Args:
        modality: The kind of the inputs.
        model: A model of that modality.
        cache: The cache that is asked before the model, and that stores the vectors that the model computes.
        observer: Notified of the number, cost and cache hits of each call, and of refused vectors.
        beat: Called before each call of the model: long texts take longer than a heartbeat may be old.
        doubt: Called if vectors seem wrong: it returns if the model is right, so that the inputs are to blame, and raises
            `Unavailable` if it is not. Without it, the inputs are always to blame.
    """

    def __init__(
        self,
        modality: Modality[InputT],
        model: Model[InputT],
        cache: VectorCache,
        observer: Observer,
        beat: Callable[[], None] = lambda: None,
        doubt: Callable[[], None] | None = None,
    ) -> None:
        self._modality, self._model = modality, model
        self._cache, self._observer, self._beat, self._doubt = cache, observer, beat, doubt
        for reason in WHAT:  # a rule sees the first increase only if there was a 0 before
            observer.vectors_refused(modality.name, reason, 0)

    @property
    def fingerprint(self) -> str:
        """The model's fingerprint."""
        return self._model.fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._model.dim

    @property
    def computes_ahead(self) -> bool:
        """Whether `embed_ahead` may compute: whether several threads may use the model."""
        return isinstance(self._model, SharedModel)

    def embed_ahead(self, inputs: Sequence[InputT], beat: Callable[[], None]) -> Ahead:
        """Return the vectors of inputs as far as they can be had now; called on another thread than `embed`.

        Whatever goes wrong or seems wrong is left to `embed`.

        Args:
            inputs: The inputs.
            beat: Called before each call of the model.

        Raises:
            Stopped: by `beat`, because the worker stops.
        """
        missing = {self._key(each): each for each in inputs}
        known = self._cache.get_many(list(missing))
        missing = {key: each for key, each in missing.items() if key not in known}
        if not missing:
            return Ahead(known, {}, 0.0)
        fresh, cost, keys = dict[bytes, Embedded](), 0.0, iter(missing)
        for group in self._groups(list(missing.values())):
            beat()
            try:
                found = self._called(group)
            except Exception:  # noqa: BLE001  (a model may raise anything; `embed` meets it again, and handles it)
                break
            if judge(found.vectors, self.dim, found.is_scaled).is_doubtful:
                break
            cost += found.cost
            answers = zip(found.vectors, found.windows, strict=True)
            fresh |= {next(keys): Embedded(vector, windows) for vector, windows in answers}
        return Ahead(known, fresh, cost)

    def embed(self, inputs: Sequence[InputT], ahead: Ahead = NOTHING_AHEAD) -> list[Embedded | Rejected]:
        """Return for each input, in order, its vector or a rejection with the reason.

        Args:
            inputs: The inputs.
            ahead: What was found ahead, of these inputs and perhaps of others.

        Raises:
            DeviceLost: the device is dead; no input is to blame.
            Unavailable: the model answers wrongly for now; no input is to blame, and nothing is cached.
            Stopped: a long input is abandoned, because the worker stops.
        """
        keys = [self._key(each) for each in inputs]
        known: dict[bytes, Embedded | Rejected] = {key: ahead.known[key] for key in keys if key in ahead.known}
        fresh: dict[bytes, Embedded | Rejected] = {key: ahead.fresh[key] for key in keys if key in ahead.fresh}
        known |= self._cache.get_many([key for key in keys if key not in known and key not in fresh])
        found = known.keys() | fresh.keys()
        missing = {key: each for key, each in zip(keys, inputs, strict=True) if key not in found}
        cost, answers = self._in_groups(list(missing.values()))
        fresh |= dict(zip(missing, answers, strict=True))
        self._cache.put_many({key: found for key, found in fresh.items() if isinstance(found, Embedded)})
        self._observer.inputs_embedded(
            self._modality.name, len(inputs), cost + ahead.cost, self._modality.unit, len(inputs) - len(fresh)
        )
        known.update(fresh)
        return [known[key] for key in keys]

    def _key(self, given: InputT) -> bytes:
        return cache_key(self._modality.name, self._modality.content(given), self._model.fingerprint)

    def _in_groups(self, inputs: Sequence[InputT]) -> tuple[float, list[Embedded | Rejected]]:
        """Embed inputs in calls of limited size, with a heartbeat before each. Return cost and answers."""
        cost, answers = 0.0, list[Embedded | Rejected]()
        for group in self._groups(inputs):
            self._beat()
            group_cost, found = self._bisect(group)
            cost += group_cost
            answers += found
        return cost, answers

    def _groups(self, inputs: Sequence[InputT]) -> Iterator[Sequence[InputT]]:
        """Yield inputs, in order, in groups that a model may receive together."""
        limit_bytes = self._modality.together_bytes
        if limit_bytes is None:
            yield inputs
            return
        start, group_bytes = 0, 0
        for at, each in enumerate(inputs):
            size_bytes = len(self._modality.content(each))
            if at > start and group_bytes + size_bytes > limit_bytes:
                yield inputs[start:at]
                start, group_bytes = at, 0
            group_bytes += size_bytes
        yield inputs[start:]

    def _bisect(self, inputs: Sequence[InputT], is_second: bool = False) -> tuple[float, list[Embedded | Rejected]]:
        """Embed all inputs; if the model fails, halve them until each bad input is alone. Return cost and answers."""
        if not inputs:
            return 0, []
        try:
            found = self._called(inputs)
        except (Fatal, Stopped):
            raise
        except Exception as error:  # noqa: BLE001  (a model may raise anything; the rejection names its class)
            if len(inputs) == 1:
                if isinstance(error, Rejected):
                    return 0, [error]
                self._model.probe()
                return 0, [self._rejected(FailureReason.MODEL_FAILED, type(error).__name__)]
            half = len(inputs) // 2
            left_cost, left = self._bisect(inputs[:half], is_second)
            right_cost, right = self._bisect(inputs[half:], is_second)
            return left_cost + right_cost, left + right
        return self._judged(inputs, found, is_second)

    def _called(self, inputs: Sequence[InputT]) -> Embeddings:
        found = self._model.embed(inputs)
        self._observer.model_computed(self._modality.name, self._modality.unit, found.padding, found.busy_s)
        return found

    def _judged(
        self, inputs: Sequence[InputT], found: Embeddings, is_second: bool
    ) -> tuple[float, list[Embedded | Rejected]]:
        """Refuse the vectors that cannot be right. Return the cost and the answers.

        If the model is right otherwise, it gets the refused inputs a second time: what was wrong may have passed.
        """
        judgement = judge(found.vectors, self.dim, found.is_scaled)
        answers: list[Embedded | Rejected] = [
            self._rejected(judgement.faults[at], WHAT[judgement.faults[at]])
            if at in judgement.faults
            else Embedded(vector, windows)
            for at, (vector, windows) in enumerate(zip(found.vectors, found.windows, strict=True))
        ]
        if is_second or not judgement.is_doubtful:
            return found.cost, answers
        for reason, vectors in judgement.counted().items():
            self._observer.vectors_refused(self._modality.name, reason, vectors)
        if self._doubt is None:
            return found.cost, answers
        self._doubt()
        cost, again = self._bisect([inputs[at] for at in judgement.faults], is_second=True)
        for at, answer in zip(judgement.faults, again, strict=True):
            answers[at] = answer
        return found.cost + cost, answers

    def _rejected(self, reason: FailureReason, detail: str) -> Rejected:
        return Rejected(reason, self._modality.field, detail, STAGE)
