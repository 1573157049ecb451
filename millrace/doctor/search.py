"""Checks how many points can be offered as similar, such as solved tickets."""

from collections.abc import Iterator
from typing import Any

from millrace.doctor.finding import Finding
from shared.engine.stream import Stream
from shared.search.left_out import count_offerable
from shared.stream_settings import SearchSettings
from shared.vectorstore.port import Collection


def check_similar(collection: Collection, settings: SearchSettings, stream: Stream[Any, Any]) -> Iterator[Finding]:
    """Count what of a stream can be offered to all tenants, and warn if the settings exclude everything.

    Raises:
        Unavailable: the store cannot be read.
    """
    searchable = stream.searchable
    if searchable is None:
        return
    part, what = f"similar {stream.name}", searchable.what
    found = count_offerable(collection, searchable.flag, settings, None)
    if not found.total:
        yield Finding(part, "ok", f"the store holds no {what} yet, so results list none")
    elif found.offered:
        yield Finding(part, "ok", f"{found.offered} of {found.total} {what}s can be offered as similar")
    else:
        reasons = "; ".join(found.reasons(settings, stream.name))
        excluded = f"none of the {found.total} {what}s can be offered as similar: {reasons}"
        yield Finding(
            part, "warning", excluded, f"change the setting, or send the {stream.name} again with their ratings"
        )
