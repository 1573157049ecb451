"""Opens the sources of one search over several streams, with the models that questions need; each is loaded once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from millrace.configured import collection_spec, model_card, model_cards
from millrace.resources import load_image_model, load_text_model
from shared.clock import SystemClock
from shared.embedding.image.words import PROMPT, WORDS
from shared.embedding.port import IMAGE, Matrix, Model, TextModel
from shared.embedding.registry import ImageCard
from shared.engine.stream import Stream
from shared.errors import Fatal, Rejected
from shared.media.decoding.decoder import Decoder
from shared.pictures import PictureReader
from shared.records import Vector
from shared.search.federated.background import EncodeTexts
from shared.search.federated.federation import Federation
from shared.search.federated.parts import SourceParts
from shared.search.federated.source import Source
from shared.settings import Settings
from shared.stream_settings import StreamSettings
from shared.text.preparation import Preparer
from shared.vectorstore.port import Collection, VectorStore, is_unit

ModelT = TypeVar("ModelT")
EMBEDDED_KEPT = 8
"""Groups of texts whose vectors are kept: those of the background and of a question, with and without "a photo of a"."""

PICTURES_AT_ONCE = 32
"""Pictures in one call of the model; prepared pictures of 224 x 224 take 150 kB each."""


@dataclass(slots=True)
class SearchModels:
    """The models of questions, loaded at their first use; streams with the same model share it.

    Attributes:
        texts: Text models by fingerprint.
        embedded: What was embedded last, by fingerprint and texts: streams with one model are asked the same.
        pictures: Models of pictures by fingerprint.
        towers: Functions that embed sentences by the text tower of CLIP, by fingerprint.
    """

    texts: dict[str, TextModel] = field(default_factory=dict)
    embedded: dict[tuple[str, tuple[str, ...]], Matrix] = field(default_factory=dict)
    pictures: dict[str, Model[Any]] = field(default_factory=dict)
    towers: dict[str, Callable[[Sequence[str]], Matrix]] = field(default_factory=dict)

    def text(self, own: StreamSettings) -> TextModel:
        """Return the text model of a stream.

        Raises:
            Fatal: it cannot be loaded.
        """
        return _once(self.texts, model_card(own).fingerprint, lambda: load_text_model(own))

    def embed(self, own: StreamSettings, texts: Sequence[str]) -> Matrix:
        """Return the vectors of texts by the text model of a stream, shape (texts, dim), float32, unit rows.

        Raises:
            Fatal: the model cannot be loaded.
        """
        model = self.text(own)
        key = (model.fingerprint, tuple(texts))
        if key not in self.embedded:
            while len(self.embedded) >= EMBEDDED_KEPT:
                del self.embedded[next(iter(self.embedded))]
            self.embedded[key] = model.embed(texts).vectors
        return self.embedded[key]

    def picture(self, own: StreamSettings, card: ImageCard) -> Model[Any]:
        """Return the model of pictures of a stream.

        Raises:
            Fatal: it cannot be loaded.
        """
        return _once(self.pictures, card.fingerprint, lambda: load_image_model(own.image))

    def tower(self, card: ImageCard) -> Callable[[Sequence[str]], Matrix]:
        """Return what embeds sentences by the text tower of CLIP.

        Raises:
            Fatal: it cannot be loaded.
        """

        def load() -> Callable[[Sequence[str]], Matrix]:
            from shared.embedding.image.prompts import ClipSentences

            return ClipSentences(card).embed

        return _once(self.towers, card.fingerprint, load)


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A stream whose collection can be searched.

    Attributes:
        stream: The stream.
        own: Its settings.
        collection: Its collection.
        vectors: The names of its vectors.
    """

    stream: Stream[Any, Any]
    own: StreamSettings
    collection: Collection
    vectors: tuple[str, ...]

    @property
    def image_card(self) -> ImageCard | None:
        """The card of its model of pictures; None if it has none."""
        card = model_cards(self.stream, self.own).get(IMAGE.name)
        return card if isinstance(card, ImageCard) else None

    @property
    def has_pictures(self) -> bool:
        """Whether its points can be compared with a picture."""
        return self.image_card is not None and IMAGE.name in self.vectors

    def source(self) -> Source:
        """Return what is searched."""
        stream, search = self.stream, self.own.search
        if stream.findable is None:
            raise ValueError(f"{stream.name} are not searched")
        card = self.image_card
        parts = SourceParts(
            stream=stream.name,
            id_field=stream.id_field,
            collection=self.collection,
            vectors=self.vectors,
            findable=stream.findable,
            is_ours=stream.points.is_ours,
            point_id=stream.point_id,
            image_space=None if card is None else card.fingerprint,
        )
        return Source(parts, search.picture_weight, search.candidates)


def open_sources(
    store: VectorStore, streams: Sequence[tuple[Stream[Any, Any], StreamSettings]]
) -> tuple[list[OpenSource], dict[str, str]]:
    """Return the streams that can be searched, and why each of the others cannot.

    Args:
        store: The store.
        streams: The streams, each with its settings.
    """
    found: list[OpenSource] = []
    left_out: dict[str, str] = {}
    for stream, own in streams:
        spec = collection_spec(own, stream)
        collection, target = store.open_alias(stream.name), store.alias_target(stream.name)
        if stream.findable is None:
            left_out[stream.name] = "they are not searched"
        elif collection is None:
            left_out[stream.name] = (
                "the store has no collection of them: start a worker of this stream, which creates it"
            )
        elif target not in (spec.name, None):
            left_out[stream.name] = (
                f"they are read from collection {target}, but the settings ask for {spec.name}: change the settings back, "
                "or fill that collection and move the alias to it (docs/models.md)"
            )
        else:
            found.append(OpenSource(stream, own, collection, tuple(spec.vectors)))
    return found, left_out


