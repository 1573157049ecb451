"""The references of a folder. A changed file is read again, and a damaged one leaves the earlier reference in use."""

from collections.abc import Mapping
from pathlib import Path

from shared.drift.reference import Reference, Subject
from shared.drift.reference_files import SUFFIX, load_located, load_reference
from shared.errors import Fatal
from shared.logs import get_logger

State = tuple[int, int, int]
UNREADABLE: State = (0, 0, 0)
log = get_logger("drift")


class References:
    """The references of a folder by subject. One thread refreshes them, and others may read them meanwhile.

    Args:
        folder: The folder; it may be missing as long as there is no reference.
        stream: For a worker, its stream: only the centroids, names and thresholds of this stream are read, and a file
            that cannot be read is logged instead of raised, because the watch for drift never stops a worker.

    Raises:
        Fatal: a file in it is damaged, or cannot be read.
    """

    def __init__(self, folder: Path, stream: str | None = None) -> None:
        self._folder, self._stream = folder, stream
        self._states: dict[str, State] = {}
        self._by_file: dict[str, Reference] = {}
        self._by_subject: Mapping[Subject, Reference] = {}
        if stream is not None:
            self.refresh()
            return
        for name, state in self._listed().items():
            self._by_file[name] = load_reference(folder / name)
            self._states[name] = state
        self._by_subject = self._newest()

    def of(self, subject: Subject) -> Reference | None:
        """Return the reference of a subject, or None."""
        return self._by_subject.get(subject)

    def every(self) -> tuple[Reference, ...]:
        """Return all references."""
        return tuple(self._by_subject.values())

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
            if self._states.get(name) != state:
                self._states[name] = state
                changed = self._read(name) or changed
        if changed:
            self._by_subject = self._newest()
        return changed

    def _read(self, name: str) -> bool:
        """Read a file, and return whether it holds a reference that is wanted."""
        path = self._folder / name
        try:
            found = load_reference(path) if self._stream is None else load_located(path, self._stream)
        except Fatal as error:
            log.error("drift.reference_refused", file=str(path), error=str(error))
            return False
        if found is None:
            return self._by_file.pop(name, None) is not None
        self._by_file[name] = found
        return True

    def _newest(self) -> Mapping[Subject, Reference]:
        """Return the references by subject; of several files of one subject, the one that was built last counts."""
        found: dict[Subject, Reference] = {}
        for name, each in sorted(self._by_file.items(), key=lambda item: (item[1].made_at, item[0])):
            if each.subject in found:
                log.warning("drift.reference_replaced", subject=str(each.subject), used=str(self._folder / name))
            found[each.subject] = each
        return found

    def _listed(self) -> dict[str, State]:
        """Return the files of the folder and what changes when one of them is replaced."""
        try:
            if not self._folder.exists():
                return {}
            paths = [each for each in sorted(self._folder.iterdir()) if each.suffix == SUFFIX]
        except OSError as error:
            raise Fatal(f"the folder of references {self._folder} cannot be read: {error.strerror}") from error
        return {path.name: _state_of(path) for path in paths if not path.name.startswith(".")}


def _state_of(path: Path) -> State:
    """Return what changes when a file is replaced; a dangling link has a state of its own, and fails when it is read."""
    try:
        status = path.stat()
    except OSError:
        return UNREADABLE
    return status.st_mtime_ns, status.st_ino, status.st_size
