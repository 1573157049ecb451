"""Converting a model of pictures from torch to a graph of OpenVINO."""

import warnings

import openvino as ov
import torch

from shared.embedding.image.network import TorchLayers
from shared.embedding.openvino.layout import Unsupported
from shared.embedding.registry import ImageCard

ROWS = 2
"""The pictures that are traced: more than one, so that no step takes the number for that of a channel or of a colour."""


def traced_graph(card: ImageCard, layers: TorchLayers) -> ov.Model:
    """Return the graph that computes features of any number of pictures.

    The module is traced, not exported, because that and the conversion after it take a quarter of the time.

    Raises:
        Unsupported: OpenVINO cannot compute the model.
    """
    example = torch.zeros((ROWS, *card.shape), dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has declared tracing out of date; OpenVINO traces modules too
        try:
            traced = torch.jit.freeze(torch.jit.trace(layers.network, example, check_trace=False))
            graph: ov.Model = ov.convert_model(traced, input=[([-1, *card.shape], ov.Type.u8)])
        except Exception as error:
            raise Unsupported(f"model {card.key} cannot be converted for the backend openvino: {error}") from error
    return graph
