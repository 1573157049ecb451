"""Times of payloads and conditions: which texts are times, and which moments they name.

A green run does not prove that a store reads them alike: `tests/contract/test_conditions.py` shows that.
"""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.base import UtcDatetime
from shared.vectorstore.moments import Moments, read_moment, read_moments
from tests.support.times import NEARLY_TIMES, moment_of

EVENT_TIME: TypeAdapter[datetime] = TypeAdapter(UtcDatetime)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01 12:30", datetime(2026, 5, 1, 12, 30, tzinfo=UTC)),
        ("2026-05-01T12:00:00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01T00:30:00+02:00", datetime(2026, 4, 30, 22, 30, tzinfo=UTC)),
        ("2026-05-01t12:00:00.1234567-0330", datetime(2026, 5, 1, 15, 30, 0, 123456, tzinfo=UTC)),
        ("2026-05-01T12:00:00+02", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01T12:00Z", None),
        ("2026-05-01T23:59:60Z", None),
        ("2026-02-30", None),
        ("0001-01-01T00:00:00+00:01", None),
        ("2026-05-01T12:00:00+24:00", None),
        ("\uff12026-05-01", None),
        ("1777636800", None),
        ("", None),
    ],
)
def test_a_text_states_a_moment_or_is_not_a_time(text: str, moment: datetime | None) -> None:
    assert read_moment(text) == moment_of(text) == moment


@given(NEARLY_TIMES | st.text(max_size=12))
@example("2026-05-01T12:00:00+02:")
@example("2026-05-01T12:00:00.")
def test_texts_are_read_as_place_by_place(text: str) -> None:
    assert read_moment(text) == moment_of(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_that_events_hold_are_times(moment: datetime) -> None:
    stored = EVENT_TIME.dump_json(moment).decode().strip('"')
    assert read_moment(stored) == moment


@given(NEARLY_TIMES)
def test_what_an_event_accepts_has_the_same_moment_here(text: str) -> None:
    try:
        accepted = EVENT_TIME.validate_python(text)
    except ValidationError:
        return
    assert read_moment(text) in (accepted, None)
    assert read_moment(text) == accepted or text[16:17] != ":", "only a time without seconds may differ"


def test_a_day_is_all_its_moments_in_utc() -> None:
    first, last = datetime(9999, 12, 31, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert read_moments("9999-12-31") == Moments(first, last)
    assert read_moments("9999-12-31 00:00") == Moments(first, first)
    assert read_moments("tomorrow") is None
