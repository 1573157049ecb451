"""Conditions as a user writes them: for one stream and for several, and which fields and attributes they can name.

A green run does not prove that a store compares alike: `tests/contract/test_conditions.py` shows that.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.search.conditions import MOST_CONDITIONS, Fields, read_condition, read_conditions, read_for_streams
from shared.search.filterable import Filterable, attribute_fields, field_indexes, filterable_fields
from shared.stream_settings import SearchSettings
from shared.vectorstore.conditions import Condition, Operator, field_path
from shared.vectorstore.moments import Moments

SETTINGS = SearchSettings(
    indexed_attributes=("plan", "plan tier", "seats:number", "a=b", "bought at:time", "price", "<odd>")
)
DECLARED = {
    "price": Filterable(("price",), "float"),
    "rating": Filterable(("satisfaction",), "integer"),
    "queue": Filterable(("decision", "queue"), "keyword"),
    "channel": Filterable(("channel",), "keyword", choices=("email", "chat")),
}
FIELDS = Fields(filterable_fields(DECLARED, SETTINGS), str.lower)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = Moments(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 1, 23, 59, 59, 999_999, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "keys", "operator", "value"),
    [
        ("plan=enterprise", ("attributes", "plan"), "=", "enterprise"),
        ("plan == enterprise", ("attributes", "plan"), "=", "enterprise"),
        (" plan= Enterprise=x ", ("attributes", "plan"), "=", "enterprise=x"),
        ("plan != free", ("attributes", "plan"), "!=", "free"),
        ("plan = ' free '", ("attributes", "plan"), "=", " free "),
        ('plan = "=free"', ("attributes", "plan"), "=", "=free"),
        ("plan=''", ("attributes", "plan"), "=", ""),
        ("plan tier =gold", ("attributes", "plan tier"), "=", "gold"),
        ("a=b=c", ("attributes", "a=b"), "=", "c"),
        ("<odd> = c", ("attributes", "<odd>"), "=", "c"),
        ("seats>=10", ("attributes", "seats"), ">=", 10.0),
        ("attributes.seats < 2.5", ("attributes", "seats"), "<", 2.5),
        ("seats=-1e3", ("attributes", "seats"), "=", -1000.0),
        ("seats!='.5'", ("attributes", "seats"), "!=", 0.5),
        ("price < 50", ("price",), "<", 50.0),
        ("attributes.price = Low", ("attributes", "price"), "=", "low"),
        ("queue=Billing", ("decision", "queue"), "=", "Billing"),
        ("channel = chat", ("channel",), "=", "chat"),
        ("bought at = 2026-05-01", ("attributes", "bought at"), "=", DAY),
        ("bought at>2026-05-01T14:00:00+02:00", ("attributes", "bought at"), ">", Moments(NOON, NOON)),
    ],
)
def test_a_condition_has_a_name_a_comparison_and_a_value(
    text: str, keys: tuple[str, ...], operator: Operator, value: str | float | Moments
) -> None:
    assert read_condition(text, FIELDS) == Condition(keys, operator, value)


def test_a_whole_number_is_compared_with_whole_numbers() -> None:
    assert read_condition("rating>=4", FIELDS) == Condition(("satisfaction",), ">=", 4.0, whole=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "region=north",
            "'region=north' does not begin with a field that can be filtered and one of = != < <= > >=; fields: "
            "plan (text), plan tier (text), seats (number), a=b (text), bought at (time), attributes.price (text), "
            "<odd> (text), price (number), rating (whole number), queue (text), channel (text)",
        ),
        ("plan", "does not begin with"),
        ("planned=x", "does not begin with"),
        ("price 10..50", "does not begin with"),
        ("plan>3", "plan is a text: a text can only be compared with = and !=, not with >"),
        ("plan=", 'plan is a text: the value is missing; "" is an empty text'),
        ("plan=<3", "the value '<3' begins like an operator; if it is meant, put it in quotes"),
        ("plan='x", 'the quote that opens "\'x" is not closed'),
        ("channel=phone", "channel is a text: it is one of email, chat, and never 'phone'"),
        ("seats=many", "seats is a number: 'many' is not a number such as 50 or 2.5"),
        ("seats<nan", "is not a number"),
        ("seats<1_000", "is not a number"),
        ("seats<1e999", "not a finite number"),
        ("seats=9007199254740993", "is beyond 2^53, from where on numbers are not compared exactly"),
        ("rating>3.5", "rating is a whole number: '3.5' has a fraction"),
        ("bought at>yesterday", "bought at is a time: 'yesterday' is not a day such as 2026-05-01 or a time such as"),
        ("bought at!=2026-05-01", "a time cannot be compared with !=; use < or >"),
    ],
)
def test_a_condition_that_cannot_be_asked_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (the message is compared below)
        read_condition(text, FIELDS)
    assert says in str(refused.value)
    with pytest.raises(ValueError, match="no field can be filtered"):
        read_condition(text, Fields({}, str))


@given(st.text(max_size=20) | st.builds("".join, st.lists(st.sampled_from([*FIELDS.by_name, "=", "<", "'", " ", "5"]))))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert read_condition(text, FIELDS).keys
        return
    with pytest.raises(ValueError, match=re.escape(repr(text.strip()))):
        read_condition(text, FIELDS)


def test_a_stream_without_the_field_is_left_out() -> None:
    other = Fields({"price": Filterable(("price",), "keyword")}, str)
    found = read_for_streams(["price < 50"], {"shop": FIELDS, "notes": Fields({}, str), "bills": other})
    assert found.by_stream == {"shop": (Condition(("price",), "<", 50.0),)}
    assert found.left_out == {
        "notes": "they have no field that 'price < 50' begins with",
        "bills": "'price < 50': price is a text: a text can only be compared with = and !=, not with <",
    }
    assert read_for_streams([], {"shop": FIELDS, "notes": other}).by_stream == {"shop": (), "notes": ()}


def test_a_condition_that_no_stream_can_meet_is_refused() -> None:
    other = Fields({"tone": Filterable(("tone",), "keyword")}, str)
    with pytest.raises(
        ValueError, match=r"^shop: 'size=4' does not .*; notes: 'size=4' does not .*fields: tone \(text\)$"
    ):
        read_for_streams(["size=4"], {"shop": FIELDS, "notes": other})
    with pytest.raises(ValueError, match=r"^shop: 'tone=dark' does not .*; notes: 'price<5' does not"):
        read_for_streams(["price<5", "tone=dark"], {"shop": FIELDS, "notes": other})
    with pytest.raises(ValueError, match=r"^'size=4' does not"):
        read_for_streams(["size=4"], {"shop": FIELDS})


def test_a_search_has_a_largest_number_of_conditions() -> None:
    assert len(read_conditions(["price<50"] * MOST_CONDITIONS, FIELDS)) == MOST_CONDITIONS
    with pytest.raises(ValueError, match=r"^17 conditions were given; a search can have up to 16$"):
        read_for_streams(["price<50"] * (MOST_CONDITIONS + 1), {"shop": FIELDS, "other": FIELDS})


def test_indexes_are_named_by_the_paths_of_the_attributes() -> None:
    assert field_indexes(attribute_fields(SETTINGS)) == {
        "attributes.plan": "keyword",
        'attributes."plan tier"': "keyword",
        "attributes.seats": "float",
        'attributes."a=b"': "keyword",
        'attributes."bought at"': "datetime",
        "attributes.price": "keyword",
        'attributes."<odd>"': "keyword",
    }


@pytest.mark.parametrize(
    "names", [("",), (":number",), (":time",), ('a"b',), ("a\\b",), ("plan", "plan"), ("plan:time", "plan:number")]
)
def test_names_that_cannot_be_indexed_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        SearchSettings(indexed_attributes=names)


def test_a_path_quotes_what_is_not_plain_and_cannot_hold_a_double_quote() -> None:
    assert field_path(("attributes", "a.b", "größe", "plan")) == 'attributes."a.b".größe.plan'
    for key in ('a"b', "a\\b"):
        with pytest.raises(ValueError, match="a double quote or a backslash"):
            field_path(("attributes", key))


def test_a_text_is_equal_and_a_number_finite() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        Condition(("attributes", "seats"), "<", float("inf"))
    with pytest.raises(ValueError, match="only be compared with ="):
        Condition(("attributes", "plan"), "<", "b")
