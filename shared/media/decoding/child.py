"""The process that decodes: `python -m shared.media.decoding.child MEMORY_BYTES`. It reads requests and writes replies.

It loads all that it needs, gives up its rights, and only then reads the first byte of a content.
"""

import os
import signal
import sys
from typing import BinaryIO

from shared.media.decoding.confinement import CannotConfine, confine
from shared.media.decoding.kinds import SOUNDS, Kind
from shared.media.decoding.pictures import decode_picture, prepare_pictures
from shared.media.decoding.refusals import TooMuch, Unreadable
from shared.media.decoding.sounds import SoundReader, prepare_sounds
from shared.media.decoding.wire import (
    DETAIL_CHARS,
    Failed,
    Ready,
    Request,
    Tag,
    packed,
    read_frame,
    unpacked,
    write_frame,
)

NO_MEMORY = 12
"""The exit code if a content does not fit into memory (ENOMEM)."""


def main() -> None:
    """Serve requests until the worker closes the pipe."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    try:
        has_heic = prepare_pictures()
        prepare_sounds()
        is_filtered = confine(int(sys.argv[1]))
    except CannotConfine as error:
        write_frame(sink, Tag.FAILED, packed(Failed(False, str(error))))
        return
    write_frame(sink, Tag.READY, packed(Ready(is_filtered, has_heic)))
    while (frame := read_frame(source)) is not None:
        request = unpacked(Request, frame[1])
        try:
            content = read_frame(source)
        except MemoryError:
            os._exit(NO_MEMORY)  # the rest of the content is still in the pipe
        if content is None:
            return
        # The signal that follows ends the process, even if the decoder never returns to Python.
        signal.setitimer(signal.ITIMER_PROF, request.cpu_s)
        _reply(sink, request, content[1])
        signal.setitimer(signal.ITIMER_PROF, 0)
        del frame, content  # it must not take memory from the next one


def _reply(sink: BinaryIO, request: Request, content: bytes) -> None:
    try:
        if Kind(request.kind) in SOUNDS:
            reader = SoundReader(content, request)
            for number, window in enumerate(reader.windows()):
                if number == 0:
                    write_frame(sink, Tag.SOUND, packed(reader.done))
                write_frame(sink, Tag.WINDOW, window)
            write_frame(sink, Tag.DONE, packed(reader.done))
        else:
            done, pixels = decode_picture(content, request)
            write_frame(sink, Tag.PIXELS, pixels)
            write_frame(sink, Tag.DONE, packed(done))
    except TooMuch as error:
        write_frame(sink, Tag.FAILED, packed(Failed(True, str(error))))
    except MemoryError:
        write_frame(sink, Tag.FAILED, packed(Failed(True, "decoding needs more memory than is allowed")))
    except Unreadable as error:
        write_frame(sink, Tag.FAILED, packed(Failed(False, str(error)[:DETAIL_CHARS])))
    except Exception as error:  # noqa: BLE001  (libraries raise errors of many classes about damaged content)
        detail = f"the content is damaged: {type(error).__name__}: {error}"
        write_frame(sink, Tag.FAILED, packed(Failed(False, detail[:DETAIL_CHARS])))


if __name__ == "__main__":
    main()
