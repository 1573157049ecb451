"""Int8 models that the tests make on the spot."""

from pathlib import Path

from millrace.quantising.building import MODELS_FILE, Order, build
from millrace.quantising.parts import Built, Floors
from millrace.quantising.texts import Sample, packaged_sample
from shared.embedding.registry import TextCard, load_text_card
from shared.text.preparation import Preparer

NO_FLOORS = Floors(-1, 0)


def built(card: TextCard, folder: Path, floors: Floors = NO_FLOORS) -> Built:
    """Make an int8 model of a model that no file of rows needs to name."""
    return build(Order(card, f"{card.key}-int8", folder, None, floors), short_sample(card), None)


def built_card(card: TextCard, folder: Path) -> TextCard:
    """Make an int8 model, and return its card as the file of rows beside it states it."""
    made = built(card, folder)
    return load_text_card(made.card.key, made.folder / MODELS_FILE)


def short_sample(card: TextCard) -> Sample:
    """Return some of the packaged samples."""
    whole = packaged_sample(Preparer(card.preparation))
    return Sample(whole.origin, whole.calibration[:24], whole.held_out[:60])
