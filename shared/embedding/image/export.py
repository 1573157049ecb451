"""Writing a model of pictures as ONNX, for other runtimes, and comparing its vectors with those of torch."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from shared.embedding.image.model import GREY, ImageModel
from shared.embedding.port import Pixels
from shared.errors import Fatal

SAME = 0.9999
"""The lowest cosine of a vector of the file with that of torch; rounding alone moves it by less than 0.000001."""

CELLS_PX = (1, 4, 16, 64)
SEED = 22


def export_onnx(model: ImageModel, file: Path) -> float:
    """Write a model, and return the lowest cosine of its vectors with those of torch.

    The input `pixels` has the shape (pictures, crop_px, crop_px, 3), uint8, as `prepare_picture` returns them; the
    output `vectors` the shape (pictures, dim), float32, of unit length. Normalising is part of the file.

    Args:
        model: A model on a CPU.
        file: The file to write.

    Raises:
        Fatal: the model is on another device, or the vectors differ; the file is deleted then.
    """
    if model.device.type != "cpu":
        raise Fatal(f"a model is exported from the CPU, but this one is on {model.device}: load it with device cpu")
    pictures = _pictures(model)
    torch.onnx.export(
        model.network,
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


def _pictures(model: ImageModel) -> list[Pixels]:
    """Return pictures of noise, coarse and fine, and a grey one."""
    rng = np.random.default_rng(SEED)
    height, width, channels = model.shape
    found = [np.full(model.shape, GREY, np.uint8)]
    for cell_px in CELLS_PX:
        noise = rng.integers(0, 256, (height // cell_px + 1, width // cell_px + 1, channels), np.uint8)
        found.append(noise.repeat(cell_px, 0).repeat(cell_px, 1)[:height, :width])
    return found


def _lowest_cosine(model: ImageModel, file: Path, pictures: list[Pixels]) -> float:
    """Compare the vectors of pictures together, and of one alone."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    lowest = 1.0
    for group in (pictures, pictures[:1]):
        [found] = session.run(None, {"pixels": np.stack(group)})
        lowest = min(lowest, float((found * model.embed(group).vectors).sum(axis=1).min()))
    return lowest
