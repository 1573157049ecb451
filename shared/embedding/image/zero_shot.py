"""The choice of how labels of pictures are judged by their names alone, by what the model of pictures can do."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.embedding.image.classes import ClassifyingModel
from shared.embedding.image.conse import Conse
from shared.embedding.port import Matrix, TextModel
from shared.embedding.registry import ImageCard
from shared.logs import get_logger

TOKENIZERS = (frozenset({"tokenizer.json"}), frozenset({"vocab.json", "merges.txt"}))
"""The files of which a card of CLIP must list one set, so that its text tower can be used."""

log = get_logger("embedding")


class PictureZeroShot(Protocol):
    """Judges labels of pictures by their names alone; it is also a `shared.routing.zero_shot.ZeroShot`."""

    @property
    def name(self) -> str:
        """The method: `conse` or `clip_prompts`."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the columns."""
        ...

    @property
    def using(self) -> str:
        """The name of the vector that it judges: `image`."""
        ...

    def probabilities(self, vectors: Matrix) -> NDArray[np.float32]:
        """Return the probability of each label: shape (n, labels), float32, each row has at most the sum 1."""
        ...


def zero_shot_for(
    card: ImageCard, model: ClassifyingModel, text: TextModel | None, labels: tuple[str, ...]
) -> PictureZeroShot | None:
    """Return what judges labels by their names alone: CLIP by sentences, a model that knows classes by ConSE.

    It takes a few seconds, for the names are embedded. If it cannot be done, the reason is logged.

    Args:
        card: The card of the model of pictures.
        model: That model.
        text: Embeds the names for ConSE; CLIP does not need it.
        labels: The labels to judge; empty for no judgement.

    Raises:
        Fatal: the card of CLIP lists a tokenizer, but the text tower cannot be loaded.
    """
    if not labels:
        return None
    is_clip = card.pooling == "projection"
    if has_text_tower(card):
        from shared.embedding.image.prompts import load_prompts

        return load_prompts(card, labels)
    if not is_clip and model.class_head is not None and text is not None:
        return Conse(model.class_head, text, labels)
    log.warning("labels_not_judged_by_name", model=card.key, reason=_reason(is_clip, model))
    return None


def has_text_tower(card: ImageCard) -> bool:
    """Return whether a card is of CLIP and lists a tokenizer, so that its text tower can be used."""
    return card.pooling == "projection" and any(names <= set(card.files) for names in TOKENIZERS)


def _reason(is_clip: bool, model: ClassifyingModel) -> str:
    """Return why labels cannot be judged by their names."""
    if is_clip:
        return "the card of CLIP lists no tokenizer, so its text tower cannot be used"
    if model.class_head is None:
        return "the model of pictures knows no classes: its card has no feature_norm"
    return "no text model is configured, which compares the names"
