"""Labels of pictures by their names alone, from the classes that a model of pictures knows: ConSE.

Norouzi et al. 2013, https://arxiv.org/abs/1312.5650. No library of models is known here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.embedding.image.classes import ClassHead, softmax
from shared.embedding.image.words import LIKELIEST, PROMPT, PictureWords
from shared.embedding.port import IMAGE, Matrix, TextModel

LEAST_DEVIATION = 1e-3


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was chosen on photos of clothes; docs/accuracy.md has the figures.

    Attributes:
        prompt: The text that each name is put into.
        likeliest: How many classes are averaged, T in the paper.
        temperature: What scores are divided by.
        other: The score of the answer that no label fits, in standard deviations over the names of the classes.
    """

    prompt: str = PROMPT
    likeliest: int = LIKELIEST
    temperature: float = 0.8
    other: float = 3.0


TUNING = Tuning()


class Conse:
    """Judges labels by the similarity of their names to the names of a picture's likeliest classes.

    A picture is placed among texts by `PictureWords`. The score of a label is the cosine of its name to that place, in
    standard deviations above the mean of its cosines to the names of all classes. (The paper compares the cosines
    themselves. A label whose name is similar to every name then takes most pictures, and half as many answers are
    right.) Probabilities are the softmax of the scores and of the constant score of "no label fits".

    Constructing it embeds the names of all classes, about 1,900 texts for ImageNet, which takes 5 s on one core by
    all-MiniLM-L6-v2. The text model is not kept.

    Attributes:
        name: The name of the method.
        using: The name of the vector that it judges.
        labels: The labels, in the order of the columns.
        mean: The mean cosine of each label to the names of the classes, shape (labels,).
        deviation: The standard deviation of these cosines, shape (labels,).

    Args:
        head: The classes that the model of pictures knows; at least two.
        text: Embeds the names of the classes, which are in English, and those of the labels.
        labels: The labels, different from each other.
        tuning: Constants of the method.
    """

    def __init__(self, head: ClassHead, text: TextModel, labels: tuple[str, ...], tuning: Tuning = TUNING) -> None:
        if not labels:
            raise ValueError("there must be at least one label")
        self.name = "conse"
        self.using = IMAGE.name
        self.labels = labels
        self._tuning = tuning
        self._words = PictureWords(head, text, tuning.prompt, tuning.likeliest)
        self._names = text.embed([tuning.prompt.format(label) for label in labels]).vectors
        cosines = self._words.classes @ self._names.T
        self.mean = cosines.mean(axis=0)
        self.deviation = np.maximum(cosines.std(axis=0), LEAST_DEVIATION)

    def probabilities(self, vectors: Matrix) -> NDArray[np.float32]:
        """Return the probability of each label.

        Args:
            vectors: Vectors of the model of pictures, fresh or stored, shape (n, dim), float32, unit rows.

        Returns:
            Shape (n, labels), float32. What a row lacks to 1 is the probability that no label fits.
        """
        scores = self.scores(vectors)
        others = np.full((len(scores), 1), self._tuning.other, np.float32)
        return softmax(np.hstack([scores, others]) / self._tuning.temperature)[:, :-1]

    def scores(self, vectors: Matrix) -> NDArray[np.float32]:
        """Return the score of each label: shape (n, labels), float32, in standard deviations."""
        scores: NDArray[np.float32] = (self._words.places(vectors) @ self._names.T - self.mean) / self.deviation
        return scores
