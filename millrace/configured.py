"""What the settings of a stream ask for: the cards of its models, its vectors, its collection. Nothing is loaded."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from millrace.attached import with_attached
from shared.embedding.card import ModelCard
from shared.embedding.image.words import WORDS, words_digest
from shared.embedding.port import IMAGE, TEXT
from shared.embedding.registry import TextCard, load_image_card, load_speech_card, load_text_card
from shared.engine.stream import Stream
from shared.search.filterable import attribute_fields, field_indexes
from shared.speech.sound import sound_fingerprint
from shared.stream_settings import StreamSettings
from shared.vectorstore.port import CollectionSpec


def model_card(own: StreamSettings) -> TextCard:
    """Return the card of the configured text model.

    Raises:
        Fatal: the model does not exist, or its row is not valid.
    """
    return load_text_card(own.embedding.model, own.embedding.models_file)


def model_cards(stream: Stream[Any, Any], own: StreamSettings) -> dict[str, ModelCard]:
    """Return the cards of the models of a stream's inputs, by modality; that of sound belongs to its model of speech.

    Raises:
        Fatal: a model does not exist, or its row is not valid.
    """
    loaders: Mapping[str, Callable[[], ModelCard]] = {
        TEXT.name: lambda: model_card(own),
        IMAGE.name: lambda: load_image_card(own.image.model, own.image.models_file),
    }
    modalities = dict.fromkeys(each.modality.name for each in with_attached(stream, own).inputs)
    return {name: loaders[name]() for name in modalities if name in loaders}


def input_fingerprints(stream: Stream[Any, Any], models: Mapping[str, str]) -> dict[str, str]:
    """Return the fingerprint of the model of each input that affects results, by the input's name.

    Args:
        stream: The stream.
        models: The fingerprints of its models, by the name of their modality.
    """
    return {each.name: models[each.modality.name] for each in stream.inputs if each.affects_result}


def configured(stream: Stream[Any, Any], own: StreamSettings) -> Stream[Any, Any]:
    """Return a stream with all vectors that its settings ask for: those of sound, words and attached pictures are optional.

    Raises:
        Fatal: the model of speech or of pictures does not exist, or its row is not valid.
    """
    stream = _with_words(with_attached(stream, own), own)
    if stream.sound is None or not own.speech.sound_vector or stream.sound in stream.inputs:
        return stream
    card = load_speech_card(own.speech.model, own.speech.models_file)
    variant = f"sound-{sound_fingerprint(card.fingerprint)}"  # vectors of two models are never in one collection
    return replace(stream, inputs=(*stream.inputs, stream.sound), variants=(*stream.variants, variant))


def _with_words(stream: Stream[Any, Any], own: StreamSettings) -> Stream[Any, Any]:
    """Return a stream with the places of its pictures among texts, if it stores them and the model knows classes."""
    if not stream.words or WORDS in stream.derived:
        return stream
    norm = load_image_card(own.image.model, own.image.models_file).feature_norm
    if norm is None:
        return stream
    variant = f"{WORDS}-{words_digest(norm)}"
    return replace(stream, derived={**stream.derived, WORDS: TEXT.name}, variants=(*stream.variants, variant))


def collection_spec(
    own: StreamSettings, stream: Stream[Any, Any], dimensions: Mapping[str, int] | None = None
) -> CollectionSpec:
    """Return the specification of a stream's collection for the configured model and attributes.

    Args:
        own: The settings of the stream.
        stream: The stream.
        dimensions: Lengths of the vectors of the loaded models, by modality; None for those that the cards state.
    """
    cards, stream = model_cards(stream, own), configured(stream, own)
    attached = None if stream.attached is None else stream.attached.input  # it is named among the variants
    named = dict.fromkeys(each.modality.name for each in stream.inputs if each is not attached)
    if dimensions is None:
        dimensions = {name: card.dim for name, card in cards.items()}
        if stream.sound is not None and own.speech.sound_vector:
            dimensions[stream.sound.modality.name] = load_speech_card(own.speech.model, own.speech.models_file).dim
    spec = stream.collection([cards[name] for name in named if name in cards], dimensions)
    return replace(spec, indexes={**spec.indexes, **field_indexes(attribute_fields(own.search))})
