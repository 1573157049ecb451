"""Why an item was found, in words."""

from shared.search.federated.parts import Scored, View

SENTENCES = {
    "text": "Its text is like the question (cosine {cosine:.2f}, text model).",
    "conse": "The classes that its picture is likeliest of are like the question's words (cosine {cosine:.2f}, ConSE).",
    "clip": "Its picture is like the question's words (cosine {cosine:.2f}, CLIP).",
    "image": "Its picture is like the given one (cosine {cosine:.2f}).",
}
"""The reason for a comparison, by its method."""

ATTACHED_SENTENCES = {
    "text": "Text that was read in its picture {image_id} is like the question (cosine {cosine:.2f}, text model).",
    "image": "Its attached picture {image_id} is like the given one (cosine {cosine:.2f}).",
}
"""The same for a picture that is attached to the item."""

MANY = 1_000


def reasons_of(found: Scored, view: View, chance: float | None, shared: tuple[str, ...]) -> tuple[str, ...]:
    """Return the reasons, as sentences.

    Args:
        found: The hit.
        view: The score that it is shown with.
        chance: How often chance gives that score; None if that is not known.
        shared: The words that it shares with the question.
    """
    if found.attached is None:
        parts = [SENTENCES[part.method].format(cosine=part.cosine) for part in view.parts]
    else:
        image_id = found.attached.image_id
        parts = [ATTACHED_SENTENCES[part.method].format(cosine=part.cosine, image_id=image_id) for part in view.parts]
    where = "It contains" if found.attached is None else "What was read contains"
    words = [f"{where} the words: {', '.join(shared)}."] if shared else []
    return (*parts, *words, _of_chance(chance, is_picture=any(part.method == "image" for part in view.parts)))


def _of_chance(chance: float | None, is_picture: bool) -> str:
    if chance is None:
        return "There are too few items to judge whether it matches."
    count = chance * MANY
    number = f"{count:.0f}" if count >= 1 else "fewer than 1"
    if is_picture:
        return f"Of {MANY:,} pairs of random stored pictures, {number} are as alike."
    return f"Of {MANY:,} questions that fit nothing, {number} would find an item with such a score."
