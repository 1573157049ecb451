"""`python -m benchmarks.near_duplicates [FOLDER]`: recall and false alarms of near-duplicates, and thresholds that fit.

FOLDER holds pictures of yours, also in folders within it, none of them twice; without it, the photos of clothes in
`MILLRACE_DATA` are used. Each picture is changed in the ways of `tests/support/altered_pictures.py` and compared with
itself: that gives the recall. All pairs of different pictures give the false alarms; the nearest pairs are listed, so
that you can look at them. Thresholds are chosen on half of the pictures, and the figures of the other half are shown too.
"""

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millrace.resources import load_image_model
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.embedding.port import Model, Pixels
from shared.embedding.registry import load_image_card
from shared.errors import Rejected
from shared.media.decoding.decoder import Decoder
from shared.media.perceptual import PictureHashes, distance_bits
from shared.model_settings import ImageSettings
from shared.pictures import PictureReader
from shared.records import Vector
from shared.search.duplicates import Alike, compare
from shared.stream_settings import DuplicateSettings
from tests.support.altered_pictures import as_image, changes

CONTENT_BYTES = 1 << 26
PROMISED = ("re-encoded", "resized", "cropped", "mirrored")
"""The kinds of changes of which `RECALL` is promised."""

SAME_PICTURE = ("re-encoded", "resized", "mirrored", "brightness", "watermark")
"""The kinds of changes by which the thresholds of the same picture are chosen: a hash changes little by them."""

RECALL, FALSE_SHARE = 0.95, 0.0001
CHOSEN_RECALL = 0.96
"""The recall with which thresholds are chosen: a little more than is promised, since other pictures have a lower one."""

COSINES = tuple(float(each) for each in np.round(np.arange(0.5, 0.991, 0.01), 2))
PICTURE_COSINES = tuple(float(each) for each in np.round(np.arange(0.5, 0.91, 0.05), 2))
BITS = range(4, 27, 2)
OTHER_COSINES, OTHER_BITS = (0.84, 0.9), (8, 10, 12, 16)
"""Thresholds beside the default ones whose effect is shown."""

SHOWN_PAIRS, SHOWN_PHOTOS = 12, 25


Change = tuple[str, str]
"""The kind and the name of a change."""


class Recall(NamedTuple):
    """Shares of changed pictures.

    Attributes:
        found: Those that are found as near-duplicates.
        same_picture: Those that are found as the same picture.
    """

    found: float
    same_picture: float


class Features(NamedTuple):
    """What is compared of one picture."""

    vector: Vector
    hashes: PictureHashes


@dataclass(frozen=True)
class Photo:
    """A picture and its changed forms.

    Attributes:
        name: The file's path within the folder.
        features: Those of the picture as it is.
        changed: Its changed forms, by kind and name.
    """

    name: str
    features: Features
    changed: Mapping[Change, Features]


class Examiner:
    """Decodes, hashes and embeds pictures.

    Args:
        key: The model's name in models.toml.
        models_file: Another models.toml; None for the packaged one.
    """

    def __init__(self, key: str, models_file: Path | None = None) -> None:
        self._decoder = Decoder(DecodingSettings(processes=1), CONTENT_BYTES, SystemClock())
        self._reader = PictureReader(self._decoder, load_image_card(key, models_file))
        self._model: Model[Pixels] = load_image_model(ImageSettings(model=key, models_file=models_file))

    def examine(self, name: str, content: bytes, kinds: Sequence[str]) -> Photo:
        """Return a picture with its changed forms of some kinds.

        Raises:
            Rejected: the content is no picture.
        """
        picture, all_changes = as_image(self._decoder.picture(content, "image").pixels), changes()
        files = {(kind, form): change(picture) for kind in kinds for form, change in all_changes[kind].items()}
        read = [self._reader.read(each, "image") for each in (content, *files.values())]
        vectors = self._model.embed([each.pixels for each in read]).vectors
        first, *others = (Features(vector, each.hashes) for vector, each in zip(vectors, read, strict=True))
        return Photo(name, first, dict(zip(files, others, strict=True)))

    def close(self) -> None:
        """End the decoding children."""
        self._decoder.close()


