"""Finding and recognising text by RapidOCR, with the models of its wheel (PP-OCRv6 by PaddleOCR, Apache-2.0).

Nothing is downloaded: each model is given by its path in the wheel, and its digest is compared before it is loaded.
"""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from typing_extensions import override

from shared.embedding.files import digest_of
from shared.embedding.port import Pixels
from shared.errors import Fatal
from shared.reading.order import Quad, Recognised, size_of
from shared.reading.port import TextReader
from shared.reading.reader import Engine, LineReader
from shared.reading.tiles import STEP_PX, Chances, chances_by_tile, missed, with_large

PACKAGE, MODELS, CONFIGURATION = "rapidocr", "models", "config.yaml"
FINDS, RECOGNISES = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
DIGESTS = {
    FINDS: "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    RECOGNISES: "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
}
"""SHA-256 of the models, as MODEL_LICENSES.md of the wheel states them too."""

REVISION = 2
"""Increased with every change of the code that changes what is read."""

THREADS = 2
LOGGER = "RapidOCR"

LONGEST_PX = 2560
"""A picture with a longer side is scaled down to find text in it; it is recognised in the original pixels."""

SMALL_PX, ENLARGED = 640, 2.0
"""A picture whose longer side is at most this is enlarged to find text in it, at most by this factor."""

WHOLE_PX = 736
"""The longer side of the whole picture, as it is given for text that is larger than a tile."""

LITTLE, LARGE_PX = 0.7, 90
"""At this scale or above, all that is found so counts; below, lines run into one another. There, larger text counts,
and what the tiles missed: now and then they find nothing of a tilted line."""

MARGIN_PX = 16
"""What is added to each side of a picture, because text at its border is not found."""

PLAIN_PX, PLAIN_LEVELS = 49, 16
"""Where the brightest and the darkest pixel within these pixels differ by fewer levels of 255, a picture is plain."""

MOST_CANDIDATES = 4_000
WIDEST = 100
"""A piece that is wider than this multiple of its height is recognised in parts, as memory grows with the square of it."""

TURNED = 180


class RapidEngine(Engine):
    """RapidOCR's networks on a CPU.

    Args:
        folder: The folder of the models, whose digests have been compared.
        threads: The number of threads that compute.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        from rapidocr.ch_ppocr_det import TextDetector
        from rapidocr.ch_ppocr_rec import TextRecognizer

        logging.getLogger(LOGGER).setLevel(logging.CRITICAL)  # its import sets its own level and writes to stderr
        cv2.setNumThreads(threads)
        self._finder: Any = TextDetector(_configured("Det", folder / FINDS, threads))
        self._finder.postprocess_op.max_candidates = MOST_CANDIDATES
        self._recogniser: Any = TextRecognizer(_configured("Rec", folder / RECOGNISES, threads))

    @property
    @override
    def fingerprint(self) -> str:
        relevant = [PACKAGE, version(PACKAGE), DIGESTS, REVISION]
        return sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:8]

    @override
    def find(self, pixels: Pixels) -> list[Quad]:
        height, width = pixels.shape[:2]
        scale = _scale(max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        picture = _bordered(cv2.resize(_bgr(pixels), size, interpolation=method))
        is_plain = _is_plain(picture)
        if is_plain.all():
            return []
        chances, whole_scale = chances_by_tile(picture, is_plain, self._chances), _whole_scale(picture)
        whole = self._whole(picture, is_plain, whole_scale)
        if whole_scale >= LITTLE:
            found = self._quads(np.maximum(chances, whole))
        else:
            quads = self._quads(whole)
            found = with_large(self._quads(chances), [quad for quad in quads if min(size_of(quad)) >= LARGE_PX])
            found += missed(quads, _covered(found, chances.shape))
        limits = np.array([width, height], np.float32)
        return [np.clip((quad - MARGIN_PX) / scale, 0, limits).astype(np.float32) for quad in found]

    def _whole(self, picture: NDArray[np.uint8], is_plain: NDArray[np.bool_], scale: float) -> Chances:
        """Return the chances by the picture as a whole, scaled down so that the network recognises large text."""
        height, width = picture.shape[:2]
        size = _multiple(width * scale), _multiple(height * scale)
        small: Any = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        chances = cv2.resize(self._chances(small), (width, height), interpolation=cv2.INTER_LINEAR)
        chances[is_plain] = 0
        return np.asarray(chances, np.float32)

    def _quads(self, chances: Chances) -> list[Quad]:
        found, _ = self._finder.postprocess_op(chances[np.newaxis, np.newaxis], chances.shape)
        return [np.asarray(quad, np.float32) for quad in found]

    def _chances(self, picture: NDArray[np.uint8]) -> Chances:
        given = (picture.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[np.newaxis]
        chances: Chances = self._finder.session(given)[0, 0]
        return chances

    @override
    def recognise(self, pixels: Pixels, quads: Sequence[Quad], is_turned: bool = False) -> list[Recognised]:
        if not quads:
            return []
        from rapidocr.ch_ppocr_rec import TextRecInput

        picture = _bgr(pixels)
        crops, counts = [], []
        for quad in quads:
            crop = _crop(picture, quad)
            parts = list(_parts(np.ascontiguousarray(crop[::-1, ::-1]) if is_turned else crop))
            crops += parts
            counts.append(len(parts))
        found = self._recogniser(TextRecInput(crops))
        each = iter(zip(found.txts, found.scores, strict=True))
        return [_together([next(each) for _ in range(count)]) for count in counts]


def load_text_reader(threads: int = THREADS, at_once: int = 1) -> TextReader:
    """Load the reader of text in pictures.

    Args:
        threads: The most threads that compute for one picture.
        at_once: The most pictures that are read at once; each more takes an engine of its own: about 250 MiB.

    Raises:
        Fatal: a package that it needs is missing, or a model in its wheel differs.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations or find_spec("onnxruntime") is None:
        raise Fatal("reading text in pictures needs rapidocr and onnxruntime: install millrace[reading]")
    folder = Path(next(iter(spec.submodule_search_locations))) / MODELS
    for name, digest in DIGESTS.items():
        if digest_of(folder / name) != digest:
            raise Fatal(
                f"reading text in pictures: {folder / name} is another file; install the versions of requirements.lock"
            )
    engine = partial(RapidEngine, folder, max(1, min(threads, os.cpu_count() or 1)))
    return LineReader(engine(), engine, at_once)


