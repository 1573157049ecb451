"""The list of streams: the only file outside `workers` that names them."""

from typing import Any

from shared.engine.stream import Stream
from workers.calls.stages import CALLS
from workers.products.stages import PRODUCTS
from workers.tickets.stages import TICKETS

STREAMS: dict[str, Stream[Any, Any]] = {stream.name: stream for stream in (TICKETS, CALLS, PRODUCTS)}
"""Every stream by its name."""

RECORDED: Stream[Any, Any] = CALLS
"""The stream that the demo sends its recordings to."""

PICTURED: Stream[Any, Any] = PRODUCTS
"""The stream that the demo sends its pictures to, and whose models `millrace classes` and `millrace embed` use."""

DEFAULT: Stream[Any, Any] = TICKETS
"""The stream that commands use by default, and the one that `millrace ingest` sends rows of files to."""
