"""Bytes of the JSON test suite in the fields that only tickets have: accepted, or refused by their field.

A green run does not prove that the suite is complete; the copy in the development data is a selection of it.
"""

import json

import pytest

from schemas.tickets import TicketSnapshot
from shared.errors import Rejected
from tests.hostile.test_json_suite import NOT_JSON, inside, scalar, suite, verdict
from tests.support.streams import TICKET_KIND

OWN_FIELDS = ["subject", "attributes", "attributes.a", "satisfaction"]
__all__ = ["suite"]


@pytest.mark.parametrize("field", OWN_FIELDS)
def test_invalid_json_in_a_field_invalidates_the_whole_event(suite: dict[str, bytes], field: str) -> None:
    for name, content in suite.items():
        if name.startswith("n_"):
            found = verdict(TICKET_KIND, inside(TICKET_KIND, field, content))
            assert isinstance(found, Rejected), name
            assert found.reason in NOT_JSON, (name, found.reason)
            assert found.field, name


@pytest.mark.parametrize("field", OWN_FIELDS)
def test_valid_json_in_a_field_is_accepted_or_refused_by_that_field(suite: dict[str, bytes], field: str) -> None:
    for name, content in suite.items():
        found = verdict(TICKET_KIND, inside(TICKET_KIND, field, content))
        if name.startswith("y_"):
            assert not isinstance(found, Rejected) or found.field.startswith(field.split(".")[0]), (name, found)
        elif isinstance(found, Rejected):
            assert found.field, name


def test_valid_numbers_are_accepted_as_attributes(suite: dict[str, bytes]) -> None:
    numbers = [name for name in suite if name.startswith("y_number_")]
    assert numbers
    for name in numbers:
        found = verdict(TICKET_KIND, inside(TICKET_KIND, "attributes.a", scalar(suite[name])))
        assert isinstance(found, TicketSnapshot), name
        assert found.attributes["a"] == json.loads(scalar(suite[name])), name


def test_borderline_scalars_are_accepted_as_attributes_or_refused_with_a_field(suite: dict[str, bytes]) -> None:
    for name, content in suite.items():
        found = verdict(TICKET_KIND, inside(TICKET_KIND, "attributes.a", scalar(content)))
        if isinstance(found, Rejected):
            assert found.field, name
        else:
            assert not name.startswith("n_"), name
