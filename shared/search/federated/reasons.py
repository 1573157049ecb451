"""Why an item was found, in words."""

from shared.search.federated.source import Kind, View

SENTENCES = {
    "text": "Its text is like the question (cosine {cosine:.2f}, text model).",
    "conse": "The classes that its picture is likeliest of are like the question's words (cosine {cosine:.2f}, ConSE).",
    "clip": "Its picture is like the question's words (cosine {cosine:.2f}, CLIP).",
    "image": "Its picture is like the given one (cosine {cosine:.2f}).",
}
"""The reason for a comparison, by its method."""

STRONG_SHARE = 0.05
MANY = 1_000


def reasons_of(view: View, chance: float | None, shared: tuple[str, ...], kind: Kind) -> tuple[str, ...]:
    """Return the reasons, as sentences.

    Args:
        view: The score that it is shown with.
        chance: How often chance gives its score; None if that is not known.
        shared: The words that it shares with the question.
        kind: The kind of the question.
    """
    parts = [SENTENCES[part.method].format(cosine=part.cosine) for part in view.parts]
    words = [f"It contains the words: {', '.join(shared)}."] if shared else []
    return (*parts, *words, _of_chance(chance, kind))


def _of_chance(chance: float | None, kind: Kind) -> str:
    if chance is None:
        return "There are too few items to judge whether it matches."
    count = chance * MANY
    number = f"{count:.0f}" if count >= 1 else "fewer than 1"
    if kind == "picture":
        return f"Of {MANY:,} pairs of random stored pictures, {number} are as alike."
    return f"Of {MANY:,} questions that fit nothing, {number} would find an item with such a score."
