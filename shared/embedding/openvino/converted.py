"""A model of pictures as a graph of OpenVINO."""

from dataclasses import dataclass

import openvino as ov

from shared.embedding.image.classes import ClassHead
from shared.embedding.port import Matrix

PIXELS = "pixels"
"""The name of the graph's input."""


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A converted model.

    Attributes:
        graph: Computes features of any number of prepared pictures.
        pooling: How the features are pooled, as cards name it.
        class_head: The classes that the model was trained on, if its card names them.
        vectors: The vectors that torch computed of `sample_pictures`.
    """

    graph: ov.Model
    pooling: str
    class_head: ClassHead | None
    vectors: Matrix
