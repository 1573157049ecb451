"""Decodes, prepares and embeds labelled pictures and their titles as a worker does, for training and evaluation."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from millrace.bars import bar
from millrace.learning.labelled_files import Reading
from millrace.learning.product_files import LabelledPicture, LabelledPictures
from millrace.resources import load_image_model
from shared.cache.memory import MemoryCache
from shared.clock import SystemClock
from shared.embedding.port import IMAGE, TEXT, Matrix, Pixels
from shared.embedding.registry import load_image_card
from shared.embedding.service import Embedder
from shared.errors import Fatal, Rejected
from shared.media.decoding.decoder import Decoder
from shared.observers import Observer
from shared.pictures import PictureReader
from shared.routing.inputs import join_inputs
from shared.settings import Settings
from shared.stream_settings import StreamSettings

if TYPE_CHECKING:  # the libraries of a head take seconds to import
    from shared.routing.training.folds import Examples

PICTURES_AT_ONCE = 32
"""Pictures that the model computes while the next ones are decoded; prepared pictures of 224 x 224 take 150 kB each."""


@dataclass(frozen=True, slots=True)
class Products:
    """Labelled products with their vectors.

    Attributes:
        rows: Those whose picture could be decoded and embedded.
        texts: Their prepared titles and descriptions; empty where a product has neither, or where texts are not read.
        digests: SHA-256 of each picture's bytes, in hex.
        vectors: The vectors of each input: shape (n, dim), float32, rows of unit length, or zero if the text is empty.
        damaged: What is wrong with each other picture, with its name.
    """

    rows: tuple[LabelledPicture, ...]
    texts: tuple[str, ...]
    digests: tuple[str, ...]
    vectors: Mapping[str, Matrix]
    damaged: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each product."""
        return tuple(row.label for row in self.rows)

    def features(self, inputs: Sequence[str]) -> Matrix:
        """Return the dense features for a head of these inputs: shape (n, dim), float32."""
        return join_inputs([self.vectors[name] for name in inputs])

    def examples(self, rows: Sequence[int], labels: tuple[str, ...], inputs: tuple[str, ...]) -> "Examples":
        """Return some products as examples.

        Args:
            rows: Their numbers.
            labels: The labels, sorted; a product with another label belongs to none.
            inputs: The inputs of the head.
        """
        from shared.routing.training.folds import Examples, Origin

        columns = {label: column for column, label in enumerate(labels)}
        return Examples(
            texts=tuple(self.texts[row] if TEXT.name in inputs else "" for row in rows),
            vectors=self.features(inputs)[list(rows)],
            truth=np.array([columns.get(self.rows[row].label, -1) for row in rows], np.intp),
            labels=labels,
            inputs=inputs,
            dims=tuple(self.vectors[name].shape[1] for name in inputs) if len(inputs) > 1 else (),
            origins=tuple(Origin(self.rows[row].name, self.digests[row], self.rows[row].product_id) for row in rows),
        )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A decoded picture, prepared for the model, or the reason why it cannot be used; `digest` is that of its bytes."""

    digest: str
    pixels: Pixels | None
    reason: str = ""


class ProductReading:
    """Reads labelled products.

    Args:
        own: The settings of the stream of products, which name the models.
        settings: The settings of the process, of which the limits of media are used.
        inputs: The inputs that are read: `image`, and perhaps `text`.

    Raises:
        Fatal: a model cannot be loaded.
    """

    def __init__(self, own: StreamSettings, settings: Settings, inputs: Sequence[str]) -> None:
        self._card = load_image_card(own.image.model, own.image.models_file)
        self._model = Embedder(IMAGE, load_image_model(own.image), MemoryCache(0), Observer())
        self._texts = Reading(own) if TEXT.name in inputs else None
        self._decoding = settings.decoding
        self._limit_bytes = settings.media.max_mib << 20

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of the model of each input."""
        texts = {} if self._texts is None else self._texts.fingerprints
        return {IMAGE.name: self._model.fingerprint, **texts}

    def read(self, pictures: LabelledPictures) -> Products:
        """Decode and embed pictures, and embed their titles.

        Raises:
            Fatal: a file cannot be read, no picture can be used, or the device fails.
        """
        found, vectors = self._embed([row.path for row in pictures.rows])
        kept = [at for at, each in enumerate(found) if not each.reason]
        rows = tuple(pictures.rows[at] for at in kept)
        damaged = tuple(
            f"{row.name}: {each.reason}" for row, each in zip(pictures.rows, found, strict=True) if each.reason
        )
        if not rows:
            raise Fatal(f"no picture can be used; the first: {damaged[0]}")
        by_input: dict[str, Matrix] = {IMAGE.name: vectors[kept]}
        texts = [""] * len(rows)
        if self._texts is not None:
            texts = [self._texts.preparer.product(row.title, row.description).embedded for row in rows]
            by_input[TEXT.name] = self._texts.embed(texts) * np.array([[bool(text)] for text in texts], np.float32)
        return Products(rows, tuple(texts), tuple(found[at].digest for at in kept), by_input, damaged)

    def _embed(self, paths: Sequence[Path]) -> tuple[list[_Prepared], Matrix]:
        """Return what was found of each file, without its pixels, and the vectors; the row of a failure is zero.

        The next pictures are decoded while the model computes.
        """
        found: list[_Prepared] = []
        vectors = np.zeros((len(paths), self._model.dim), np.float32)
        starts = range(0, len(paths), PICTURES_AT_ONCE)
        with (
            closing(Decoder(self._decoding, self._limit_bytes, SystemClock())) as decoder,
            ThreadPoolExecutor(self._decoding.processes) as pool,
            bar("embedding pictures", len(paths)) as advance,
        ):
            reader = PictureReader(decoder, self._card)

            def begin(start: int) -> list[Future[_Prepared]]:
                return [pool.submit(self._prepared, reader, path) for path in paths[start : start + PICTURES_AT_ONCE]]

            ahead = begin(0)
            for start in starts:
                prepared = [each.result() for each in ahead]
                ahead = begin(start + PICTURES_AT_ONCE)
                found += self._add_vectors(prepared, vectors[start : start + PICTURES_AT_ONCE])
                advance(len(prepared))
        return found, vectors

    def _add_vectors(self, prepared: Sequence[_Prepared], vectors: Matrix) -> list[_Prepared]:
        """Set the rows of the pictures that the model can embed, and return all without their pixels."""
        usable = [(row, each.pixels) for row, each in enumerate(prepared) if each.pixels is not None]
        reasons = [each.reason for each in prepared]
        embedded = self._model.embed([pixels for _, pixels in usable])
        for (row, _), found in zip(usable, embedded, strict=True):
            if isinstance(found, Rejected):
                reasons[row] = f"the model cannot embed it: {found.detail}"
            else:
                vectors[row] = found.vector
        return [_Prepared(each.digest, None, reason) for each, reason in zip(prepared, reasons, strict=True)]

    def _prepared(self, reader: PictureReader, path: Path) -> _Prepared:
        try:
            size_bytes = path.stat().st_size
            if size_bytes > self._limit_bytes:
                return _Prepared("", None, f"{size_bytes} bytes are more than MILLRACE_MEDIA__MAX_MIB allows")
            content = path.read_bytes()
        except OSError as error:
            raise Fatal(f"{path} cannot be read: {error.strerror}") from error
        digest = sha256(content).hexdigest()
        try:
            return _Prepared(digest, reader.pixels(content, IMAGE.field))
        except Rejected as error:
            return _Prepared(digest, None, error.detail)
