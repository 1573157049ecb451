"""A Monday not long ago, from which made traffic counts its hours.

Windows of older times would be forgotten by the drift application, and on another weekday another baseline would count.
"""

from datetime import datetime, timedelta

from shared.clock import SystemClock


def monday(hour: int, minute: int = 0, *, hours: int) -> datetime:
    """Return the last Monday at this time, in UTC, from which on `hours` hours have passed."""
    latest = SystemClock().now() - timedelta(hours=hours)
    found = latest.replace(hour=hour, minute=minute, second=0, microsecond=0) - timedelta(days=latest.weekday())
    return found if found <= latest else found - timedelta(days=7)
