"""Which models there are, and which streams use them by their settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from millrace.configured import model_cards
from millrace.streams import STREAMS
from shared.embedding.card import ModelCard
from shared.embedding.registry import load_cards, load_speech_card
from shared.errors import Fatal
from shared.stream_settings import StreamSettings


@dataclass(frozen=True, slots=True)
class Known:
    """A model.

    Attributes:
        card: Its card.
        streams: The streams whose workers load it.
    """

    card: ModelCard
    streams: tuple[str, ...]


def known_models(settings: Mapping[str, StreamSettings], models_file: Path | None = None) -> list[Known]:
    """Return the models of the packaged file and of all files that settings name, each once.

    Args:
        settings: The settings of the streams, by name.
        models_file: A file whose models are returned instead, those that a stream uses among them.

    Raises:
        Fatal: a file cannot be read, or a row is not valid.
    """
    used = {name: _cards_of(name, own) for name, own in settings.items()}
    files = [models_file] if models_file else _files_of(settings.values())
    found: list[ModelCard] = []
    for card in (card for file in files for card in load_cards(file)):
        if card not in found:
            found.append(card)
    return [Known(card, tuple(name for name, cards in used.items() if card in cards)) for card in found]


def chosen(known: Sequence[Known], keys: Sequence[str], is_all: bool) -> list[Known]:
    """Return the models with these keys, or all; without keys those that a stream uses.

    Raises:
        Fatal: there is no model with such a key.
    """
    if is_all:
        return list(known)
    if not keys:
        return [each for each in known if each.streams]
    found = []
    for key in keys:
        named = [each for each in known if each.card.key == key]
        if not named:
            raise Fatal(f"there is no model {key}; there are: {', '.join(sorted({each.card.key for each in known}))}")
        found += [each for each in named if each.streams] or named[:1]
    return found


def _cards_of(name: str, own: StreamSettings) -> list[ModelCard]:
    stream = STREAMS[name]
    cards = list(model_cards(stream, own).values())
    if stream.recognises_speech:
        cards.append(load_speech_card(own.speech.model, own.speech.models_file))
    return cards


def _files_of(settings: Iterable[StreamSettings]) -> list[Path | None]:
    """Return the packaged file, as None, and those that settings name."""
    parts = [part for own in settings for part in (own.embedding, own.speech, own.image)]
    return list(dict.fromkeys([None, *(part.models_file for part in parts)]))