def federation_of(sources: Sequence[OpenSource], models: SearchModels) -> Federation:
    """Return the search over some streams."""
    encoders: dict[str, EncodeTexts] = {each.stream.name: partial(encode_texts, each, models) for each in sources}
    return Federation([each.source() for each in sources], encoders)


def encode_texts(source: OpenSource, models: SearchModels, texts: Sequence[str]) -> Mapping[str, Matrix]:
    """Return the vectors of texts as a source is asked by them; see `shared.search.federated.findable.Facet`.

    The texts are prepared as the worker of the stream does it.

    Raises:
        Fatal: a model cannot be loaded.
    """
    asked = [prepared(source, text) for text in texts]
    wanted = () if source.stream.findable is None else {facet.asked for facet in source.stream.findable.by_text}
    found = {"text": models.embed(source.own, asked)}
    if "words" in wanted and WORDS in source.vectors:
        found["words"] = models.embed(source.own, [PROMPT.format(text) for text in asked])
    card = source.image_card
    if "sentence" in wanted and card is not None and _has_text_tower(card):
        found["sentence"] = models.tower(card)(asked)
    return found


def text_vectors(sources: Sequence[OpenSource], models: SearchModels, text: str) -> dict[str, dict[str, Vector]]:
    """Return the vectors of one text for each stream, by how it is asked.

    Raises:
        Fatal: a model cannot be loaded.
    """
    encoded = {each.stream.name: encode_texts(each, models, [text]) for each in sources}
    return {name: {asked: rows[0] for asked, rows in found.items()} for name, found in encoded.items()}


def prepared(source: OpenSource, text: str) -> str:
    """Return a text as the worker of a stream prepares it."""
    return Preparer(model_card(source.own).preparation).embedded("", text)


def encode_picture(
    sources: Sequence[OpenSource], models: SearchModels, file: Path, settings: Settings
) -> dict[str, Vector]:
    """Return the vector of a picture for each stream that has pictures, shape (dim,), float32, unit length.

    Raises:
        Fatal: the file cannot be used, or a model cannot be loaded.
    """
    [found] = encode_pictures(sources, models, {str(file): file}, settings, lambda _: None).values()
    return found


def encode_pictures(
    sources: Sequence[OpenSource],
    models: SearchModels,
    files: Mapping[str, Path],
    settings: Settings,
    advance: Callable[[int], None],
) -> dict[str, dict[str, Vector]]:
    """Return the vectors of pictures, each for each stream that has pictures, shape (dim,), float32, unit length.

    Args:
        sources: The streams.
        models: The models of questions.
        files: The files, each by a name for errors, by which its vectors are returned.
        settings: The settings of the process, of which the limits of media are used.
        advance: Is called with the number of pictures of each finished batch.

    Raises:
        Fatal: a file cannot be used, or a model cannot be loaded.
    """
    found: dict[str, dict[str, Vector]] = {name: {} for name in files}
    groups: dict[str, list[OpenSource]] = {}
    for each in sources:
        if each.image_card is not None and each.has_pictures:
            groups.setdefault(each.image_card.fingerprint, []).append(each)
    names = list(files)
    with _decoder(settings) as decoder:
        for begin in range(0, len(names) if groups else 0, PICTURES_AT_ONCE):
            batch = names[begin : begin + PICTURES_AT_ONCE]
            contents = {name: _content(name, files[name], settings.media.max_mib << 20) for name in batch}
            for group in groups.values():
                for name, vector in _embedded(group[0], models, decoder, contents).items():
                    found[name] |= {each.stream.name: vector for each in group}
            advance(len(batch))
    return found


def _content(name: str, file: Path, limit_bytes: int) -> bytes:
    """Return the bytes of a file.

    Raises:
        Fatal: it cannot be read, or it is empty or too large.
    """
    try:
        size_bytes = file.stat().st_size
        content = file.read_bytes() if size_bytes <= limit_bytes else b""
    except OSError as error:
        raise Fatal(f"{name}: {error.strerror}") from error
    if not content:
        raise Fatal(f"{name}: {size_bytes} bytes; a picture has 1 to {limit_bytes} bytes (MILLRACE_MEDIA__MAX_MIB)")
    return content


def _embedded(
    source: OpenSource, models: SearchModels, decoder: Decoder, contents: Mapping[str, bytes]
) -> dict[str, Vector]:
    """Return the vectors of pictures by the model of one stream.

    Raises:
        Fatal: a picture cannot be decoded or has no vector, or the model cannot be loaded.
    """
    card = source.image_card
    if card is None:
        raise ValueError(f"{source.stream.name} have no pictures")
    reader, pixels = PictureReader(decoder, card), []
    for name, content in contents.items():
        try:
            pixels.append(reader.pixels(content, IMAGE.field))
        except Rejected as rejected:
            raise Fatal(f"{name}: {rejected.detail} ({rejected.reason})") from rejected
    rows = models.picture(source.own, card).embed(pixels).vectors
    for name, row in zip(contents, rows, strict=True):
        if not is_unit(row):
            raise Fatal(f"{name}: the model {card.key} returns no vector of unit length for this picture")
    return dict(zip(contents, rows, strict=True))


@contextmanager
def _decoder(settings: Settings) -> Iterator[Decoder]:
    limits = settings.decoding.model_copy(update={"processes": 1})
    with closing(Decoder(limits, settings.media.max_mib << 20, SystemClock())) as decoder:
        yield decoder


def _has_text_tower(card: ImageCard) -> bool:
    from shared.embedding.image.zero_shot import has_text_tower

    return has_text_tower(card)


def _once(held: dict[str, ModelT], key: str, load: Callable[[], ModelT]) -> ModelT:
    if key not in held:
        held[key] = load()
    return held[key]