def _configured(part: str, model: Path, threads: int) -> Any:
    """Return RapidOCR's own configuration of one network, with a session that is open already, so that it opens none."""
    from rapidocr.utils.parse_parameters import ParseParams

    configured: Any = ParseParams.load(model.parent.parent / CONFIGURATION)[part]
    configured._set_flag("allow_objects", True)
    configured.session, configured.font_path = _session(model, threads), None
    return configured


def _session(model: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the cores are the rest of the worker's
    options.enable_cpu_mem_arena = False  # memory for the largest picture would be kept
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _scale(longer_px: int) -> float:
    if longer_px > LONGEST_PX:
        return LONGEST_PX / longer_px
    return min(ENLARGED, SMALL_PX / longer_px) if longer_px < SMALL_PX else 1.0


def _whole_scale(picture: NDArray[np.uint8]) -> float:
    height, width = picture.shape[:2]
    return min(1.0, WHOLE_PX / float(max(height, width)))


def _multiple(length_px: float) -> int:
    return max(STEP_PX, round(length_px / STEP_PX) * STEP_PX)


def _covered(quads: Sequence[Quad], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which pixels lie in a quad."""
    covered = np.zeros(shape, np.uint8)
    for quad in quads:
        cv2.fillConvexPoly(covered, np.round(quad).astype(np.int32), 1)
    return covered.astype(np.bool_)


def _bgr(pixels: Pixels) -> NDArray[np.uint8]:
    """Return a picture in the order of colours that the networks were trained with."""
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _bordered(picture: Any) -> NDArray[np.uint8]:
    """Return a picture with a margin that continues its border, and sides that are multiples of `STEP_PX`."""
    height, width = picture.shape[:2]
    below = MARGIN_PX + -(height + 2 * MARGIN_PX) % STEP_PX
    right = MARGIN_PX + -(width + 2 * MARGIN_PX) % STEP_PX
    bordered: NDArray[np.uint8] = cv2.copyMakeBorder(picture, MARGIN_PX, below, MARGIN_PX, right, cv2.BORDER_REPLICATE)
    return bordered


def _is_plain(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    around = np.ones((PLAIN_PX, PLAIN_PX), np.uint8)
    levels = cv2.subtract(cv2.dilate(grey, around), cv2.erode(grey, around))
    return np.asarray(levels) < PLAIN_LEVELS


def _crop(picture: NDArray[np.uint8], quad: Quad) -> NDArray[np.uint8]:
    """Return what is in a quad as a level rectangle; text that runs upwards is turned."""
    from rapidocr.utils.process_img import get_rotate_crop_image

    width, height = size_of(quad)
    if min(width, height) < 1:
        return np.zeros((1, 1, 3), np.uint8)
    crop: NDArray[np.uint8] = np.ascontiguousarray(get_rotate_crop_image(picture, quad))
    return crop


def _parts(crop: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    height, width = crop.shape[:2]
    count = -(-width // (WIDEST * height))
    for number in range(count):
        yield crop[:, width * number // count : width * (number + 1) // count]


def _together(parts: Sequence[tuple[str, float]]) -> Recognised:
    text = "".join(text for text, _ in parts)
    confidence = sum(len(text) * score for text, score in parts) / len(text) if text else 0.0
    return Recognised(text, float(confidence))
