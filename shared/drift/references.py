"""The references of a folder. A changed file is read again, and a damaged one leaves the earlier reference in use."""

from pathlib import Path

from shared.drift.reference import Reference, Subject
from shared.drift.reference_files import SUFFIX, load_reference
from shared.errors import Fatal
from shared.logs import get_logger

State = tuple[int, int, int]
log = get_logger("drift")


class References:
    """The references of a folder by subject.

    Args:
        folder: The folder; it may be missing as long as there is no reference.

    Raises:
        Fatal: a file in it is damaged, or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._states: dict[str, State] = {}
        self._by_file: dict[str, Reference] = {}
        for name, state in self._listed().items():
            self._by_file[name] = load_reference(folder / name)
            self._states[name] = state

    def of(self, subject: Subject) -> Reference | None:
        """Return the reference of a subject, or None."""
        return next((each for each in self._by_file.values() if each.subject == subject), None)

    def every(self) -> tuple[Reference, ...]:
        """Return all references."""
        return tuple(self._by_file.values())

    def refresh(self) -> bool:
        """Read files that are new or have changed, forget removed ones, and return whether anything changed.

        A file that cannot be read is logged once, and the reference that was read from it before stays in use.
        """
        try:
            listed = self._listed()
        except Fatal as error:
            log.error("drift.references_unreadable", error=str(error))
            return False
        changed = False
        for name in self._states.keys() - listed.keys():
            del self._states[name]
            changed = self._by_file.pop(name, None) is not None or changed
        for name, state in listed.items():
            if self._states.get(name) == state:
                continue
            self._states[name] = state
            try:
                self._by_file[name] = load_reference(self._folder / name)
                changed = True
            except Fatal as error:
                log.error("drift.reference_refused", file=str(self._folder / name), error=str(error))
        return changed

    def _listed(self) -> dict[str, State]:
        """Return the files of the folder and what changes when one of them is replaced."""
        found = {}
        try:
            if not self._folder.exists():
                return {}
            for path in sorted(self._folder.iterdir()):
                if path.suffix == SUFFIX and not path.name.startswith("."):
                    status = path.stat()
                    found[path.name] = (status.st_mtime_ns, status.st_ino, status.st_size)
        except OSError as error:
            raise Fatal(f"the folder of references {self._folder} cannot be read: {error.strerror}") from error
        return found
