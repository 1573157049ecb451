"""Decodes pictures and sounds of untrusted origin, each in a child process that can do nothing else."""

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from functools import partial
from signal import SIGPROF
from typing import TypeVar

from schemas.failures import FailureReason
from shared.clock import Clock
from shared.decoding_settings import DecodingSettings
from shared.errors import Rejected
from shared.media.decoding.children import Children
from shared.media.decoding.kinds import PICTURES, SOUNDS, START_BYTES, Kind, kind_of, looks_like
from shared.media.decoding.process import DecodingProcess, Died, Refused, TimeIsUp
from shared.media.decoding.replies import Picture, Sound, SoundReceiver, Window, receive_picture
from shared.media.decoding.wire import DETAIL_CHARS, Request
from shared.media.port import MediaContent

ResultT = TypeVar("ResultT")

TIMES_CPU = 4
"""A medium may take this many times its processor time by the clock, because children share the cores with others."""

ATTEMPTS = 2
"""The end of a child may have had another cause than its medium, such as a lack of memory on the machine."""


class Decoder:
    """Decodes media, one per child at a time. Threads may call it at once; they wait until a child is free.

    A child that ends costs its medium alone, which is refused if a second child ends too.

    Args:
        settings: The number of children, and the limits.
        content_limit_bytes: The largest content.
        clock: Measures how long the worker waits for a child.
    """

    def __init__(self, settings: DecodingSettings, content_limit_bytes: int, clock: Clock) -> None:
        self._settings = settings
        self.children = Children(settings.processes, (settings.memory_mib << 20) + content_limit_bytes, clock)

    def start(self) -> None:
        """Start the children, which otherwise start at their first use.

        Raises:
            Fatal: one cannot be started and confined.
        """
        self.children.start()

    def close(self) -> None:
        """End the children; decoding that is going on raises `CancelledError`."""
        self.children.close()

    def picture(self, content: MediaContent, field: str, side_px: int | None = None) -> Picture:
        """Decode a picture: JPEG, PNG, WebP or, with the extra `heic`, HEIC.

        Args:
            content: The bytes of the file.
            field: The event's field that holds it, for errors.
            side_px: The longest side of the returned picture; None for that of the settings.

        Raises:
            Rejected: `media_wrong_kind`, `media_unreadable` or `media_decoding_limit`.
            Fatal: no child can be started.
        """
        request = self._request(content, field, PICTURES)
        request = request if side_px is None else replace(request, side_px=side_px)
        if request.kind is Kind.HEIC and not self.children.has_heic:
            raise Rejected(FailureReason.MEDIA_WRONG_KIND, field, "HEIC pictures need the extra millrace[heic]")
        return self._decoded(content, request, field, partial(receive_picture, request=request))

    def sound(
        self,
        content: MediaContent,
        field: str,
        take: Callable[[Window], None],
        channels: int = 1,
        waiting: Callable[[], None] = lambda: None,
    ) -> Sound:
        """Decode a sound: WAV, FLAC, OGG, MP3, M4A, AIFF or AU.

        Args:
            content: The bytes of the file.
            field: The event's field that holds it, for errors.
            take: Receives the sound in windows of `WINDOW_S` seconds, the last one shorter.
            channels: 1 mixes all channels down; 2 keeps the channels of a stereo sound apart.
            waiting: Called again and again while all children are at work for other threads.

        Raises:
            Rejected: `media_wrong_kind`, `media_unreadable` or `media_decoding_limit`; perhaps after some windows.
            Fatal: no child can be started.
        """
        request = self._request(content, field, SOUNDS, channels)
        receiver = SoundReceiver(take)
        return self._decoded(content, request, field, partial(receiver.receive, request=request), waiting)

    def _request(self, content: MediaContent, field: str, accepted: Sequence[Kind], channels: int = 1) -> Request:
        start = content[:START_BYTES]
        kind = kind_of(start)
        if kind is None or kind not in accepted:
            kinds = ", ".join(each.upper() for each in accepted)
            detail = f"the content is {looks_like(start)}; accepted kinds are {kinds}"
            raise Rejected(FailureReason.MEDIA_WRONG_KIND, field, detail)
        of = self._settings
        return Request(kind, of.cpu_s, of.max_pixels, of.max_frames, of.side_px, of.max_sound_s, channels)

    def _decoded(
        self,
        content: MediaContent,
        request: Request,
        field: str,
        receive: Callable[[DecodingProcess], ResultT],
        waiting: Callable[[], None] = lambda: None,
    ) -> ResultT:
        """Let a child decode a content, and another one if it ends."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.children.lend(waiting) as child:
                    child.send(request, content, request.cpu_s * TIMES_CPU)
                    return receive(child)
            except Refused as error:
                reason = FailureReason.MEDIA_DECODING_LIMIT if error.failed.is_limit else FailureReason.MEDIA_UNREADABLE
                raise Rejected(reason, field, _printable(error.failed.detail)) from error
            except Died as death:
                if self.children.is_closed:
                    raise CancelledError from death
                if death.signal_number == SIGPROF:
                    raise _beyond(field, f"decoding takes more than {request.cpu_s:g} s of processor time") from death
                if attempt == ATTEMPTS:
                    raise _beyond(field, str(death)) from death
            except TimeIsUp as error:
                raise _beyond(field, f"decoding takes more than {request.cpu_s * TIMES_CPU:g} s") from error
        raise AssertionError("unreachable: the last attempt returns or raises")


def _beyond(field: str, detail: str) -> Rejected:
    return Rejected(FailureReason.MEDIA_DECODING_LIMIT, field, _printable(detail))


def _printable(detail: str) -> str:
    """Return a text of a child without characters that would disturb a log or a terminal."""
    return "".join(each if each.isprintable() else "?" for each in str(detail)[:DETAIL_CHARS])
