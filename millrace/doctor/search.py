"""Checks how many solved tickets can be offered as similar."""

from collections.abc import Iterator

from millrace.doctor.finding import Finding
from shared.search.left_out import count_solved
from shared.stream_settings import SearchSettings
from shared.vectorstore.port import Collection

PART = "similar tickets"


def check_similar(collection: Collection, settings: SearchSettings, stream: str) -> Iterator[Finding]:
    """Count the solved tickets of all tenants, and warn if the settings exclude all of them.

    Raises:
        Unavailable: the store cannot be read.
    """
    solved = count_solved(collection, settings, None)
    if not solved.total:
        yield Finding(PART, "ok", "the store holds no solved ticket yet, so results list none")
    elif solved.offered:
        yield Finding(PART, "ok", f"{solved.offered} of {solved.total} solved tickets can be offered as similar")
    else:
        reasons = "; ".join(solved.reasons(settings, stream))
        what = f"none of the {solved.total} solved tickets can be offered as similar: {reasons}"
        yield Finding(PART, "warning", what, "change the setting, or send the tickets again with their ratings")
