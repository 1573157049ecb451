"""Converted models of pictures."""

from dataclasses import dataclass

import openvino as ov

from shared.embedding.image.classes import ClassHead
from shared.embedding.port import Matrix
from shared.embedding.registry import ImageCard


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A model of pictures as a graph.

    Attributes:
        graph: Computes features of any number of prepared pictures.
        pooling: How the features are pooled, as cards name it.
        class_head: The classes that the model was trained on, if its card names them.
        vectors: Torch's vectors of `sample_pictures`.
    """

    graph: ov.Model
    pooling: str
    class_head: ClassHead | None
    vectors: Matrix


def converted(card: ImageCard) -> Converted:
    """Return the converted model of a card."""
    from shared.embedding.image.model import ImageModel
    from shared.embedding.image.network import TorchLayers
    from shared.embedding.image.pixels import sample_pictures
    from shared.embedding.openvino.converting import traced_graph

    layers = TorchLayers(card, "cpu")
    pictures = sample_pictures(card.shape)
    vectors = ImageModel(card, layers, card.pixels * len(pictures)).embed(pictures).vectors
    return Converted(traced_graph(card, layers), layers.pooling, layers.class_head, vectors)
