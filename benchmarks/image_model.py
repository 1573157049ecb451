"""`python -m benchmarks.image_model KEY FOLDER`: rates of a model of pictures, and its `feature_norm`, on photos of yours.

FOLDER holds pictures, also in folders within it. The first ones are embedded alone and in batches, in turn. If the row
has a `feature_norm`, however wrong, the median length of the features is measured, and how often a vector of unit length
gives the same likeliest class as the features. `--onnx FILE` also writes the model as ONNX and compares its vectors.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.embedding.image.model import ImageModel
from shared.embedding.pictures import load_pictures
from shared.embedding.port import Pixels
from shared.embedding.registry import load_image_card
from shared.errors import Rejected
from shared.media.decoding.decoder import Decoder
from shared.model_settings import ImageSettings
from shared.pictures import PictureReader

CLOCK = SystemClock()
BATCHES = (1, 8, 16, 32)
PICTURES, ROUNDS, PASS = 64, 3, 16
CONTENT_BYTES = 1 << 26


def rates(model: ImageModel, pictures: Sequence[Pixels]) -> dict[int, list[float]]:
    """Return pictures per second by the size of a batch, one for each round."""
    found: dict[int, list[float]] = {size: [] for size in BATCHES}
    model.embed(pictures[:PASS])
    for _ in range(ROUNDS):
        for size in BATCHES:
            began_s = CLOCK.monotonic_s()
            for start in range(0, len(pictures), size):
                model.embed(pictures[start : start + size])
            found[size].append(len(pictures) / (CLOCK.monotonic_s() - began_s))
    return found


def show_features(model: ImageModel, pictures: Sequence[Pixels]) -> None:
    """Print the lengths of the features, and the agreement of the classes."""
    features = model.embed_unscaled(pictures).vectors
    lengths = np.linalg.norm(features, axis=1)
    low, middle, high = lengths.min(), np.median(lengths), lengths.max()
    print(f"feature_norm: median {middle:.2f} ({low:.2f} to {high:.2f}), {len(lengths)} pictures")
    head = model.class_head
    if head is not None:
        exact = (features @ head.weight.T + head.bias).argmax(axis=1)
        scaled = features / lengths[:, None] * middle @ head.weight.T + head.bias
        print(
            f"likeliest class with the median length as with the true one: {(exact == scaled.argmax(axis=1)).mean():.4f}"
        )


def prepare_folder(folder: Path, model_key: str, models_file: Path | None) -> list[Pixels]:
    """Decode and prepare the pictures of a folder; files that are no pictures are left out."""
    decoder, found = Decoder(DecodingSettings(), CONTENT_BYTES, CLOCK), []
    reader = PictureReader(decoder, load_image_card(model_key, models_file))
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        try:
            found.append(reader.pixels(file.read_bytes(), "image"))
        except Rejected as error:
            print(f"{file.name} is left out: {error}")
    decoder.close()
    return found


def main() -> None:
    """Measure one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("key")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models-file", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--backend", default="auto", choices=["auto", "torch", "openvino"], help="torch for --onnx")
    parser.add_argument("--micro-batch-pixels", type=int, default=401_408)
    parser.add_argument("--onnx", type=Path)
    given = parser.parse_args()
    pictures = prepare_folder(given.folder, given.key, given.models_file)
    configured = ImageSettings(
        model=given.key,
        models_file=given.models_file,
        device=given.device,
        backend=given.backend,
        micro_batch_pixels=given.micro_batch_pixels,
    )
    model = load_pictures(load_image_card(given.key, given.models_file), configured)
    show_features(model, pictures)
    for size, found in rates(model, pictures[:PICTURES]).items():
        print(f"batches of {size}: {median(found):.1f} pictures/s ({min(found):.1f} to {max(found):.1f})")
    if given.onnx is not None:
        from shared.embedding.image.export import export_onnx

        print(f"{given.onnx}: lowest cosine with torch {export_onnx(model, given.onnx):.7f}")


if __name__ == "__main__":
    main()
