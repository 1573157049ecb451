"""Converting a model of pictures from torch to a graph of OpenVINO."""

import warnings
from typing import Any

import openvino as ov
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

from shared.embedding.image.model import ImageModel
from shared.embedding.image.network import TorchLayers
from shared.embedding.image.pixels import sample_pictures
from shared.embedding.openvino.converted import PIXELS, Converted
from shared.embedding.openvino.layout import Unsupported
from shared.embedding.registry import ImageCard

ROWS = 2
"""The pictures that are traced: more than one, so that no step takes their number for a size of 1."""


def convert(card: ImageCard) -> Converted:
    """Load a model by torch, and convert it.

    Raises:
        Unsupported: OpenVINO cannot compute the model.
        Fatal: the files differ from the card, or the loaded model differs from the card.
    """
    layers, pictures = TorchLayers(card, "cpu"), sample_pictures(card.shape)
    vectors = ImageModel(card, layers, card.pixels * len(pictures)).embed(pictures).vectors
    return Converted(_traced(card, layers), layers.pooling, layers.class_head, vectors)


def _traced(card: ImageCard, layers: TorchLayers) -> ov.Model:
    """Return the graph, by tracing: exporting takes four times as long, and converting what was exported too.

    OpenVINO's `convert_model` takes several times as long as the frontend that it uses, and reports its use to its makers.
    """
    example = torch.zeros((ROWS, *card.shape), dtype=torch.uint8)
    trace: Any = torch.jit.trace  # the library has no types for it
    frontend = FrontEndManager().load_by_framework("pytorch")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that tracing is out of date
        try:
            traced = torch.jit.freeze(trace(layers.network, example, check_trace=False))
            decoder = TorchScriptPythonDecoder(traced)  # the frontend does not keep it alive
            loaded = frontend.load(decoder)
            [pixels] = loaded.get_inputs()
            loaded.set_partial_shape(pixels, ov.PartialShape([-1, *card.shape]))
            loaded.set_element_type(pixels, ov.Type.u8)
            graph: ov.Model = frontend.convert(loaded)
        except Exception as error:
            raise Unsupported(f"model {card.key} cannot be converted for the backend openvino: {error}") from error
    graph.inputs[0].set_names({PIXELS})
    return graph
