"""Embeds inputs shard by shard: the next inputs are read and prepared on threads while the model computes.

A shard is always embedded as a whole, in the same calls of the model, so that a run that was killed and resumed has the
same bits as one that was not.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from millrace.bulk.folder import RunFolder
from millrace.bulk.inputs import Input, Source
from millrace.bulk.shards import Answer, Shard, read_shard
from millrace.bulk.work import Work
from schemas.failures import FailureReason
from shared.clock import Clock
from shared.errors import Fatal, Rejected

FIELD = "file"


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An input with what the model receives, or why it receives nothing."""

    given: Input
    sha256: str
    found: Any


@dataclass(frozen=True, slots=True)
class _Group:
    """Inputs that the model receives in one call; `ends` is whether they are the last of their shard."""

    shard: int
    inputs: tuple[Input, ...]
    ends: bool


class Running:
    """Embeds the inputs of a run that have no shard yet.

    Args:
        work: The model.
        limit_bytes: The largest file.
        clock: Measures the time of each shard.
    """

    def __init__(self, work: Work, limit_bytes: int, clock: Clock) -> None:
        self._work, self._limit_bytes, self._clock = work, limit_bytes, clock

    def run(self, source: Source, folder: RunFolder, size: int, advance: Callable[[int], None]) -> int:
        """Embed what is not done yet, and write a file for each shard.

        Args:
            source: The inputs.
            folder: The folder of the run.
            size: Inputs in a shard.
            advance: Receives the number of inputs that are done.

        Returns:
            The number of inputs that were done before.

        Raises:
            Fatal: a shard cannot be written, the table has changed, or the device fails.
        """
        numbers = range(-(-source.count // size))
        done = {number for number in numbers if read_shard(folder.shard(number)) is not None}
        before = sum(min(size, source.count - number * size) for number in done)
        advance(before)
        pool = ThreadPoolExecutor(self._work.threads, "bulk")
        try:
            self._embed(pool, self._groups(source, size, done), folder, advance)
        finally:
            pool.shutdown(cancel_futures=True)
        return before

    def _embed(
        self, pool: ThreadPoolExecutor, groups: Iterator[_Group], folder: RunFolder, advance: Callable[[int], None]
    ) -> None:
        answers: list[Answer] = []
        begun_s = self._clock.monotonic_s()
        for group, prepared in _ahead(groups, lambda group: [pool.submit(self._prepared, x) for x in group.inputs]):
            answers += self._answers([each.result() for each in prepared])
            if group.ends:
                ended_s = self._clock.monotonic_s()
                Shard.of(answers, self._work.dim, ended_s - begun_s).write(folder.shard(group.shard))
                answers, begun_s = [], ended_s
            advance(len(group.inputs))

    def _groups(self, source: Source, size: int, done: set[int]) -> Iterator[_Group]:
        """Yield the groups of the shards that are not done."""
        inputs = source.inputs()
        for number in range(-(-source.count // size)):
            expected = min(size, source.count - number * size)
            shard = tuple(islice(inputs, expected))
            if len(shard) < expected:
                raise Fatal("the table has changed while it was read: it has fewer rows than before")
            if number in done:
                continue
            for start in range(0, expected, self._work.together):
                part = shard[start : start + self._work.together]
                yield _Group(number, part, start + len(part) == expected)

    def _answers(self, prepared: Sequence[_Prepared]) -> list[Answer]:
        """Embed a group; the answers are in its order."""
        usable = [each.found for each in prepared if not isinstance(each.found, Rejected)]
        vectors = iter(self._work.embed(usable) if usable else ())
        return [
            Answer(each.given, each.sha256, each.found if isinstance(each.found, Rejected) else next(vectors))
            for each in prepared
        ]

    def _prepared(self, given: Input) -> _Prepared:
        digest = ""
        try:
            content = self._content(given)
            digest = sha256(content).hexdigest()
            return _Prepared(given, digest, self._work.prepare(content))
        except Rejected as rejected:
            return _Prepared(given, digest, rejected)

    def _content(self, given: Input) -> bytes:
        """Return the bytes of an input.

        Raises:
            Rejected: it cannot be read, is empty, or is too large.
        """
        if given.fault:
            raise Rejected(FailureReason.INVALID_VALUE, FIELD, given.fault)
        content = given.text.encode(errors="replace") if given.path is None else self._read(Path(given.path))
        if not content:
            raise Rejected(FailureReason.EMPTY_VALUE, FIELD, "it is empty")
        if len(content) > self._limit_bytes:
            detail = f"it has more than {self._limit_bytes >> 20} MiB, the limit that MILLRACE_MEDIA__MAX_MIB sets"
            raise Rejected(FailureReason.MEDIA_TOO_LARGE, FIELD, detail)
        return content

    def _read(self, path: Path) -> bytes:
        try:
            if path.exists() and not path.is_file():  # a pipe would be waited for
                is_link = path.is_symlink() and path.is_dir()
                detail = "it is a link to a folder, which is not followed" if is_link else "it is not a file"
                raise Rejected(FailureReason.MEDIA_UNREADABLE, FIELD, detail)
            with path.open("rb") as opened:
                return opened.read(self._limit_bytes + 1)
        except FileNotFoundError:
            raise Rejected(FailureReason.MEDIA_NOT_FOUND, FIELD, "the file does not exist") from None
        except (OSError, ValueError) as error:
            detail = f"it cannot be read: {getattr(error, 'strerror', None) or error}"
            raise Rejected(FailureReason.MEDIA_UNREADABLE, FIELD, detail) from error


def _ahead(
    groups: Iterator[_Group], begin: Callable[[_Group], list[Future[_Prepared]]]
) -> Iterator[tuple[_Group, list[Future[_Prepared]]]]:
    """Yield each group with its futures, after the next one has begun."""
    waiting: tuple[_Group, list[Future[_Prepared]]] | None = None
    for group in groups:
        begun = (group, begin(group))
        if waiting is not None:
            yield waiting
        waiting = begun
    if waiting is not None:
        yield waiting
