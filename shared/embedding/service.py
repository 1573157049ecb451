"""Between the stages and a model: cache first, duplicates once, and a failing batch halved down to its poison text."""

from collections.abc import Sequence

import numpy as np

from schemas.failures import FailureReason
from shared.cache.port import VectorCache, cache_key
from shared.embedding.port import TextModel
from shared.errors import Fatal, Rejected
from shared.observers import Observer
from shared.records import Embedded

STAGE = "embed"


class TextEmbedder:
    """Turns texts into vectors, or into the reason why one of them cannot be."""

    def __init__(self, model: TextModel, cache: VectorCache, observer: Observer) -> None:
        self._model, self._cache, self._observer = model, cache, observer

    @property
    def fingerprint(self) -> str:
        """The model's fingerprint."""
        return self._model.fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._model.dim

    def embed(self, texts: Sequence[str]) -> list[Embedded | Rejected]:
        """Return for each text, in order, its vector or why the model cannot give one.

        Raises:
            DeviceLost: the device is dead; no text is to blame.
        """
        keys = [cache_key("text", text.encode(), self._model.fingerprint) for text in texts]
        known: dict[bytes, Embedded | Rejected] = dict(self._cache.get_many(keys))
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        tokens, answers = self._bisect(list(missing.values()))
        fresh = dict(zip(missing, answers, strict=True))
        self._cache.put_many({key: found for key, found in fresh.items() if isinstance(found, Embedded)})
        self._observer.texts_embedded(len(texts), tokens, len(texts) - len(missing))
        known.update(fresh)
        return [known[key] for key in keys]

    def _bisect(self, texts: Sequence[str]) -> tuple[int, list[Embedded | Rejected]]:
        """Embed all, or halve until the texts that the model fails on stand alone; return tokens and answers."""
        if not texts:
            return 0, []
        try:
            found = self._model.embed(texts)
        except Fatal:
            raise
        except Exception as error:  # noqa: BLE001  (a model may raise anything; what it was goes into the rejection)
            if len(texts) == 1:
                self._model.probe()
                return 0, [Rejected(FailureReason.MODEL_FAILED, "text", type(error).__name__, STAGE)]
            half = len(texts) // 2
            (left_tokens, left), (right_tokens, right) = self._bisect(texts[:half]), self._bisect(texts[half:])
            return left_tokens + right_tokens, left + right
        finite = [bool(np.isfinite(vector).all()) for vector in found.vectors]
        not_finite = Rejected(FailureReason.VECTOR_NOT_FINITE, "text", "the model gave NaN or infinity", STAGE)
        answers: list[Embedded | Rejected] = [
            Embedded(vector, windows) if good else not_finite
            for vector, windows, good in zip(found.vectors, found.windows, finite, strict=True)
        ]
        return found.tokens, answers
