"""What the stages of a worker are given: its models' parts, its decider, its readers of media, and other collections."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from millrace.attached import attached_reader
from millrace.configured import input_fingerprints, model_card, model_cards
from millrace.customer_key import customer_key
from millrace.resources import Process, load_routing
from shared.embedding.audio.port import Recogniser
from shared.embedding.image.classes import ClassifyingModel
from shared.embedding.image.words import WORDS, PictureWords
from shared.embedding.port import IMAGE, TEXT, Model
from shared.embedding.registry import ImageCard
from shared.engine.resources import Resources
from shared.engine.stream import Stream
from shared.errors import Fatal
from shared.media.decoding.decoder import Decoder
from shared.operation.lifecycle import Lifecycle
from shared.pictures import PictureReader
from shared.routing.decider import Decider, Electorate, Routing
from shared.routing.zero_shot import ZeroShot
from shared.speech.recordings import RecordingReader
from shared.speech.resources import Speech
from shared.speech.sound import SOUND
from shared.stream_settings import StreamSettings, read_stream_settings
from shared.vectorstore.port import Collection, VectorStore


@dataclass(frozen=True, slots=True)
class Given:
    """What the worker of a stream is built from; see `stream_worker`."""

    stream: Stream[Any, Any]
    own: StreamSettings
    process: Process
    models: Mapping[str, Model[Any]]
    recogniser: Recogniser | None


def resources_of(
    given: Given, decider: Decider, collection: Collection, decoder: Decoder, lifecycle: Lifecycle
) -> Resources:
    """Return what the stages of a stream work with."""
    own, recogniser = given.own, given.recogniser
    modalities: dict[str, None] = dict.fromkeys(each.modality.name for each in given.stream.inputs)
    fingerprints = {name: given.models[name].fingerprint for name in modalities if name in given.models}
    pictures = _pictures_of(given.stream, own, decoder)
    return Resources(
        collection=collection,
        decider=decider,
        preparation=model_card(own).preparation,
        customer_key=customer_key(given.process.settings),
        search=own.search,
        duplicates=own.duplicates,
        models=fingerprints,
        decoder=decoder,
        others=partial(_collection_of, given.process.store, fingerprints.get(TEXT.name)),
        search_of=lambda name: read_stream_settings(name).search,
        speech=None if recogniser is None else speech_of(own, decoder, recogniser, lifecycle.beat_or_abandon),
        words=words_of(given.stream, given.models),
        pictures=pictures,
        attached=attached_reader(own, pictures, given.process.text_reader) if given.stream.follows else None,
    )


def words_of(stream: Stream[Any, Any], models: Mapping[str, Model[Any]]) -> PictureWords | None:
    """Return what places the pictures of a stream among texts; None if its collection has no such vector.

    Raises:
        Fatal: the model of pictures knows no classes, although its card names them.
    """
    if WORDS not in stream.derived:
        return None
    model = models[IMAGE.name]
    if not isinstance(model, ClassifyingModel) or model.class_head is None:
        raise Fatal(
            f"the model of pictures of stream {stream.name} names no classes, although its card has feature_norm"
        )
    return PictureWords(model.class_head, models[TEXT.name])


def _pictures_of(stream: Stream[Any, Any], own: StreamSettings, decoder: Decoder) -> PictureReader | None:
    """Return what reads the pictures of a stream; None if it has none."""
    card = _image_card(stream, own)
    return None if card is None else PictureReader(decoder, card)


def _image_card(stream: Stream[Any, Any], own: StreamSettings) -> ImageCard | None:
    """Return the card of a stream's model of pictures; None if it has none."""
    card = model_cards(stream, own).get(IMAGE.name)
    return card if isinstance(card, ImageCard) else None


def routing_of(stream: Stream[Any, Any], own: StreamSettings, models: Mapping[str, Model[Any]]) -> Routing:
    """Return what decides the events of a stream, whichever points vote."""
    fingerprints = {name: model.fingerprint for name, model in models.items()}
    routing = load_routing(own, input_fingerprints(stream, fingerprints))
    return replace(routing, zero_shot=_zero_shot_of(stream, own, models))


def _zero_shot_of(stream: Stream[Any, Any], own: StreamSettings, models: Mapping[str, Model[Any]]) -> ZeroShot | None:
    """Return what judges labels by their names where nothing is trained or labelled; None if no names are configured."""
    if not own.image.classes or own.decision.head is not None:
        return None
    card, model = _image_card(stream, own), models.get(IMAGE.name)
    if card is None or not isinstance(model, ClassifyingModel):
        return None
    from shared.embedding.image.zero_shot import zero_shot_for

    return zero_shot_for(card, model, models.get(TEXT.name), own.image.classes)


def dimensions_of(models: Mapping[str, Model[Any]], recogniser: Recogniser | None) -> dict[str, int]:
    """Return the lengths of the vectors, by modality; a recogniser has vectors of sound."""
    found = {name: each.dim for name, each in models.items()}
    return found if recogniser is None else {**found, SOUND.name: recogniser.dim}


def with_sound(models: Mapping[str, Model[Any]], speech: Speech | None) -> Mapping[str, Model[Any]]:
    """Return the models with that of sound, if there is a recogniser."""
    return models if speech is None else {**models, SOUND.name: speech.sound_model()}


def _collection_of(store: VectorStore, fingerprint: str | None, stream: str) -> Collection | None:
    """Return the collection of another stream; None if it does not exist, or has vectors of another text model."""
    target = store.alias_target(stream)
    if fingerprint is None or (target is not None and fingerprint not in target):
        return None
    return store.open_alias(stream)


def speech_of(own: StreamSettings, decoder: Decoder, recogniser: Recogniser, beat: Callable[[str], None]) -> Speech:
    """Return what recognises the recordings of a stream.

    Args:
        own: The settings of the stream.
        decoder: Decodes them.
        recogniser: The loaded model.
        beat: Records a heartbeat of a thread, because a long recording takes longer than a heartbeat may be old; see
            `Lifecycle.beat_or_abandon`.

    Raises:
        Fatal: the network for voice activity is not installed.
    """
    from shared.speech.activity import load_network

    return Speech(RecordingReader(decoder, load_network()), recogniser, own.speech.batch_pieces, beat)


def decider_of(stream: Stream[Any, Any], own: StreamSettings, routing: Routing, collection: Collection) -> Decider:
    """Return the decider of a stream; without a head, the points of its collection vote."""
    using, points = stream.rules.affecting[0], stream.points
    electorate = Electorate(collection, using, own.decision.neighbours, points.id_field, points.is_ours)
    return Decider(routing, electorate)
