"""`python -m benchmarks.image_backends`: rates and cosines of what can compute a model of pictures, on this CPU.

"timm" is the library as its users call it: eager, float32, no change of the layout in memory. The others are the backends
torch and OpenVINO, each by `ImageModel`; bfloat16 is measured even if a worker would refuse it. Batches of several sizes
take turns, round after round, and a ratio is of one round. Cosines are those with timm's vectors, of photos from
`MILLRACE_DATA`, or else of the samples of the demo.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image

from benchmarks.images import pictures
from benchmarks.throughput import seconds_of
from shared.embedding.image.loading import load
from shared.embedding.image.model import ImageModel
from shared.embedding.image.network import Network, TorchLayers
from shared.embedding.image.pixels import prepare_picture
from shared.embedding.openvino.device import HINTS, Compiled, Format
from shared.embedding.openvino.kept import converted
from shared.embedding.openvino.pictures import OpenVinoLayers
from shared.embedding.port import Matrix, Pixels
from shared.embedding.registry import ImageCard, load_image_card
from shared.model_settings import ImageSettings

BATCHES = (1, 8, 32)
COMPARED, TIMED = 300, 96

Way = Callable[[Sequence[Pixels]], Matrix]


class Eager:
    """The model as timm loads and computes it."""

    def __init__(self, card: ImageCard) -> None:
        self._network = Network(load(card), card, torch.float32).eval()

    def __call__(self, batch: Sequence[Pixels]) -> Matrix:
        """Return vectors."""
        with torch.inference_mode():
            found = self._network(torch.from_numpy(np.stack(batch)))
            vectors: Matrix = (found / found.norm(dim=1, keepdim=True)).numpy()
            return vectors


class AnyFormat(OpenVinoLayers):
    """OpenVINO in a number format that is not refused."""

    def __init__(self, card: ImageCard, dtype: Format) -> None:
        super().__init__(card, "cpu", "float32")
        self._compiled = Compiled(converted(card).graph, dtype)


def ways(card: ImageCard, micro_batch_pixels: int) -> Mapping[str, Way]:
    """Return everything that is compared, timm first."""

    def embed(model: ImageModel) -> Way:
        return lambda batch: model.embed(batch).vectors

    models = {"torch, channels last": ImageModel(card, TorchLayers(card, "cpu"), micro_batch_pixels)}
    for dtype in HINTS:
        models[f"openvino, {dtype}"] = ImageModel(card, AnyFormat(card, dtype), micro_batch_pixels)
    return {"timm, eager": Eager(card)} | {name: embed(model) for name, model in models.items()}


def in_batches(way: Way, prepared: Sequence[Pixels], size: int) -> Matrix:
    """Return the vectors of pictures, computed in batches of a size."""
    return np.concatenate([way(prepared[begin : begin + size]) for begin in range(0, len(prepared), size)])


def report(compared: int, timed: int, rounds: int) -> None:
    """Measure and print."""
    configured = ImageSettings()
    card = load_image_card(configured.model)
    with tempfile.TemporaryDirectory() as folder:
        files = pictures(compared, Path(folder))
        prepared = [prepare_picture(np.asarray(Image.open(file).convert("RGB")), card) for file in files]
    every = ways(card, configured.micro_batch_pixels)
    expected = in_batches(every["timm, eager"], prepared, max(BATCHES))
    print(f"\n{card.key} on this CPU, {compared} photos compared, {timed} timed, {rounds} rounds interleaved")
    for name, way in every.items():
        cosines = (in_batches(way, prepared, max(BATCHES)) * expected).sum(axis=1)
        print(f"{name:<22}cosine with timm: mean {cosines.mean():.6f}, lowest {cosines.min():.6f}")
    rates: dict[tuple[int, str], list[float]] = {(size, name): [] for size in BATCHES for name in every}
    for _ in range(rounds):
        for (size, name), found in rates.items():
            found.append(timed / seconds_of(partial(in_batches, every[name], prepared[:timed], size)))
    print(f"{'pictures per second':<28}{'min':>8}{'median':>8}{'max':>8}{'ratio to timm: median (min-max)':>34}")
    for (size, name), found in rates.items():
        ratios = [rate / base for rate, base in zip(found, rates[size, "timm, eager"], strict=True)]
        shown = f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        print(f"{size:>3} {name:<24}{min(found):>8.0f}{median(found):>8.0f}{max(found):>8.0f}{shown:>34}")


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compared", type=int, default=COMPARED)
    parser.add_argument("--timed", type=int, default=TIMED)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    report(given.compared, given.timed, given.rounds)


if __name__ == "__main__":
    main()
