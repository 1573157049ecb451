"""The check for points that other programs have written into the collection of a stream."""

from collections.abc import Iterator

from millrace.doctor.finding import Finding
from schemas.points import PointSchema
from shared.clock import Clock
from shared.vectorstore.port import Collection

PART = "foreign points"
MOST_POINTS = 200_000
LIMIT_S = 20.0
NAMED = 5
REMEDY = (
    "give the other program a collection of its own and remove these points; "
    "an item whose point was overwritten is restored when its source sends it again"
)


def check_foreign(collection: Collection, points: PointSchema, clock: Clock) -> Iterator[Finding]:
    """Read up to 200,000 points for up to 20 seconds, count those that Millrace did not write, and name the first.

    Raises:
        Unavailable: the store cannot be read.
    """
    until_s = clock.monotonic_s() + LIMIT_S
    checked = foreign = 0
    named: list[str] = []
    cut = ""
    for which, payload in collection.scroll_all(points.fields):
        if checked == MOST_POINTS or clock.monotonic_s() > until_s:
            cut = f"; {collection.count({}, {}) - checked} others were not checked"
            break
        checked += 1
        reason = points.foreign_reason(which, payload)
        if reason is not None:
            foreign += 1
            named += [f"{which} ({reason})"] if len(named) < NAMED else []
    if foreign:
        more = ", and more" if foreign > len(named) else ""
        what = (
            f"{foreign} of the {checked} points checked were written or overwritten by another program, such as "
            f"{', '.join(named)}{more}"
        )
        skipped = "searches, votes and the audit skip the ones that they cannot use"
        yield Finding(PART, "warning", f"{what}; {skipped}{cut}", REMEDY)
    elif checked:
        yield Finding(PART, "ok", f"no point of another program among the {checked} points checked{cut}")
