"""The breaker per host, on a manual clock. A green run does not prove anything about real servers."""

import pytest

from schemas.failures import FailureReason as Reason
from shared.media.fetching import breaker as module
from shared.media.fetching.breaker import BreakerTimes, HostBreaker
from shared.media.fetching.failures import Failed, forbidden, not_found
from tests.support.fakes import ManualClock

TIMES = BreakerTimes(failures=3, open_s=5.0, open_max_s=20.0)


class Fetches:
    """Fetches from hosts, and counts those that the breaker let through."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.breaker = HostBreaker(TIMES, self.clock)
        self.tried = 0

    def ends(self, error: Exception | None, host: str = "a") -> Reason | None:
        """Fetch, and let it end so; return the reason that the caller sees, if any."""
        try:
            with self.breaker.watch(host):
                self.tried += 1
                if error is not None:
                    raise error
        except Failed as seen:
            return seen.reason
        return None

    def fail(self, times: int) -> None:
        """Let the host fail several times in a row."""
        for _ in range(times):
            self.ends(Failed("no connection"))


def test_a_host_is_down_after_failures_in_a_row() -> None:
    fetches = Fetches()
    fetches.fail(2)
    assert fetches.ends(None) is None
    fetches.fail(3)
    assert fetches.ends(None) == Reason.MEDIA_HOST_DOWN
    assert fetches.tried == 6
    assert fetches.ends(None, host="b") is None


def test_nothing_is_counted_as_tried_while_the_host_is_down() -> None:
    fetches = Fetches()
    fetches.fail(3)
    with pytest.raises(Failed) as caught, fetches.breaker.watch("a"):
        pass
    assert not caught.value.attempted


def test_what_the_host_is_not_to_blame_for_is_no_failure() -> None:
    fetches = Fetches()
    for _ in range(5):
        assert fetches.ends(not_found("404")) == Reason.MEDIA_NOT_FOUND
    fetches.fail(2)
    fetches.ends(not_found("404"))
    fetches.fail(2)
    assert fetches.ends(None) is None


def test_a_forbidden_address_neither_opens_nor_closes() -> None:
    fetches = Fetches()
    for _ in range(5):
        with pytest.raises(Exception, match="private"):
            fetches.ends(forbidden("private"))
    fetches.fail(3)
    fetches.clock.seconds += 5
    with pytest.raises(Exception, match="private"):
        fetches.ends(forbidden("private"))
    fetches.fail(1)
    assert fetches.ends(None) == Reason.MEDIA_HOST_DOWN


def test_one_probe_at_a_time_is_let_through() -> None:
    fetches = Fetches()
    fetches.fail(3)
    fetches.clock.seconds += 4.9
    assert fetches.ends(None) == Reason.MEDIA_HOST_DOWN
    fetches.clock.seconds += 0.1
    with fetches.breaker.watch("a"):
        assert fetches.ends(None) == Reason.MEDIA_HOST_DOWN
    assert fetches.ends(None) is None, "the probe has closed the breaker"


def test_the_opening_doubles_with_each_probe_that_fails_up_to_its_limit() -> None:
    fetches = Fetches()
    fetches.fail(3)
    for opening_s in (5, 10, 20, 20):
        fetches.clock.seconds += opening_s - 0.5
        assert fetches.ends(None) == Reason.MEDIA_HOST_DOWN
        fetches.clock.seconds += 0.5
        assert fetches.ends(Failed("no connection")) == Reason.MEDIA_FETCH_FAILED


def test_fetches_that_began_before_the_opening_do_not_prolong_it() -> None:
    fetches = Fetches()
    late = fetches.breaker.watch("a")
    late.__enter__()
    fetches.fail(3)
    fetches.clock.seconds += 3
    assert not late.__exit__(Failed, Failed("a late failure"), None)
    fetches.clock.seconds += 2
    assert fetches.ends(None) is None


def test_the_number_of_hosts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOSTS_MAX", 2)
    fetches = Fetches()
    fetches.fail(3)
    fetches.ends(Failed("x"), host="b")
    assert fetches.ends(None) == Reason.MEDIA_HOST_DOWN
    fetches.ends(Failed("x"), host="c")
    assert fetches.ends(None) is None, "the host that failed least recently is forgotten"
