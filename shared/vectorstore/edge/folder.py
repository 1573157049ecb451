"""The folder of an embedded store, read without opening the store: its owner process, and the targets of its aliases.

Reading the aliases needs no lock, because their file is replaced as a whole.
"""

import fcntl
import json
from contextlib import suppress
from pathlib import Path

from shared.errors import Fatal

OWNER = "owner.pid"
"""The file that the owner process keeps locked; it contains the pid of that process."""

ALIASES = "aliases.json"


def aliases_of(folder: Path) -> dict[str, str]:
    """Return the collection that each alias points to.

    Raises:
        Fatal: the file of aliases cannot be read, or is not valid JSON.
    """
    path = folder / ALIASES
    try:
        aliases: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise Fatal(
            f"{path} cannot be read ({type(error).__name__}): restore the file, or move the folder away "
            "and send all items again"
        ) from error
    return aliases


def owner_of(folder: Path) -> str | None:
    """Return the pid of a store's owner process as text, empty if the pid is unknown; None if no process has the store.

    This takes a shared lock for a moment, because only an attempt to lock shows whether another process has the lock.
    """
    with suppress(FileNotFoundError), (folder / OWNER).open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return opened.read(32).decode(errors="replace").strip()
    return None
