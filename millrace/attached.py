"""Media that follow the items of a stream, such as pictures of tickets: what the settings ask for, and what reads them."""

from dataclasses import replace
from importlib import import_module
from typing import Any

from shared.embedding.registry import load_image_card
from shared.engine.stream import Stream
from shared.errors import Fatal
from shared.pictures import PictureReader
from shared.reading.attached import AttachedPictureReader
from shared.reading.port import TextReader
from shared.stream_settings import StreamSettings


def with_attached(stream: Stream[Any, Any], own: StreamSettings) -> Stream[Any, Any]:
    """Return a stream with the input of its attached pictures, if it has any and its settings ask for them.

    Raises:
        Fatal: the model of pictures does not exist, or its row is not valid.
    """
    if stream.attached is None or stream.follows or not own.attachments.read:
        return stream
    card = load_image_card(own.image.model, own.image.models_file)
    return replace(
        stream,
        follows=True,
        inputs=(*stream.inputs, stream.attached.input),
        media=stream.attached.media,
        variants=(*stream.variants, f"image-{card.fingerprint}"),  # vectors of two models are never in one collection
    )


def attached_reader(
    own: StreamSettings, pictures: PictureReader | None, texts: TextReader | None
) -> AttachedPictureReader:
    """Return what reads attached pictures.

    Args:
        own: The settings of the stream.
        pictures: Decodes them, and prepares them for the model.
        texts: Reads the text in them; None for the reader that is installed.

    Raises:
        Fatal: there is no model of pictures, or the library that reads text is not installed.
    """
    if pictures is None:
        raise Fatal("attached pictures need a model of pictures")
    return AttachedPictureReader(pictures, texts or load_text_reader(own.attachments.at_once), own.attachments.at_once)


def load_text_reader(at_once: int = 1) -> TextReader:
    """Return the installed reader of text in pictures; its library is imported only here.

    Args:
        at_once: The most pictures that it reads at once.

    Raises:
        Fatal: it is not installed.
    """
    try:
        reader: TextReader = import_module("shared.reading.rapid").load_text_reader(at_once=at_once)
    except ImportError as error:
        raise Fatal(f"reading the text in pictures needs {error.name}: install millrace[reading]") from error
    return reader
