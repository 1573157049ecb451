"""The models of any stream, for tests without real ones."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from zlib import crc32

import numpy as np

from shared.embedding.image.classes import ClassHead
from shared.embedding.port import IMAGE, TEXT, Embeddings, Modality, Model, TextModel
from shared.engine.stream import Stream
from tests.support.fakes import FakeModel


class FakeMediaModel(FakeModel):
    """Vectors derived from the digest of an input's content: equal pictures get equal vectors.

    Args:
        modality: The kind of its inputs, such as `IMAGE`.
    """

    def __init__(self, modality: Modality[Any]) -> None:
        super().__init__()
        self.fingerprint = f"fa4e{crc32(modality.name.encode()) & 0xFFFF:04x}"
        self._content = modality.content

    def embed(self, inputs: Sequence[Any]) -> Embeddings:
        """Embed the inputs, or fail."""
        return super().embed([sha256(self._content(each)).hexdigest() for each in inputs])


class FakeImageModel(FakeMediaModel):
    """The same for pictures: a model that knows two classes."""

    def __init__(self) -> None:
        super().__init__(IMAGE)
        weight = np.eye(2, self.dim, dtype=np.float32)
        self.class_head: ClassHead | None = ClassHead(("mug", "shoe"), weight, np.zeros(2, np.float32), 4.0)


def modalities_of(stream: Stream[Any, Any]) -> Mapping[str, Modality[Any]]:
    """Return the kinds of a stream's inputs, by name."""
    return {each.modality.name: each.modality for each in stream.inputs}


def models_for(stream: Stream[Any, Any], text_model: TextModel) -> dict[str, Model[Any]]:
    """Return the models of a stream: the given one for texts, and fakes for all other inputs."""
    return {
        name: text_model if name == TEXT.name else _fake_model(modality)
        for name, modality in modalities_of(stream).items()
    }


def _fake_model(modality: Modality[Any]) -> FakeMediaModel:
    return FakeImageModel() if modality.name == IMAGE.name else FakeMediaModel(modality)
