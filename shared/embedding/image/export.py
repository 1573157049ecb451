"""Writing a model of pictures as ONNX, for other runtimes, and comparing its vectors with those of torch."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from shared.embedding.image.model import ImageModel
from shared.embedding.image.network import TorchLayers
from shared.embedding.image.pixels import sample_pictures
from shared.embedding.port import Pixels
from shared.errors import Fatal

SAME = 0.9999
"""The lowest cosine of a vector of the file with that of torch; rounding alone moves it by less than 0.000001."""


class _Scaled(torch.nn.Module):
    """Layers whose features are scaled to unit length."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features = self.network(pixels)
        vectors: torch.Tensor = features / features.norm(dim=1, keepdim=True)
        return vectors


def export_onnx(model: ImageModel, file: Path) -> float:
    """Write a model, and return the lowest cosine of its vectors with those of torch.

    The input `pixels` has the shape (pictures, crop_px, crop_px, 3), uint8, as `prepare_picture` returns them; the
    output `vectors` the shape (pictures, dim), float32, of unit length. Normalising is part of the file.

    Args:
        model: A model that torch computes on a CPU.
        file: The file to write.

    Raises:
        Fatal: something else computes the model, or the vectors differ; the file is deleted then.
    """
    layers = model.layers
    if not isinstance(layers, TorchLayers) or layers.device.type != "cpu":
        raise Fatal("a model is exported from torch on the CPU: load it with backend torch and device cpu")
    pictures = sample_pictures(model.shape)
    torch.onnx.export(
        _Scaled(layers.network).eval(),
        (torch.from_numpy(np.stack(pictures)),),
        file,
        input_names=["pixels"],
        output_names=["vectors"],
        dynamic_shapes=({0: torch.export.Dim("pictures")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    lowest = _lowest_cosine(model, file, pictures)
    if not lowest >= SAME:
        file.unlink()
        raise Fatal(
            f"vectors of {file} have a cosine of only {lowest:.6f} with those of torch, at least {SAME} is needed"
        )
    return lowest


def _lowest_cosine(model: ImageModel, file: Path, pictures: list[Pixels]) -> float:
    """Compare the vectors of pictures together, and of one alone."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    lowest = 1.0
    for group in (pictures, pictures[:1]):
        [found] = session.run(None, {"pixels": np.stack(group)})
        lowest = min(lowest, float((found * model.embed(group).vectors).sum(axis=1).min()))
    return lowest
