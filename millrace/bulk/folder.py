"""The folder of a run: its outputs, what is unfinished, and whether the folder may be used.

DIR/vectors.npy, labels.npy, rows.csv, rejects.csv   written when all inputs are done
DIR/metadata.json                                    written last: with it, the outputs are complete
DIR/.unfinished/job.json                             the facts of the run
DIR/.unfinished/000000.npz                           a shard of inputs that is done
"""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from millrace.bulk.files import PART, reported, write_whole
from millrace.bulk.job import Job, differences
from shared.errors import Fatal

VECTORS, LABELS, ROWS, REJECTS, METADATA = "vectors.npy", "labels.npy", "rows.csv", "rejects.csv", "metadata.json"
PLOT = "tsne.png"
OUTPUTS = (METADATA, VECTORS, LABELS, ROWS, REJECTS, PLOT)
PARTS = tuple(f"{name}{PART}" for name in OUTPUTS)
"""What a command that was killed may leave behind."""

UNFINISHED, JOB, LOCK = ".unfinished", "job.json", "lock"
JOB_KEY = "job"
"""The field of the metadata that holds the facts of the run."""

SHOWN = 3


class RunFolder:
    """The folder that a run writes to.

    Args:
        folder: The folder; it is created with its parents.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unfinished = folder / UNFINISHED

    def check(self) -> None:
        """Check that the folder holds no file of another name than those of a run.

        Raises:
            Fatal: it does, or it cannot be read.
        """
        with reported(self.folder):
            if not self.folder.exists():
                return
            others = sorted(
                each.name for each in self.folder.iterdir() if each.name not in (*OUTPUTS, *PARTS, UNFINISHED)
            )
        if others:
            raise Fatal(f"{self.folder} holds other files, such as {others[0]!r}: choose a new folder")

    @contextmanager
    def begun(self, job: Job, is_replaced: bool) -> Iterator[bool]:
        """Prepare the folder for a run, or for going on with the same one; yield whether it is complete already.

        No other process can begin a run there while the block runs.

        Args:
            job: The facts of the run.
            is_replaced: Whether the outputs of another run are deleted.

        Raises:
            Fatal: the folder cannot be written, another process uses it, or it holds something else or another run.
        """
        self.check()
        with reported(self.folder):
            self.unfinished.mkdir(parents=True, exist_ok=True)
        with reported(self.unfinished):
            opened = (self.unfinished / LOCK).open("wb")
        with opened as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Fatal(f"another process embeds into {self.folder}: wait until it has ended") from error
            yield self._resume(job, is_replaced)

    def shard(self, number: int) -> Path:
        """Return the path of a shard."""
        return self.unfinished / f"{number:06}.npz"

    def finish(self) -> None:
        """Delete what is needed only until the outputs are complete."""
        with reported(self.unfinished):
            shutil.rmtree(self.unfinished)

    def _resume(self, job: Job, is_replaced: bool) -> bool:
        """Return whether the outputs are complete; delete those of another run if they are to be replaced."""
        started = _read(self.unfinished / JOB)
        finished = (_read(self.folder / METADATA) or {}).get(JOB_KEY)
        stored = started if started is not None else finished if isinstance(finished, dict) else None
        is_foreign = stored is None and any((self.folder / each).exists() for each in OUTPUTS)
        if is_foreign or (stored is not None and stored != job and not is_replaced):
            self._clean_lock(started)
            raise Fatal(self._conflict(stored, job))
        if stored == job and finished == job:
            return True
        if stored != job:
            self._delete_shards()
            write_whole(self.unfinished / JOB, lambda opened: opened.write(json.dumps(job).encode()))
        with reported(self.folder):  # only now: a run that is killed here can be resumed
            for name in (*OUTPUTS, *PARTS):
                (self.folder / name).unlink(missing_ok=True)
        return False

    def _conflict(self, stored: Job | None, job: Job) -> str:
        if stored is None:
            return f"{self.folder} holds files that `millrace embed` did not write: choose another folder"
        found = differences(stored, job)
        listed = "; ".join(found[:SHOWN]) + (f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
        return f"{self.folder} holds another run: {listed}. Choose another folder, or delete that run by --overwrite"

    def _clean_lock(self, started: Job | None) -> None:
        """Leave a folder that was refused as it was."""
        if started is None:
            shutil.rmtree(self.unfinished, ignore_errors=True)

    def _delete_shards(self) -> None:
        with reported(self.unfinished):
            (self.unfinished / JOB).unlink(missing_ok=True)  # first, so that no shard of another run is taken
            for path in self.unfinished.iterdir():
                if path.name != LOCK:
                    path.unlink()


def check_plot(folder: Path, file: Path) -> None:
    """Check that a plot would not be among the outputs, unless it has the name that is meant for it.

    Raises:
        Fatal: it would, so that the folder could not be used for a run any more.
    """
    inside, resolved = folder.resolve(), file.resolve()
    if resolved.is_relative_to(inside) and resolved != inside / PLOT:
        raise Fatal(
            f"{file} lies in {folder}, which may hold nothing but the outputs of a run: choose a file outside of it, or "
            f"leave out --out for {folder / PLOT}"
        )


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata of a run that is complete.

    Raises:
        Fatal: the file does not exist or is not one that Millrace wrote.
    """
    found = _read(path)
    if found is None or found.get("complete") is not True or not isinstance(found.get(JOB_KEY), dict):
        raise Fatal(
            f"{path} does not exist or is not complete: the folder must hold the outputs of `millrace embed`, which "
            "finishes a run that was stopped if it is started again with the same options"
        )
    return dict(found)


def _read(path: Path) -> Job | None:
    """Return the object in a file; None if it does not exist or is not one."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
