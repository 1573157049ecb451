"""The streams that exist: the only file outside `workers` that names them."""

from typing import Any

from shared.engine.stream import Stream
from workers.tickets.stages import TICKETS

STREAMS: dict[str, Stream[Any, Any]] = {stream.name: stream for stream in (TICKETS,)}
"""Every stream by its name."""

DEFAULT: Stream[Any, Any] = TICKETS
"""The stream that commands mean where none is named, and the one whose events come as rows of files."""
