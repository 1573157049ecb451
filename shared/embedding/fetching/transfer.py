"""One file: it is continued where it stopped, and kept only if its digest is the card's."""

import errno
import hashlib
import os
import random
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from shared.backoff import Backoff
from shared.clock import Clock
from shared.embedding.fetching.origins import Interrupted, Opened, Origin
from shared.embedding.sources import BLOCK_BYTES
from shared.errors import Fatal, Unavailable
from shared.logs import get_logger

UNSTATED_BYTES = 64 << 20
"""The most that a file may have whose size the origin does not state, so that an endless answer cannot fill the disk."""

LEAST_BYTES = 65_536
"""What has to arrive within the patience, so that a server that sends a byte from time to time is given up."""

log = get_logger("models")


class WrongContent(Fatal):
    """A file has another digest than the card lists; it was removed."""


@dataclass(frozen=True, slots=True)
class Means:
    """What every transfer of a model uses.

    Attributes:
        origin: Where the files come from.
        patience_s: How long to go on without `LEAST_BYTES` new bytes.
        clock: Measures that, and waits between attempts.
        advance: Is called with the number of new bytes; a negative one if bytes were dropped.
    """

    origin: Origin
    patience_s: float
    clock: Clock
    advance: Callable[[int], None]


def bring(means: Means, name: str, expected: str, target: Path) -> None:
    """Write a file, or what is missing of it, until it has the expected digest.

    Args:
        means: Where it comes from, and how long that may take.
        name: Its name in the card.
        expected: Its SHA-256.
        target: Where it is written. What is there already is continued.

    Raises:
        WrongContent: the origin has another content under this name; nothing is left of it.
        Fatal: the origin does not have it, or the disk is full.
        Unavailable: too few bytes arrived for too long; what has arrived is kept.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("a+b") as file:
            _Transfer(means, name, expected, file).run()
            os.fsync(file.fileno())
    except WrongContent:
        target.unlink(missing_ok=True)
        raise
    except OSError as error:
        advice = "; free some space, and run the command again" if error.errno == errno.ENOSPC else ""
        raise Fatal(f"{target} cannot be written: {error.strerror}{advice}") from error


class _Transfer:
    """One file on its way."""

    def __init__(self, means: Means, name: str, expected: str, file: BinaryIO) -> None:
        self._means, self._name, self._expected, self._file = means, name, expected, file
        self._digest, self._size, self._furthest, self._marked = hashlib.sha256(), 0, 0, 0
        self._moved_s, self._attempt = means.clock.monotonic_s(), 0
        self._backoff, self._rng = Backoff(0.5, 10.0), random.Random()  # noqa: S311  (it only spreads attempts)

    def run(self) -> None:
        """Receive until the digest is right."""
        self._file.seek(0)
        while block := self._file.read(BLOCK_BYTES):
            self._note(block)
        self._marked, self._moved_s = self._furthest, self._means.clock.monotonic_s()
        has_begun_again = False
        while self._digest.hexdigest() != self._expected:
            try:
                is_whole = self._receive()
            except Interrupted as error:
                if self._digest.hexdigest() != self._expected:
                    self._pause(error)
                continue
            if self._digest.hexdigest() == self._expected:
                break
            if is_whole or has_begun_again:
                raise WrongContent(
                    f"{self._name} was sent with SHA-256 {self._digest.hexdigest()}, but the model's card states "
                    f"{self._expected}; it was removed. The place that it comes from is damaged or has another version"
                )
            has_begun_again = True
            log.warning("pieces_do_not_fit", file=self._name, sha256=self._digest.hexdigest())
            self._drop()
            self._furthest, self._marked, self._moved_s = 0, 0, self._means.clock.monotonic_s()

    def _receive(self) -> bool:
        """Append one answer of the origin; return whether it was the file from its first byte to its last."""
        with self._means.origin.open(self._name, self._size) as opened:
            if opened.start_bytes != self._size:
                self._drop()
            self._check_room(opened)
            counted, counted_s = 0, self._means.clock.monotonic_s()
            most = UNSTATED_BYTES if opened.total_bytes is None else opened.total_bytes
            for block in opened.blocks:
                if self._size + len(block) > most:
                    raise Fatal(f"{self._name}: more than the {most:,} bytes arrived that the file may have")
                self._file.write(block)
                self._note(block)
                counted += len(block)
                now_s = self._means.clock.monotonic_s()
                if counted >= LEAST_BYTES:
                    counted, counted_s = 0, now_s
                elif now_s - counted_s > self._means.patience_s:
                    self._file.flush()
                    raise self._given_up("it arrives too slowly", counted, now_s - counted_s)
        self._file.flush()
        if opened.total_bytes is not None and self._size < opened.total_bytes:
            raise Interrupted(f"an answer ended after {self._size:,} of {opened.total_bytes:,} bytes")
        return opened.start_bytes == 0

    def _note(self, block: bytes) -> None:
        self._digest.update(block)
        self._size += len(block)
        self._means.advance(len(block))
        if self._size > self._furthest:  # a server that breaks at one place again and again makes no progress
            self._furthest, self._attempt = self._size, 0
            if self._furthest >= self._marked + LEAST_BYTES:
                self._marked, self._moved_s = self._furthest, self._means.clock.monotonic_s()

    def _drop(self) -> None:
        self._file.truncate(0)
        self._means.advance(-self._size)
        self._digest, self._size = hashlib.sha256(), 0

    def _check_room(self, opened: Opened) -> None:
        needed = (opened.total_bytes or 0) - self._size
        free = shutil.disk_usage(Path(self._file.name).parent).free
        if needed > free:
            raise Fatal(f"{self._name} needs {needed:,} bytes, but its disk has {free:,} bytes free: free some space")

    def _pause(self, error: Interrupted) -> None:
        """Wait before the next attempt, or give up."""
        self._file.flush()
        means, attempt = self._means, self._attempt
        self._attempt += 1
        wait_s = max(self._backoff.delay_s(attempt, self._rng), error.wait_s or 0.0)
        idle_s = means.clock.monotonic_s() - self._moved_s
        if idle_s + wait_s > means.patience_s:
            asked = "" if error.wait_s is None else f", and it asks to wait {error.wait_s:,.0f} s"
            raise self._given_up(f"{error}{asked}", self._furthest - self._marked, idle_s) from error
        log.warning(
            "download_interrupted", file=self._name, at_bytes=self._size, why=str(error), wait_s=round(wait_s, 1)
        )
        means.clock.wait(threading.Event(), wait_s)

    def _given_up(self, why: str, new_bytes: int, idle_s: float) -> Unavailable:
        return Unavailable(
            "the source of the model",
            f"{self._name}: {why}. In the last {idle_s:.0f} s {new_bytes:,} new bytes arrived, and --timeout is "
            f"{self._means.patience_s:g} s. Run the command again: it continues after {self._size:,} bytes",
        )
