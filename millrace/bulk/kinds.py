"""What inputs are: images, texts or sounds, by the first bytes of the files."""

from collections import Counter
from enum import StrEnum
from pathlib import Path

from millrace.bulk.inputs import Files, Input, Source
from millrace.ingest.media_files import kind_at
from shared.errors import Fatal
from shared.media.decoding.kinds import PICTURES, SOUNDS
from shared.wording import counted

TEXT_ENDING = ".txt"


class InputKind(StrEnum):
    """What is embedded, and therefore which model is used."""

    IMAGES = "images"
    TEXTS = "texts"
    SOUNDS = "sounds"


NOUNS = {InputKind.IMAGES: "image", InputKind.TEXTS: "text", InputKind.SOUNDS: "sound"}


def choose_kind(source: Source, wanted: InputKind | None, shown: Path) -> InputKind:
    """Return what the inputs are: what is wanted, else images or sounds, of which there are more, else texts.

    Texts that lie beside images or sounds mostly describe them.

    Args:
        source: The inputs.
        wanted: The kind that a person names; None for this choice.
        shown: The path, for errors.

    Raises:
        Fatal: no input is of the wanted kind, or of any; or there are as many images as sounds.
    """
    if not isinstance(source, Files):
        if wanted not in (None, InputKind.TEXTS):
            raise Fatal(f"{shown} is a table of texts, so that there is no {NOUNS[wanted]} in it")
        return InputKind.TEXTS
    counts = Counter(kind for kind in map(_kind_of, source.files) if kind is not None)
    if wanted is not None:
        if not counts[wanted]:
            raise Fatal(f"there is no {NOUNS[wanted]} in {shown}: {_found(counts)}")
        return wanted
    if not counts:
        raise Fatal(f"there is no image, no sound and no text (a file that ends in {TEXT_ENDING}) in {shown}")
    images, sounds = counts[InputKind.IMAGES], counts[InputKind.SOUNDS]
    if not images and not sounds:
        return InputKind.TEXTS
    if images == sounds:
        raise Fatal(f"{_found(counts)} are in {shown}: name by --kind which of them to embed")
    return InputKind.IMAGES if images > sounds else InputKind.SOUNDS


def _kind_of(each: Input) -> InputKind | None:
    path = Path(each.path or "")
    try:
        found = kind_at(path) if path.is_file() else None  # a pipe would be waited for
    except (Fatal, OSError, ValueError):  # it is listed among the rejects
        found = None
    if found in PICTURES:
        return InputKind.IMAGES
    if found in SOUNDS:
        return InputKind.SOUNDS
    return InputKind.TEXTS if path.suffix.lower() == TEXT_ENDING else None


def _found(counts: Counter[InputKind]) -> str:
    return (
        ", ".join(counted(count, NOUNS[kind]) for kind, count in counts.most_common()) or "nothing that can be embedded"
    )
