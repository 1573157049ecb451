"""One decoding child, as the worker sees it: it is sent a content and answers within a time, or is killed."""

import fcntl
import os
import select
import subprocess
import sys
from contextlib import suppress
from typing import IO

from shared.clock import Clock
from shared.media.decoding.wire import (
    HEADER,
    MESSAGE_LIMIT_BYTES,
    Failed,
    MessageT,
    Ready,
    Request,
    Tag,
    packed,
    unpacked,
)
from shared.media.port import MediaContent

STARTUP_S = 60.0
PIPE_BYTES = 1 << 20
KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""The child gets no other variable of the environment, because secrets are among them."""

MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(128 << 20)}
"""Lets glibc keep memory from one medium to the next: a picture of a megapixel is decoded in half the time."""


class Died(Exception):
    """The child has ended, or does what it never should, so that it was killed.

    Args:
        detail: How it ended.
        signal_number: The signal that ended it; 0 if none did.
    """

    def __init__(self, detail: str, signal_number: int = 0) -> None:
        super().__init__(detail)
        self.signal_number = signal_number


class Refused(Exception):
    """The child could not decode a content, has said why, and waits for the next one.

    Args:
        failed: What it said.
    """

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.detail)
        self.failed = failed


class TimeIsUp(Exception):
    """The child took more time than it was given, and was killed."""


class DecodingProcess:
    """A child. One thread uses it at a time.

    Args:
        memory_bytes: Memory that it may use beyond what it needs to start.
        clock: Measures how long the worker waits for it.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self, memory_bytes: int, clock: Clock) -> None:
        self._clock = clock
        self._process = subprocess.Popen(  # noqa: S603  (the arguments are ours)
            [sys.executable, "-I", "-m", "shared.media.decoding.child", str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=MALLOC | {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            start_new_session=True,  # a Ctrl-C in the terminal is for the worker, which then finishes its batch
        )
        self._requests, self._replies = _fd(self._process.stdin), _fd(self._process.stdout)
        self._left_s = STARTUP_S
        self._is_killed = False

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def ready(self) -> Ready:
        """Wait until the child is confined.

        Raises:
            Died: it could not be confined, or could not load what it needs.
            TimeIsUp: it took more than `STARTUP_S`.
        """
        tag, body = self.receive(MESSAGE_LIMIT_BYTES)
        if tag is Tag.FAILED:
            failed = self.message(Failed, body)
            self.kill()
            raise Died(failed.detail)
        return self.message(Ready, body)

    def send(self, request: Request, content: MediaContent, time_s: float) -> None:
        """Send a content to decode.

        Args:
            request: What to decode, and the limits.
            content: The bytes.
            time_s: How long the worker waits for this content in all, here and in `receive`.

        Raises:
            Died: the child has ended.
            TimeIsUp: the time is over.
        """
        self._left_s = time_s
        body = packed(request)
        self._write(HEADER.pack(Tag.REQUEST.value, len(body)) + body)
        self._write(HEADER.pack(Tag.CONTENT.value, len(content)))
        self._write(content)

    def receive(self, limit_bytes: int) -> tuple[Tag, bytearray]:
        """Return the next frame of the reply.

        Args:
            limit_bytes: The largest body.

        Raises:
            Died: the child has ended, or sends something else.
            TimeIsUp: the time is over.
        """
        tag, length = HEADER.unpack(self._read(HEADER.size))
        if length > limit_bytes:
            raise self.mistrusted(f"sent {length} bytes where at most {limit_bytes} are expected")
        try:
            return Tag(tag), self._read(length)
        except ValueError:
            raise self.mistrusted("sent a frame of an unknown kind") from None

    def message(self, kind: type[MessageT], body: bytearray) -> MessageT:
        """Return a message of the child.

        Raises:
            Died: it is not such a message.
        """
        try:
            return unpacked(kind, bytes(body))
        except ValueError as error:
            raise self.mistrusted("sent a message that is not valid") from error

    @property
    def is_running(self) -> bool:
        """Whether it has not been killed."""
        return not self._is_killed

    def mistrusted(self, what: str) -> Died:
        """Kill a child that does what it never should; return the error to raise."""
        self.kill()
        return Died(f"the decoding process {what}")

    def stop(self) -> None:
        """End the child from another thread; the thread that uses it sees its end and calls `kill`."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def kill(self) -> None:
        """End the child, if it runs, and close its pipes."""
        self._is_killed = True
        self.stop()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _write(self, content: MediaContent) -> None:
        left = memoryview(content)
        while left:
            self._wait(self._requests, select.POLLOUT)
            try:
                left = left[os.write(self._requests, left) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._death() from None

    def _read(self, size: int) -> bytearray:
        found = bytearray(size)
        left = memoryview(found)
        while left:
            self._wait(self._replies, select.POLLIN)
            try:
                count = os.readv(self._replies, [left])
            except BlockingIOError:
                continue
            if not count:
                raise self._death()
            left = left[count:]
        return found

    def _wait(self, fd: int, event: int) -> None:
        """Wait until a pipe can be used; only this time counts, not what the worker does in between."""
        poll = select.poll()
        poll.register(fd, event)
        began_s = self._clock.monotonic_s()
        is_ready = poll.poll(max(0.0, self._left_s) * 1_000)
        self._left_s -= self._clock.monotonic_s() - began_s
        if not is_ready:
            self.kill()
            raise TimeIsUp("it takes too long")

    def _death(self) -> Died:
        """Return how the child ended; it closes its pipes only when it ends."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        code = self._process.returncode
        self.kill()
        if code is not None and code < 0:
            return Died(f"signal {-code} ended the decoding process", -code)
        return Died(f"the decoding process ended with code {code}")


def _fd(pipe: IO[bytes] | None) -> int:
    """Return the descriptor of a pipe, which holds as much as the system allows and blocks nobody."""
    if pipe is None:
        raise ValueError("a pipe is missing")
    fd = pipe.fileno()
    os.set_blocking(fd, False)
    if sys.platform == "linux":
        with suppress(OSError):  # the user has too many large pipes
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return fd
