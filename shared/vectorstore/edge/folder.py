"""The folder of an embedded store as it looks from outside: who holds it, and what its aliases stand for.

Knows no store: reading this needs no lock, for the aliases are replaced as a whole.
"""

import fcntl
import json
from contextlib import suppress
from pathlib import Path

from shared.errors import Fatal

OWNER = "owner.pid"
"""Locked by the process that holds the folder, and names it."""

ALIASES = "aliases.json"


def aliases_of(folder: Path) -> dict[str, str]:
    """Return the collection that each alias stands for.

    Raises:
        Fatal: the file is not what a store writes.
    """
    path = folder / ALIASES
    try:
        aliases: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise Fatal(f"{path} cannot be read ({type(error).__name__}): restore it, or index again") from error
    return aliases


def owner_of(folder: Path) -> str | None:
    """Return the pid of the process that holds a store, as text, empty where it is not known; None: nobody does.

    The lock is tried for an instant, for only a lock shows whether another is held.
    """
    with suppress(FileNotFoundError), (folder / OWNER).open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return opened.read(32).decode(errors="replace").strip()
    return None
