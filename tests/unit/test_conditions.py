"""Conditions on attributes: how a user writes them, which attributes can be indexed, and what a path looks like.

A green run does not prove that a store compares alike: `tests/contract/test_conditions.py` shows that.
"""

import pytest
from pydantic import ValidationError

from shared.search.conditions import attribute_indexes, attribute_kinds, read_condition
from shared.stream_settings import SearchSettings
from shared.vectorstore.conditions import Condition, Operator, field_path

SETTINGS = SearchSettings(indexed_attributes=("plan", "plan tier", "seats:number", "a=b"))
KINDS = attribute_kinds(SETTINGS)


@pytest.mark.parametrize(
    ("text", "name", "operator", "value"),
    [
        ("plan=enterprise", "plan", "=", "enterprise"),
        ("plan= enterprise=x ", "plan", "=", "enterprise=x"),
        ("plan tier=gold", "plan tier", "=", "gold"),
        ("a=b=c", "a=b", "=", "c"),
        ("seats>=10", "seats", ">=", 10.0),
        ("seats<2.5", "seats", "<", 2.5),
        ("seats=-1e3", "seats", "=", -1000.0),
    ],
)
def test_a_condition_has_a_name_a_comparison_and_a_value(
    text: str, name: str, operator: Operator, value: str | float
) -> None:
    assert read_condition(text, KINDS) == Condition(("attributes", name), operator, value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("region=north", "indexed attributes: plan, plan tier, seats, a=b"),
        ("plan", "does not begin with"),
        ("planned=x", "does not begin with"),
        ("plan>3", "a text can only be compared with =, not with >"),
        ("seats=many", "seats is compared as a number, and 'many' is not a finite number"),
        ("seats<nan", "not a finite number"),
        ("seats<1e999", "not a finite number"),
    ],
)
def test_a_condition_that_cannot_be_asked_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_condition(text, KINDS)
    with pytest.raises(ValueError, match="indexed attributes: none"):
        read_condition(text, {})


def test_indexes_are_named_by_the_paths_of_the_attributes() -> None:
    assert attribute_indexes(SETTINGS) == {
        "attributes.plan": "keyword",
        'attributes."plan tier"': "keyword",
        "attributes.seats": "float",
        'attributes."a=b"': "keyword",
    }


@pytest.mark.parametrize("names", [("",), (":number",), ('a"b',), ("plan", "plan"), ("plan", "plan:number")])
def test_names_that_cannot_be_indexed_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        SearchSettings(indexed_attributes=names)


def test_a_path_cannot_hold_a_double_quote_and_a_number_is_finite() -> None:
    assert field_path(("attributes", "a.b", "plan")) == 'attributes."a.b".plan'
    with pytest.raises(ValueError, match="double quote"):
        field_path(("attributes", 'a"b'))
    with pytest.raises(ValueError, match="not a finite number"):
        Condition(("attributes", "seats"), "<", float("inf"))
