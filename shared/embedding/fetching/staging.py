"""Where the files of a model are put together, by one process at a time, and their way into the folder of models."""

import errno
import fcntl
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shared.clock import Clock
from shared.errors import Fatal, Unavailable
from shared.logs import get_logger

LOOK_EVERY_S = 0.5
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})

log = get_logger("models")


@contextmanager
def staging(place: Path, patience_s: float, clock: Clock) -> Iterator[Path]:
    """Lock a model's place, and yield the folder in which its files are put together.

    What a run that ended early has left there is kept. The system releases the lock when a process ends in any way.

    Args:
        place: The folder in which the files are to be.
        patience_s: How long to wait for another process that makes no progress.
        clock: Measures that.

    Raises:
        Fatal: the folder cannot be written, or its file system has no locks.
        Unavailable: another process has the lock and makes no progress.
    """
    partial = place.with_name(f".{place.name}.partial")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(place.with_name(f".{place.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Fatal(
            f"models cannot be fetched into {place.parent}: {error.strerror}; choose another folder by "
            "MILLRACE_OPERATION__MODELS_DIR, or make this one writable"
        ) from error
    try:
        _lock(lock, place, partial, patience_s, clock)
        yield partial
    finally:
        os.close(lock)


def settle(partial: Path, place: Path, names: Sequence[str]) -> None:
    """Move complete files to their place: as one folder, or one by one into a folder that exists and was damaged.

    Raises:
        Fatal: they cannot be moved.
    """
    try:
        if not place.exists():
            partial.rename(place)
            return
        for name in names:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).replace(place / name)
        shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise Fatal(f"the files in {partial} cannot be moved to {place}: {error.strerror}") from error


def _lock(lock: int, place: Path, partial: Path, patience_s: float, clock: Clock) -> None:
    seen, moved_s = -1, clock.monotonic_s()
    while not _try_lock(lock, place):
        found = _size(partial)
        if found != seen:
            if seen < 0:
                log.info("another_process_fetches", folder=str(place))
            seen, moved_s = found, clock.monotonic_s()
        if clock.monotonic_s() - moved_s > patience_s:
            raise Unavailable(
                "the folder of models",
                f"another process fetches {place.name}, and has received no byte for {patience_s:g} s",
            )
        clock.wait(threading.Event(), LOOK_EVERY_S)


def _try_lock(lock: int, place: Path) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise Fatal(f"the file system of {place.parent} has no locks: fetch into another folder") from error
        raise Fatal(f"{place.parent} cannot be locked: {error.strerror}") from error
    return True


def _size(folder: Path) -> int:
    """Return the size of what is in a folder, which another process changes and renames meanwhile."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(path, name).stat().st_size
            except OSError:
                continue
    return total
