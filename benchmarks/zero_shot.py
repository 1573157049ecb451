"""`python -m benchmarks.zero_shot`: labels of the clothing photos by their names alone (ConSE); needs `MILLRACE_DATA`.

The constants of the method are chosen on the 220 training photos; the figures of the 80 test photos are for
docs/accuracy.md. No photo trains anything. Unknown pictures are clothes whose label is left out (all 252 choices of five
labels of ten), and the photos of the EXIF folder, which show two scenes without clothes. `--text-model KEY` takes another
text model, `--labels NAME ...` other names of the labels, in the alphabetical order of the folders.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from os import environ
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.image_model import prepare_folder
from millrace.resources import load_image_model, load_text_model
from shared.clock import SystemClock
from shared.embedding.image.classes import ClassHead
from shared.embedding.image.conse import TUNING, Conse, Tuning
from shared.embedding.port import Matrix, TextModel
from shared.model_settings import EmbeddingSettings, ImageSettings
from shared.routing.calibration import expected_calibration_error
from shared.stream_settings import StreamSettings
from tests.support.remembering import Remembering

REVIEW_AT = 0.4
NO_FLOOR = -99.0
PROMPTS = ("{}", "a photo of a {}", "a photo of a {}.", "a photo of {}")
LIKELIEST = (1, 3, 5, 10)
TEMPERATURES, OTHERS = (0.6, 0.8, 1.0, 1.25), (NO_FLOOR, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Photos:
    """Photos with the number of the label of each."""

    vectors: Matrix
    truth: NDArray[np.int64]


@dataclass(frozen=True)
class Material:
    """What is measured on, and with what."""

    head: ClassHead
    text: TextModel
    labels: tuple[str, ...]
    train: Photos
    test: Photos
    exif: Matrix

    def judge(self, tuning: Tuning, names_of_classes: str = "all") -> Conse:
        """Return the method with its constants, by all names of each class or by the first."""
        first = tuple(name.split(", ")[0] for name in self.head.names)
        head = self.head if names_of_classes == "all" else replace(self.head, names=first)
        return Conse(head, self.text, self.labels, tuning)


def accuracy(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> str:
    return f"{100 * (scores.argmax(axis=1) == truth).mean():.1f} %"


def show_names(material: Material) -> None:
    """Print the accuracy by prompt, names and the number of classes: of the training photos, and of the test photos."""
    for prompt in PROMPTS:
        for names in ("first", "all"):
            for likeliest in LIKELIEST:
                judge = material.judge(replace(TUNING, prompt=prompt, likeliest=likeliest), names)
                parts = []
                for photos in (material.train, material.test):
                    scores = judge.scores(photos.vectors)
                    cosines = scores * judge.deviation + judge.mean
                    parts.append(f"{accuracy(scores, photos.truth)} (cosines {accuracy(cosines, photos.truth)})")
                print(f"{prompt!r}, {names} names, T = {likeliest}: train {parts[0]}, test {parts[1]}")


def shares_of(scores: NDArray[np.float32], tuning: Tuning) -> NDArray[np.float64]:
    """Return the probabilities of labels by their scores, as `Conse` computes them for these labels alone."""
    powers = np.exp(scores / tuning.temperature)
    found: NDArray[np.float64] = powers / (
        powers.sum(axis=1, keepdims=True) + np.exp(tuning.other / tuning.temperature)
    )
    return found


def show_confidence(judge: Conse, photos: Photos, exif: Matrix, tuning: Tuning) -> None:
    """Print calibration, what a person would review, and what happens with unknown pictures."""
    scores, others = judge.scores(photos.vectors), judge.scores(exif)
    shares = shares_of(scores, tuning)
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == photos.truth
    reviewed = confidence >= REVIEW_AT
    halves: list[tuple[float, float, float]] = []
    for half in combinations(range(len(judge.labels)), len(judge.labels) // 2):
        is_known = np.isin(photos.truth, half)
        reaches = shares_of(scores[:, half], tuning).max(axis=1) >= REVIEW_AT
        apart = roc_auc_score(is_known, scores[:, half].max(axis=1))
        halves.append((reaches[is_known].mean(), reaches[~is_known].mean(), float(apart)))
    pairs = [shares_of(others[:, pair], tuning).max(axis=1) for pair in combinations(range(len(judge.labels)), 2)]
    known, unknown, auroc = np.mean(halves, axis=0)
    landscapes = (shares_of(others, tuning).max(axis=1) >= REVIEW_AT).mean()
    print(
        f"T = {tuning.likeliest}, temperature {tuning.temperature}, other {tuning.other}: accuracy {right.mean():.3f}, "
        f"mean confidence {confidence.mean():.3f}, ECE {expected_calibration_error(confidence, right):.3f}; reviewed "
        f"{reviewed.mean():.3f}, of these right {right[reviewed].mean():.3f}; confidence 0.8 or more "
        f"{(confidence >= 0.8).mean():.3f}; half of the labels: known reviewed {known:.3f}, unknown {unknown:.3f}, AUROC "
        f"of the highest score {auroc:.2f}; EXIF photos reviewed with all labels {landscapes:.3f}, with two "
        f"{(np.concatenate(pairs) >= REVIEW_AT).mean():.3f}"
    )


def material_of(data: Path, text_model: str, labels: Sequence[str]) -> Material:
    """Embed the photos, and load the models."""
    image = ImageSettings(device="cpu")
    model = load_image_model(image)
    assert model.class_head is not None
    folder = data / "images" / "clothing"
    folders = sorted(each.name for each in (folder / "train").iterdir())
    sets = []
    for split in ("train", "test"):
        groups = [prepare_folder(folder / split / name, image.model, None) for name in folders]
        truth = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        sets.append(Photos(np.concatenate([model.embed(group).vectors for group in groups]), truth))
    exif = model.embed(prepare_folder(data / "images" / "exif_orientation", image.model, None)).vectors
    text = load_text_model(StreamSettings(embedding=EmbeddingSettings(model=text_model, device="cpu")))
    return Material(model.class_head, Remembering(text), tuple(labels or folders), sets[0], sets[1], exif)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text-model", default="minilm-l6-v2")
    parser.add_argument("--labels", nargs="*", default=())
    parser.add_argument("--chosen", action="store_true", help="the chosen constants only")
    given = parser.parse_args()
    material, clock = material_of(Path(environ["MILLRACE_DATA"]), given.text_model, given.labels), SystemClock()
    began_s = clock.monotonic_s()
    judge = material.judge(TUNING)
    print(f"embedding the names took {clock.monotonic_s() - began_s:.1f} s; labels {material.labels}")
    if not given.chosen:
        show_names(material)
        for temperature in TEMPERATURES:
            for other in OTHERS:
                tuning = replace(TUNING, temperature=temperature, other=other)
                show_confidence(judge, material.train, material.exif, tuning)
    print("the chosen constants, train and test:")
    for photos in (material.train, material.test):
        show_confidence(judge, photos, material.exif, TUNING)
    found = judge.scores(material.test.vectors).argmax(axis=1)
    for number, label in enumerate(material.labels):
        answers = np.bincount(found[material.test.truth == number], minlength=len(material.labels))
        shown = ", ".join(f"{material.labels[each]} {answers[each]}" for each in np.argsort(-answers) if answers[each])
        print(f"{label}: {shown}")


if __name__ == "__main__":
    main()