def judge(one: Features, other: Features, settings: DuplicateSettings) -> Alike | None:
    """Return how two pictures are alike, by the rule of the worker."""
    return compare(one.hashes, other.hashes.plain, float(one.vector @ other.vector), settings)


def recalls(photos: Sequence[Photo], settings: DuplicateSettings) -> dict[Change, Recall]:
    """Return what is found of each change."""
    found = {}
    for change in photos[0].changed:
        alike = [judge(each.changed[change], each.features, settings) for each in photos]
        tiers = [None if each is None else each.tier for each in alike]
        found[change] = Recall(1 - tiers.count(None) / len(tiers), tiers.count("same_picture") / len(tiers))
    return found


def by_kind(found: Mapping[Change, Recall]) -> dict[str, Recall]:
    """Return the means over the changes of each kind."""
    kinds: dict[str, list[Recall]] = {}
    for (kind, _), recall in found.items():
        kinds.setdefault(kind, []).append(recall)
    return {kind: Recall(*(float(mean) for mean in np.mean(each, axis=0))) for kind, each in kinds.items()}


def false_alarms(photos: Sequence[Photo], settings: DuplicateSettings) -> list[tuple[str, str, Alike]]:
    """Return the pairs of different pictures that are found."""
    return [
        (one.name, other.name, alike)
        for one, other in combinations(photos, 2)
        if (alike := judge(one.features, other.features, settings)) is not None
    ]


def measure(pairs: Iterable[tuple[Features, Features]]) -> NDArray[np.float64]:
    """Return the cosine and the distance in bits of each pair, the smaller one with and without mirroring."""
    rows = [
        (float(one.vector @ other.vector), min(distance_bits(each, other.hashes.plain) for each in one.hashes))
        for one, other in pairs
    ]
    return np.array(rows, np.float64).reshape(-1, 2)


def choose(photos: Sequence[Photo]) -> DuplicateSettings:
    """Return thresholds for some pictures.

    Of the conditions on cosine and bits that the fewest pairs of different pictures meet, those are chosen that find the
    most pictures of the kinds in `SAME_PICTURE`, then the highest cosine, then the fewest bits. The cosine of the other
    tier is the highest with which the recall of each promised kind is still at least `CHOSEN_RECALL`.
    """
    apart = measure((one.features, other.features) for one, other in combinations(photos, 2))
    alike = {
        kind: measure(
            (each.changed[change], each.features)
            for change in photos[0].changed
            if change[0] == kind
            for each in photos
        )
        for kind in {*PROMISED, *SAME_PICTURE}
    }
    *_, picture_at, fewest = max(
        (
            -_meets(apart, at, bits).sum(),
            np.mean([_meets(alike[kind], at, bits).mean() for kind in SAME_PICTURE]),
            at,
            -bits,
        )
        for at in PICTURE_COSINES
        for bits in BITS
    )
    same = {kind: _meets(each, picture_at, -fewest) for kind, each in alike.items()}
    fitting = [
        at
        for at in COSINES
        if all((same[kind] | (alike[kind][:, 0] >= at)).mean() >= CHOSEN_RECALL for kind in PROMISED)
    ]
    return DuplicateSettings(
        same_picture_at=picture_at, max_distance_bits=-fewest, same_product_at=max(fitting, default=COSINES[0])
    )


def _meets(pairs: NDArray[np.float64], cosine: float, bits: int) -> NDArray[np.bool_]:
    return (pairs[:, 0] >= cosine) & (pairs[:, 1] <= bits)


