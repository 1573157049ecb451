"""Times of the week with a baseline of their own: an hour, six hours of a working day or of a weekend, or all of these.

All times are in UTC. Each slot has a number: 0 to 167 are the hours from Monday's first one on, the next four are the
blocks of six hours of working days, four more are those of weekends, and then come working days and weekends as a whole.
"""

from datetime import UTC, datetime, timedelta

HOURS = 168
HOURS_OF_DAY = 24
BLOCK_HOURS = 6
BLOCKS = HOURS_OF_DAY // BLOCK_HOURS
SATURDAY = 5
WHOLE = HOURS + 2 * BLOCKS
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
KINDS = ("working days", "weekends")


def slots_of(moment: datetime) -> tuple[int, int, int]:
    """Return the slots that a moment lies in, the shortest first."""
    utc = moment.astimezone(UTC)
    is_weekend = utc.weekday() >= SATURDAY
    block = HOURS + BLOCKS * is_weekend + utc.hour // BLOCK_HOURS
    return utc.weekday() * HOURS_OF_DAY + utc.hour, block, WHOLE + is_weekend


def common_slots(start: datetime, end: datetime) -> list[int]:
    """Return the slots that all moments from one to another lie in, the shortest first."""
    longest = (timedelta(hours=1), timedelta(hours=BLOCK_HOURS), timedelta(days=SATURDAY))
    pairs = zip(slots_of(start), slots_of(end), longest, strict=True)
    return [first for first, last, most in pairs if first == last and end - start <= most and _same_week(start, end)]


def slot_name(slot: int) -> str:
    """Return a slot in words, such as `Monday 09:00` or `working days 06:00 to 12:00`."""
    if slot < HOURS:
        return f"{DAYS[slot // HOURS_OF_DAY]} {slot % HOURS_OF_DAY:02}:00"
    if slot >= WHOLE:
        return KINDS[slot - WHOLE]
    kind, block = divmod(slot - HOURS, BLOCKS)
    return f"{KINDS[kind]} {block * BLOCK_HOURS:02}:00 to {(block + 1) * BLOCK_HOURS:02}:00"


def _same_week(start: datetime, end: datetime) -> bool:
    return start.astimezone(UTC).isocalendar()[:2] == end.astimezone(UTC).isocalendar()[:2]
