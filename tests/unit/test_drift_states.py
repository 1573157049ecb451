"""What is written to the changelogs comes back exactly. Green does not show that Kafka keeps it (`tests/faults`)."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from schemas.drift import Example
from shared.drift.frames import Place, framed, read_to, reads_further, unframed
from shared.drift.reference import Subject
from shared.drift.watched import MOST_CLOSED, Closed, Watched, newest
from shared.drift.window import Window
from tests.support.drift_process import batch

NOW = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
SUBJECT = Subject("tickets", "text", "0badcafe", "all")
PLACE = Place("id-1", 3)


def filled() -> Window:
    random = np.random.default_rng(5)
    window = Window.of(batch("all", NOW, random))
    for number in range(200):
        sums = batch("all", NOW + timedelta(seconds=number), random, f"label {number % 7}")
        examples = (Example(item_id=f"T-{number}", tenant_id="acme", length="16-31", is_far=number % 2 == 0),)
        window.add(sums.model_copy(update={"head": "ab", "policy": "cd", "empty": 1, "examples": examples}))
    return window


def test_a_window_comes_back_bit_for_bit() -> None:
    window = filled()
    read = Window.from_json(json.loads(json.dumps(window.to_json())))
    assert read.vector_sum.tobytes() == window.vector_sum.tobytes()
    assert (read.squared_norms, read.cosines) == (window.squared_norms, window.cosines)
    assert read.to_json() == window.to_json()
    assert read.counts == window.counts
    assert read.examples == window.examples


def test_a_window_that_was_read_can_be_added_to() -> None:
    window = filled()
    read = Window.from_json(window.to_json())
    more = batch("all", NOW, np.random.default_rng(9))
    for each in (window, read):
        each.add(more)
    assert read.to_json() == window.to_json()


def test_a_damaged_window_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not a window"):
        Window.from_json({"reference": None})


def test_a_state_comes_back() -> None:
    closed = Closed(NOW, NOW, 600, "drift", 0.001, 0.2, True, 3, 1, 9, (("label", "new", 0.2),))
    watched = Watched(SUBJECT, PLACE, 77, NOW, filled(), 12, [closed], True)
    read = Watched.from_bytes(watched.to_bytes())
    assert read.to_bytes() == watched.to_bytes()
    assert (read.subject, read.place, read.offset, read.closed, read.alerted) == (SUBJECT, PLACE, 77, [closed], True)
    assert read_to(watched.to_bytes()) == (PLACE, 77)


def test_only_the_last_windows_are_kept() -> None:
    watched = Watched(SUBJECT, PLACE)
    for number in range(MOST_CLOSED + 5):
        watched.keep(Closed(NOW, NOW, number, "no_drift"))
    assert [each.items for each in watched.closed] == list(range(5, MOST_CLOSED + 5))


@pytest.mark.parametrize("value", [b"", b"rubbish", b"[1]\n", b'[1,"a",0,0]\nrubbish', b'[2,"a",0,0]\n', b'{"a":1}\nx'])
def test_what_is_no_state_is_a_value_error(value: bytes) -> None:
    with pytest.raises(ValueError, match="state"):
        unframed(value)


def test_the_state_that_has_read_further_is_newer_but_an_older_topic_never_is() -> None:
    old_topic, here, further = framed(Place("old", 0), 900, {}), framed(PLACE, 5, {}), framed(PLACE, 6, {})
    assert reads_further(further, here, "id-1")
    assert not reads_further(here, further, "id-1")
    assert not reads_further(old_topic, here, "id-1")
    assert reads_further(here, old_topic, "id-1")


def test_the_newest_state_wins() -> None:
    one, two = Watched(SUBJECT, PLACE, 5), Watched(SUBJECT, Place("old", 3), 900)
    assert newest([one, two], "id-1") is one
    assert newest([one, Watched(SUBJECT, PLACE, 6)], "id-1").offset == 6
