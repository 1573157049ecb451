"""A text model that remembers, for suites and benchmarks that embed the same texts again and again."""

from collections.abc import Sequence

import numpy as np

from shared.embedding.port import Embeddings, TextModel
from shared.records import Vector


class Remembering:
    """Embeds each text once.

    Args:
        model: Embeds the texts that are not known yet.
    """

    def __init__(self, model: TextModel) -> None:
        self._model, self._known = model, dict[str, Vector]()
        self.fingerprint, self.dim, self.probe = model.fingerprint, model.dim, model.probe

    def embed(self, texts: Sequence[str], /) -> Embeddings:
        """Return the vectors of texts, known or fresh."""
        fresh = [each for each in dict.fromkeys(texts) if each not in self._known]
        self._known |= dict(zip(fresh, self._model.embed(fresh).vectors, strict=True))
        return Embeddings(np.stack([self._known[each] for each in texts]), (1,) * len(texts), 0)
