"""Spikes: what opens one, what does not, and that reading again changes nothing.

The vectors are made up, so a green run proves nothing about real texts; `tests/golden/test_spikes_banking77.py` does.
"""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from schemas.drift import Outlier, Spike, packed_half
from shared.drift.spikes import MOST_OPEN, MOST_OUTLIERS, SpikeWatch
from tests.support.made_spikes import CENTROIDS, DIM, REFERENCE, RULES, START, SUBJECT, every_centroid, outlier, sums


def watch() -> SpikeWatch:
    """Return a watch that has seen nothing."""
    return SpikeWatch(SUBJECT, RULES, REFERENCE)


def read(messages: list[Outlier], seen: SpikeWatch | None = None) -> list[Spike]:
    """Return everything that is published for these outliers, and by the clock right after the last one."""
    seen = seen or watch()
    said = [spike for message in messages for spike in seen.add(message)]
    return [*said, *seen.news(max(each.settled_at for each in messages) + timedelta(seconds=20))]


def problem(count: int = 12, customers: int = 8, apart: float = 0.5) -> list[Outlier]:
    """Return outliers of one new problem."""
    return [outlier(number, number * apart, f"c{number % customers}") for number in range(count)]


def test_several_customers_with_the_same_problem_open_one_spike_that_grows_and_closes() -> None:
    seen = watch()
    seen.add_traffic(sums(0, 40, centroid=7))
    opened, *grown = read(problem(), seen)
    assert opened.state == "open"
    assert opened.customers == 3
    assert opened.items == 3
    assert opened.examples == ("acme:T:0", "acme:T:1", "acme:T:2")
    assert opened.name == "white, screen"
    assert [spike.items for spike in grown] == [4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert {spike.spike_id for spike in grown} == {opened.spike_id}
    assert seen.tick(START + timedelta(minutes=20.4)) == []
    (closed,) = seen.tick(START + timedelta(minutes=20.5))
    assert closed.state == "closed"
    assert closed.items == 12
    assert closed.customers == 8
    assert closed.examples == tuple(f"acme:T:{number}" for number in range(12))
    assert closed.first_at == START
    assert closed.last_at == START + timedelta(minutes=5.5)
    assert seen.open_count == 0
    assert seen.tick(START + timedelta(hours=9)) == []


def test_rates_are_those_since_the_last_message() -> None:
    opened, second, *_ = read(problem())
    assert opened.per_hour == pytest.approx(3 * 60)
    assert second.per_hour == pytest.approx(60)


@pytest.mark.parametrize(
    "messages",
    [
        [outlier(number, number / 2, "c1") for number in range(12)],
        [outlier(number, number / 2, None) for number in range(12)],
        [outlier(number, number / 2, f"c{number % 2}") for number in range(12)],
        [outlier(number, number * 8, f"c{number}") for number in range(12)],
        [outlier(number, number / 2, f"c{number}", axis=30 + number) for number in range(12)],
    ],
    ids=["one customer", "nobody named", "two customers", "over hours", "different problems"],
)
def test_none_opens_for(messages: list[Outlier]) -> None:
    assert read(messages) == []


def test_customers_of_two_tenants_with_the_same_digest_are_two() -> None:
    messages = [outlier(number, 0, "c1", tenant_id=f"tenant{number}") for number in range(3)]
    assert read(messages)[0].customers == 3


def test_the_usual_outliers_of_a_known_topic_that_grows_open_none() -> None:
    seen, said = watch(), []
    for minute in range(10):
        seen.add_traffic(sums(minute, 40))
        said += seen.add(outlier(minute, minute, f"c{minute}"))
    assert said == []
    assert read([outlier(100 + number, 10, f"d{number}") for number in range(120)], seen), "more than usual"


def test_a_topic_near_the_group_explains_it_too() -> None:
    nearby = replace(REFERENCE, centroids=np.vstack([CENTROIDS[:19], np.eye(DIM, dtype=np.float32)[40:41]]))
    for items, opens in ((200, False), (0, True)):
        seen = SpikeWatch(SUBJECT, RULES, nearby)
        for hour in range(-30, 0):
            seen.add_traffic(every_centroid(60 * hour))
        seen.add_traffic(sums(0, items, centroid=19))
        assert bool(read(problem(5), seen)) is opens


def test_outliers_that_come_every_day_are_usual_after_a_while() -> None:
    seen, opened = watch(), []
    for hour in range(200):
        seen.add_traffic(sums(60 * hour, 20))
        said = read([outlier(10 * hour + each, 60 * hour, f"c{each}") for each in range(4)], seen)
        opened += [hour for spike in said if spike.state == "open"]
    assert opened
    assert max(opened) < 50


def test_outliers_that_are_read_before_their_traffic_are_taken_for_usual_ones() -> None:
    seen = watch()
    read([outlier(100 + number, 0, f"o{number}", axis=number % 30) for number in range(60)], seen)
    assert read(problem(6), seen) == []


def test_an_item_that_arrives_again_is_not_counted_twice() -> None:
    messages = problem(5)
    said = read([each for message in messages for each in (message, message)])
    assert said == read(messages)
    assert read([outlier(1, 0, f"c{number}") for number in range(5)]) == []


def test_reading_on_from_the_state_is_like_never_having_stopped() -> None:
    messages = [*problem(12), *(outlier(50 + each, 8 + each / 4, f"e{each}", axis=50) for each in range(6))]

    def added(part: list[Outlier], seen: SpikeWatch) -> list[Spike]:
        return [spike for message in part for spike in seen.add(message)]

    whole = watch()
    expected = [*added(messages, whole), *whole.tick(START + timedelta(hours=1))]
    for stop in range(len(messages)):
        first = watch()
        said = added(messages[:stop], first)
        second = SpikeWatch.from_json(SUBJECT, RULES, REFERENCE, json.loads(json.dumps(first.to_json())))
        again = added(messages[max(0, stop - 3) :], second)
        assert [*said, *again, *second.tick(START + timedelta(hours=1))] == expected


def test_one_batch_is_one_message_with_all_its_items() -> None:
    """No further item arrives: the clock alone publishes it."""
    seen, burst = watch(), problem(600, 600, apart=0)
    assert [said for each in burst for said in seen.add(each)] == []
    assert seen.news(START) == [], "the batch may be incomplete"
    (opened,) = seen.news(START + timedelta(seconds=1))
    assert (opened.state, opened.items, opened.customers) == ("open", 600, 200)
    assert opened.examples == tuple(f"acme:T:{number}" for number in range(20))
    assert seen.news(START + timedelta(minutes=1)) == []


def test_twelve_tickets_in_two_batches_are_known_with_their_ids_within_a_minute() -> None:
    seen = watch()
    for each in problem(12, apart=0):
        number = int(each.item_id[2:])
        at = START + timedelta(seconds=10 * (number >= 7))
        seen.add(each.model_copy(update={"settled_at": at}))
        if number == 6:
            assert [said.items for said in seen.news(START + timedelta(seconds=1))] == [7]
    assert seen.news(START + timedelta(seconds=11)) == []
    (grown,) = seen.news(START + timedelta(seconds=15))
    assert (grown.items, grown.customers, len(grown.examples)) == (12, 8, 12)


def test_a_spike_that_closes_before_it_was_published_is_published_first() -> None:
    seen = watch()
    for each in problem(12, apart=0):
        seen.add(each)
    assert [said.state for said in seen.tick(START + timedelta(hours=1))] == ["open", "closed"]


def test_messages_about_growth_are_some_seconds_apart_and_come_after_growth_by_half() -> None:
    seen = watch()
    assert [spike.items for spike in read(problem(20, apart=0.01), seen)] == [3, 20]
    grown = [outlier(20 + number, 1 + number / 3, f"d{number}") for number in range(13)]
    assert [spike.items for spike in read(grown, seen)] == [30]


def test_versions_of_one_ticket_are_one_item() -> None:
    versions = [outlier(0, number / 2, f"c{number}", event_version=number + 1) for number in range(12)]
    assert read(versions) == []
    said = read([*problem(3), *(outlier(0, 2 + number, "c0", event_version=2 + number) for number in range(5))])
    assert [(each.items, each.examples) for each in said] == [(3, ("acme:T:0", "acme:T:1", "acme:T:2"))]


def test_a_newer_version_replaces_one_that_belongs_to_no_spike() -> None:
    seen = watch()
    edited = outlier(0, 1, "c0", event_version=2)
    said = read([outlier(0, 0, "c0", axis=50), edited, outlier(0, 0, "c0", axis=50), *problem(3)[1:]], seen)
    assert [each.items for each in said] == [3]
    assert [identity for identity, *_ in seen.to_json()["recent"]].count("acme:T:0:1") == 0


def test_the_id_belongs_to_the_first_item_of_the_subject() -> None:
    ids = {read(problem())[0].spike_id for _ in range(2)}
    assert len(ids) == 1
    assert ids == {read([problem()[number] for number in (0, 2, 1)])[0].spike_id}
    assert ids != {read(problem()[1:])[0].spike_id}
    assert ids == {read([outlier(50, -9, "c9", axis=50), *problem()])[0].spike_id}
    other = SpikeWatch(SUBJECT._replace(key="queue:billing"), RULES, REFERENCE)
    assert read(problem(), other)[0].spike_id not in ids


def test_the_state_holds_the_traffic_too() -> None:
    seen = watch()
    seen.add_traffic(sums(0, 4_000))
    again = SpikeWatch.from_json(SUBJECT, RULES, REFERENCE, json.loads(json.dumps(seen.to_json())))
    assert again.to_json() == seen.to_json()
    assert read(problem(), again) == []
    assert read(problem())


def test_two_problems_at_once_are_two_spikes() -> None:
    both = [
        outlier(2 * number + axis, number / 2, f"c{number}", axis=40 + axis) for number in range(8) for axis in (0, 1)
    ]
    assert len({spike.spike_id for spike in read(both)}) == 2


def test_what_is_older_than_the_window_changes_nothing() -> None:
    seen = watch()
    read(problem(), seen)
    state = seen.to_json()
    seen.tick(START + timedelta(minutes=19))
    for late in problem(12, 12):
        seen.add(
            late.model_copy(update={"settled_at": START - timedelta(minutes=20), "item_id": f"late{late.item_id}"})
        )
    assert seen.to_json()["open"] == state["open"]


def test_the_state_is_bounded() -> None:
    seen = watch()
    for number in range(MOST_OUTLIERS + 300):
        seen.add(outlier(number, number / 100, f"{number:064x}", axis=number % DIM, item_id=f"{number:0128d}"))
    state = seen.to_json()
    assert len(state["recent"]) == MOST_OUTLIERS
    assert len(state["open"]) <= MOST_OPEN
    assert len(json.dumps(state)) < 500_000
    assert {identity for identity, *_ in state["recent"]} >= set(state["spike_of"])


def test_outliers_and_traffic_of_another_reference_change_nothing() -> None:
    """Workers notice a new file at different moments, so that batches of both references alternate for a minute."""
    mixed = watch()
    said = []
    for number, each in enumerate(problem()):
        said += read([each], mixed)
        mixed.add_traffic(sums(number / 2, 1_000, reference="33334444"))
        said += read([outlier(60 + number, number / 2, f"x{number}", reference="33334444")], mixed)
    plain = watch()
    assert said[-1] == [spike for each in problem() for spike in read([each], plain)][-1]
    assert mixed.to_json()["traffic"] == plain.to_json()["traffic"]


def test_when_the_reference_is_replaced_open_spikes_stay_and_the_rest_begins_again() -> None:
    seen = watch()
    seen.add_traffic(sums(0, 10))
    read(problem(4), seen)
    newer = replace(REFERENCE, reference_id="33334444")
    state = json.loads(json.dumps(seen.to_json()))
    seen.use(newer)
    for each in (seen, SpikeWatch.from_json(SUBJECT, RULES, newer, state)):
        now = each.to_json()
        assert (each.open_count, now["recent"], now["spike_of"], now["traffic"]["slices"]) == (1, [], {}, {})
        said = read([outlier(40, 4, "f0", reference="33334444")], each)
        assert [spike.items for spike in said] == [5], "it goes on growing"


def test_a_word_of_one_customer_is_no_name() -> None:
    messages = [outlier(number, 0, f"c{number}", terms=(f"secret{number}",)) for number in range(3)]
    assert read(messages)[0].name == "items without shared words"


def test_words_that_other_outliers_use_too_come_later() -> None:
    seen = watch()
    read([outlier(90 + number, 0, f"o{number}", axis=number, terms=("card",)) for number in range(6)], seen)
    messages = [outlier(number, 0, f"c{number}", terms=("card", "flood")) for number in range(5)]
    assert read(messages, seen)[-1].name == "flood, card"


@pytest.mark.parametrize(
    "vector", [packed_half(np.zeros(DIM)), packed_half(np.ones(DIM - 1)), "?", packed_half(np.full(DIM, np.nan))]
)
def test_a_vector_that_cannot_be_right_is_refused(vector: str) -> None:
    seen = watch()
    read(problem(2), seen)
    with pytest.raises(ValueError, match=r".+"):
        seen.add(outlier(9, 1, "c9", vector=vector))
    assert read([outlier(3, 1.5, "c3")], seen), "the next one is taken"