def show(title: str, photos: Sequence[Photo], settings: DuplicateSettings) -> None:
    """Print recall and false alarms."""
    print(f"\n{title}: {len(photos)} pictures, {settings}")
    found = recalls(photos, settings)
    print("  shares that are found at all, and as the same picture:")
    for kind, recall in by_kind(found).items():
        mark = "" if kind not in PROMISED else f", promised {RECALL:.0%}"
        print(f"  {kind:24} {recall.found:8.2%} {recall.same_picture:8.2%}{mark}")
        for (of, name), each in found.items():
            if of == kind:
                print(f"    {name:22} {each.found:8.2%} {each.same_picture:8.2%}")
    pairs, alarms = len(photos) * (len(photos) - 1) // 2, false_alarms(photos, settings)
    same = sum(alike.tier == "same_picture" for *_, alike in alarms)
    print(
        f"  false alarms: {len(alarms)} of {pairs} pairs ({len(alarms) / pairs:.4%}), {same} of them as the same picture"
    )
    for one, other, alike in alarms[:SHOWN_PAIRS]:
        print(f"    {alike.tier}, {alike.distance_bits} bits: {one} and {other}")


def show_other_thresholds(photos: Sequence[Photo]) -> None:
    """Print what other thresholds find, and how many pairs and which copies the candidates of a search must hold."""
    defaults, pairs = DuplicateSettings(), [(one.features, other.features) for one, other in combinations(photos, 2)]
    apart = measure(pairs)
    print("\nother thresholds, the rest as by default:")
    for at in (defaults.same_product_at, *OTHER_COSINES):
        changed = defaults.model_copy(update={"same_product_at": at})
        crops = by_kind(recalls(photos, changed))["cropped"].found
        print(
            f"  same_product_at {at}: {len(false_alarms(photos, changed))} false alarms, {crops:.1%} of the crops found"
        )
    for bits in OTHER_BITS:
        alarms = _meets(apart, defaults.same_picture_at, bits).sum()
        print(f"  max_distance_bits {bits}: {alarms} false alarms as the same picture")
    near = (apart[:, 0] >= defaults.same_picture_at).mean()
    print(f"{near:.2%} of the pairs of different pictures have a cosine of {defaults.same_picture_at} or more")
    for change in photos[0].changed:
        if change[0] == "resized":
            cosines = measure((each.changed[change], each.features) for each in photos)[:, 0]
            print(f"  scaled, {change[1]}: cosine with the original {cosines.min():.2f} to {cosines.max():.2f}")


def show_nearest(photos: Sequence[Photo]) -> None:
    """Print the nearest pairs of different pictures: are there true duplicates among them?"""
    nearest = sorted(
        combinations(photos, 2), key=lambda pair: -float(pair[0].features.vector @ pair[1].features.vector)
    )
    print("\nnearest pairs of different pictures, by cosine:")
    for one, other in nearest[:SHOWN_PAIRS]:
        [(cosine, bits)] = measure([(one.features, other.features)])
        print(f"  {cosine:.3f} {bits:3.0f} bits: {one.name} and {other.name}")


def examine_folder(examiner: Examiner, folder: Path, kinds: Sequence[str]) -> Iterator[Photo]:
    """Yield the pictures of a folder; files that are no pictures are left out."""
    for number, file in enumerate(sorted(each for each in folder.rglob("*") if each.is_file()), 1):
        name = file.relative_to(folder).as_posix()
        try:
            yield examiner.examine(name, file.read_bytes(), kinds)
        except Rejected as error:
            print(f"{name} is left out: {error}")
        if number % SHOWN_PHOTOS == 0:
            print(f"{number} files", flush=True)


def main() -> None:
    """Measure the settings, and others that fit one half of the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--models-file", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(os.environ["MILLRACE_DATA"]) / "images" / "clothing"
    examiner = Examiner(given.model, given.models_file)
    photos = list(examine_folder(examiner, folder, tuple(changes())))
    examiner.close()
    show("the default settings", photos, DuplicateSettings())
    chosen = choose(photos[::2])
    show("chosen on every other picture", photos[::2], chosen)
    show("the same on the other half", photos[1::2], chosen)
    show_other_thresholds(photos)
    show_nearest(photos)


if __name__ == "__main__":
    main()
