"""Single changes of schemas: which values of the old form the new form refuses.

Green does not show that pydantic refuses what the schemas describe.
"""

from typing import Any

import pytest

from tests.repo.comparison import Schema, refusals

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
TWO: Schema = {"type": "string", "enum": ["a", "b"]}


def _record(**fields: Any) -> Schema:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _of(kind: str) -> Schema:
    return {"title": kind} | _record(kind={"const": kind, "type": "string"})


def _map(**more: Any) -> Schema:
    return {"type": "object", "additionalProperties": TEXT} | more


def _optional(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _referring(**beside: Any) -> Schema:
    return {"$defs": {"Text": TEXT}, "$ref": "#/$defs/Text"} | beside


def _list(**more: Any) -> Schema:
    return {"type": "array"} | more


def _deep(levels: int) -> Schema:
    return _record(inner=_deep(levels - 1)) if levels else TEXT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(TWO, TEXT | {"enum": ["a"]}, id="a value of an enumeration is removed"),
        pytest.param(TEXT | {"pattern": "^.*$"}, TEXT | {"pattern": "^a$"}, id="a pattern is narrower"),
        pytest.param(TWO, TEXT | {"pattern": "^a$"}, id="a pattern does not fit a value of an enumeration"),
        pytest.param(_record(a=_record(b=TEXT)), _record(a=_record(b=NUMBER)), id="a nested field has another type"),
        pytest.param(_record(a=TEXT), _record(b=TEXT), id="a field is renamed"),
        pytest.param(_record(a=TEXT) | {"required": []}, _record(a=TEXT), id="a default is removed"),
        pytest.param(NUMBER | {"minimum": 0}, NUMBER | {"minimum": 1}, id="a minimum is raised"),
        pytest.param(
            {"type": "number", "minimum": 0}, {"type": "number", "exclusiveMinimum": 0}, id="the bound is excluded"
        ),
        pytest.param(NUMBER | {"maximum": 9}, NUMBER | {"exclusiveMaximum": 9}, id="a maximum is lowered"),
        pytest.param(_optional(TEXT), TEXT, id="null is removed"),
        pytest.param({"oneOf": [_of("a"), _of("b")]}, {"oneOf": [_of("a")]}, id="a kind of a union is removed"),
        pytest.param(_map(), _record(), id="a map becomes a record"),
        pytest.param({"type": "object"}, _record(), id="an open record is closed"),
        pytest.param({"type": "object"}, _map(), id="values of a map are restricted"),
        pytest.param(_record(a=TEXT), _map(additionalProperties=NUMBER), id="a map does not fit the fields"),
        pytest.param(_map(), _map(propertyNames={"maxLength": 9}), id="names in a map are restricted"),
        pytest.param(
            {"type": "object", "patternProperties": {"^a": _record(b=TEXT)}},
            {"type": "object", "patternProperties": {"^a": _record(b=NUMBER)}},
            id="a value under a pattern has another type",
        ),
        pytest.param(TEXT, TEXT | {"format": "uuid"}, id="a format is added"),
        pytest.param(_list(), _list(items=NUMBER), id="items are restricted"),
        pytest.param(
            _list(prefixItems=[TEXT, TEXT], maxItems=2), _list(prefixItems=[TEXT, NUMBER], maxItems=2), id="of a pair"
        ),
        pytest.param(_list(items=TEXT), _list(items=TEXT, uniqueItems=True), id="items have to differ"),
        pytest.param(NUMBER, NUMBER | {"multipleOf": 5}, id="numbers have to be multiples"),
        pytest.param(TEXT, TEXT | {"not": {"const": "a"}}, id="a value is forbidden"),
        pytest.param(TEXT, {"allOf": [NUMBER]}, id="one of several schemas has another type"),
        pytest.param(_referring(), _referring(maxLength=3), id="a limit beside a reference"),
        pytest.param({"const": True}, {"const": 1}, id="true is not 1"),
        pytest.param({}, TEXT, id="any value becomes text"),
        pytest.param(_deep(40), _deep(40), id="too deep to be compared"),
    ],
)
def test_a_change_that_refuses_old_values_is_found(old: Schema, new: Schema) -> None:
    assert refusals(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(TEXT | {"enum": ["a"]}, TWO, id="a value is added to an enumeration"),
        pytest.param(TWO, TEXT | {"pattern": "^[a-z]$", "maxLength": 9}, id="an enumeration becomes a pattern"),
        pytest.param(
            TWO, {"anyOf": [TEXT | {"const": "a"}, TEXT | {"const": "b"}]}, id="an enumeration becomes a union"
        ),
        pytest.param({"const": 1, "type": "integer"}, NUMBER | {"minimum": 0}, id="a constant becomes a range"),
        pytest.param(TEXT | {"pattern": "a"}, TEXT, id="a pattern is removed"),
        pytest.param(TEXT | {"maxLength": 3}, TEXT | {"maxLength": 4, "minLength": 0}, id="a limit is raised"),
        pytest.param(NUMBER | {"exclusiveMinimum": 0}, NUMBER | {"minimum": 1}, id="the same bound for integers"),
        pytest.param(
            {"type": "number", "exclusiveMinimum": 0}, {"type": "number", "minimum": 0}, id="a bound is included"
        ),
        pytest.param(NUMBER, {"type": "number"}, id="integers become numbers"),
        pytest.param(TEXT, _optional(TEXT), id="null is added"),
        pytest.param(
            {"type": "object", "patternProperties": {"^a": TEXT}},
            {"type": "object", "patternProperties": {"^a": _optional(TEXT)}},
            id="values under a pattern may be null",
        ),
        pytest.param(_record(a=TEXT), _record(a=TEXT) | {"required": []}, id="a field gets a default"),
        pytest.param(
            _record(a=TEXT), _record(a=TEXT, b=TEXT) | {"required": ["a"]}, id="a field with a default is added"
        ),
        pytest.param(_record(a=TEXT), _map(), id="a record becomes a map"),
        pytest.param({"oneOf": [_of("a")]}, {"oneOf": [_of("a"), _of("b")]}, id="a kind of a union is added"),
        pytest.param({"title": "A"} | TEXT, {"title": "B", "description": "It."} | TEXT, id="names and descriptions"),
        pytest.param(
            _list(items=TEXT, maxItems=2), _list(prefixItems=[TEXT, TEXT], items=False), id="at most two items"
        ),
    ],
)
def test_a_change_that_accepts_all_old_values_passes(old: Schema, new: Schema) -> None:
    assert refusals(old, new) == []
