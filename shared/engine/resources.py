"""What wiring passes to the stages of a stream."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.embedding.image.words import PictureWords
from shared.media.decoding.decoder import Decoder
from shared.pictures import PictureReader
from shared.reading.attached import AttachedPictureReader
from shared.routing.decider import Decider
from shared.speech.resources import Speech
from shared.stream_settings import DuplicateSettings, SearchSettings
from shared.text.preparation import Preparation
from shared.vectorstore.port import Collection


@dataclass(frozen=True, slots=True)
class Resources:
    """What wiring passes to the stages of a stream.

    Attributes:
        collection: The collection with the stream's points.
        decider: Decides with the stream's head and policy.
        preparation: How texts are prepared for its text model.
        customer_key: Key of the digests that replace customers' ids.
        search: Settings of the search for similar solved items.
        duplicates: Settings of the search for near-duplicates.
        models: Fingerprints of its models by the name of their modality, as results state them.
        decoder: Decodes the media of its events.
        speech: Recognises their recordings; None if the stream has none.
        words: Places their pictures among texts; None if the model of pictures knows no classes.
        pictures: Prepares their pictures for the model; None if the stream has none.
        attached: Reads the pictures that are attached to its items; None if no setting asks for it.
        others: Returns the collection of another stream, by its name; None if it does not exist yet, or if its vectors
            are of another model.
        search_of: Returns the settings of another stream's search: what is offered of it follows its own rules.
    """

    collection: Collection
    decider: Decider
    preparation: Preparation
    customer_key: bytes
    search: SearchSettings
    duplicates: DuplicateSettings
    models: Mapping[str, str]
    decoder: Decoder
    speech: Speech | None = None
    words: PictureWords | None = None
    pictures: PictureReader | None = None
    attached: AttachedPictureReader | None = None
    others: Callable[[str], Collection | None] = lambda stream: None
    search_of: Callable[[str], SearchSettings] = lambda stream: SearchSettings()
