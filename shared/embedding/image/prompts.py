"""Labels of pictures by their names alone, from the text tower of CLIP.

Radford et al. 2021, https://arxiv.org/abs/2103.00020, section 3.1. Nothing is downloaded, and no code of a checkpoint is
run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from shared.embedding.image.classes import softmax
from shared.embedding.image.loading import read_checkpoint
from shared.embedding.port import IMAGE, Matrix
from shared.embedding.registry import ImageCard
from shared.errors import Fatal

PROMPT = "a photo of a {}."
LOGIT_SCALE = "logit_scale"
"""The tensor of a checkpoint that holds the natural logarithm of what cosines are multiplied by."""


class ClipPrompts:
    """Judges labels by the cosines of a picture to sentences with their names, as CLIP was trained to.

    The probabilities of a picture are the softmax over the labels, so they have the sum 1 even if no label fits: name
    what else the pictures show as labels too.

    Args:
        labels: The labels, different from each other.
        sentences: The text vectors of the labels, shape (labels, dim), float32, unit rows.
        scale: What cosines are multiplied by; about 100 for the published checkpoints.
    """

    def __init__(self, labels: tuple[str, ...], sentences: Matrix, scale: float) -> None:
        self.name = "clip_prompts"
        self.using = IMAGE.name
        self.labels = labels
        self.sentences = sentences
        self.scale = scale

    def probabilities(self, vectors: Matrix) -> NDArray[np.float32]:
        """Return the probability of each label.

        Args:
            vectors: Vectors of the same CLIP, fresh or stored, shape (n, dim), float32, unit rows.

        Returns:
            Shape (n, labels), float32; each row has the sum 1.
        """
        return softmax(vectors @ self.sentences.T * self.scale)


class ClipSentences:
    """The text tower of CLIP, on the CPU in float32: it places words among pictures.

    Args:
        card: The card of CLIP, which lists a tokenizer.

    Raises:
        Fatal: a file differs from the card, or the checkpoint has no text tower, or another one than its configuration.
    """

    def __init__(self, card: ImageCard) -> None:
        self._card, folder = card, card.check_files()
        self._tower, self._tokenizer = _text_tower(card, folder), _tokenizer(card, folder)

    def embed(self, names: Sequence[str]) -> Matrix:
        """Return the vectors of sentences with these names: shape (names, dim), float32, unit rows.

        Raises:
            Fatal: the tower gives no vectors of the length that the card states.
        """
        sentences = _embed(self._tower, self._tokenizer, names)
        if sentences.shape[1] != self._card.dim or not np.isfinite(sentences).all():
            raise Fatal(f"model {self._card.key}: its text tower gives no vectors of length {self._card.dim}")
        return sentences


def load_prompts(card: ImageCard, labels: tuple[str, ...]) -> ClipPrompts:
    """Embed the labels by the text tower of CLIP.

    The tower is not kept, because labels do not change while a worker runs.

    Raises:
        Fatal: the text tower cannot be loaded; see `ClipSentences`.
    """
    tower = ClipSentences(card)
    return ClipPrompts(labels, tower.embed(labels), _scale(card, card.locate()))


def _text_tower(card: ImageCard, folder: Path) -> Any:
    try:
        tower, info = read_checkpoint(CLIPTextModelWithProjection, folder)
    except (OSError, ValueError, RuntimeError) as error:
        raise Fatal(f"model {card.key}: its text tower cannot be read: {error}") from error
    differing = sorted(info["missing_keys"]) or sorted(str(each) for each in info["mismatched_keys"])
    if differing:  # the library draws missing weights at random
        raise Fatal(f"model {card.key}: {card.weights} does not fit the text tower of config.json: {differing[0]}")
    return tower.eval()


def _tokenizer(card: ImageCard, folder: Path) -> Any:
    try:
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise Fatal(f"model {card.key}: its tokenizer cannot be read: {error}") from error


def _embed(tower: Any, tokenizer: Any, labels: Sequence[str]) -> Matrix:
    longest = tower.config.max_position_embeddings
    tokens = tokenizer(
        [PROMPT.format(label) for label in labels],
        padding=True,
        truncation=True,
        max_length=longest,
        return_tensors="pt",
    )
    with torch.inference_mode():
        found = tower(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).text_embeds
        vectors: Matrix = (found / found.norm(dim=1, keepdim=True)).numpy()
    return vectors


def _scale(card: ImageCard, folder: Path) -> float:
    with safe_open(folder / card.weights, framework="np") as tensors:
        if LOGIT_SCALE not in tensors.keys():  # noqa: SIM118 - it is no mapping
            raise Fatal(f"model {card.key}: {card.weights} has no tensor {LOGIT_SCALE}")
        return float(np.exp(np.float64(tensors.get_tensor(LOGIT_SCALE))))
