"""Conditions on fields and attributes as a user writes them, such as `price < 50`: read for one stream or for several."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.search.filterable import IN_WORDS, Filterable
from shared.vectorstore.conditions import Condition, Operator
from shared.vectorstore.moments import Moments, read_moments

COMPARISON = re.compile(r"\s*(<=|>=|!=|==|=|<|>)(.*)", re.DOTALL)
BEGINS_LIKE_AN_OPERATOR = re.compile(r"[=<>]")
PLAIN_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
QUOTES = ('"', "'")
OPERATORS = "= != < <= > >="

MOST_CONDITIONS = 16
"""The largest number of conditions of one search."""

Prepare = Callable[[str], str]
"""A function that prepares a text as the worker prepares the texts that it stores."""


class UnknownField(ValueError):
    """A condition does not begin with the name of a field and an operator; `text` is the condition."""

    def __init__(self, text: str, known: str) -> None:
        super().__init__(f"{text!r} does not begin with a field that can be filtered and one of {OPERATORS}; {known}")
        self.text = text


@dataclass(frozen=True, slots=True)
class Fields:
    """What conditions can name in one stream.

    Attributes:
        by_name: The fields by the names that conditions use; see `filterable_fields`.
        prepare: Prepares the texts that are compared with prepared fields.
    """

    by_name: Mapping[str, Filterable]
    prepare: Prepare


@dataclass(frozen=True, slots=True)
class StreamConditions:
    """The conditions of one search for the streams that it covers.

    Attributes:
        by_stream: The conditions for each stream that can meet them all.
        left_out: For each other stream, why no item of it can meet them.
    """

    by_stream: Mapping[str, tuple[Condition, ...]]
    left_out: Mapping[str, str]


def read_for_streams(texts: Sequence[str], fields: Mapping[str, Fields]) -> StreamConditions:
    """Return the conditions for each of several streams, or why a stream cannot meet them.

    A stream without the field that a condition names cannot meet it, nor one whose field is of another kind.

    Args:
        texts: The conditions as a user writes them; an item must meet all of them.
        fields: What conditions can name in each stream.

    Raises:
        ValueError: no stream can meet all conditions, or there are more than `MOST_CONDITIONS`.
    """
    found: dict[str, tuple[Condition, ...]] = {}
    errors: dict[str, ValueError] = {}
    for stream, own in fields.items():
        try:
            found[stream] = read_conditions(texts, own)
        except ValueError as error:
            errors[stream] = error
    if errors and not found:
        each = {str(error): f"{stream}: {error}" for stream, error in errors.items()}
        raise ValueError("; ".join(each if len(each) == 1 else each.values()))
    left_out = {
        stream: f"they have no field that {error.text!r} begins with" if isinstance(error, UnknownField) else str(error)
        for stream, error in errors.items()
    }
    return StreamConditions(found, left_out)


def read_conditions(texts: Sequence[str], fields: Fields) -> tuple[Condition, ...]:
    """Return the conditions that texts such as `plan = enterprise` or `seats>=10` state for one stream.

    Raises:
        ValueError: as `read_condition`, or there are more than `MOST_CONDITIONS`.
    """
    if len(texts) > MOST_CONDITIONS:
        raise ValueError(f"{len(texts)} conditions were given; a search can have up to {MOST_CONDITIONS}")
    return tuple(read_condition(text, fields) for text in texts)


def read_condition(text: str, fields: Fields) -> Condition:
    """Return the condition that a text such as `price < 50` states.

    Args:
        text: The name of a field, one of = != < <= > >=, and the value, with or without blanks between them. A value
            with blanks at its ends or an operator at its beginning is put in quotes, single or double.
        fields: What conditions can name.

    Raises:
        ValueError: no field has this name, or the comparison or the value does not suit it; the error names the field
            and the reason, and an unknown name also what can be filtered.
    """
    given = text.strip()
    for name in sorted(fields.by_name, key=len, reverse=True):
        found = COMPARISON.fullmatch(given[len(name) :]) if given.startswith(name) else None
        if found is not None:
            operator: Operator = "=" if found[1] == "==" else found[1]  # type: ignore[assignment]  # the pattern's
            field = fields.by_name[name]
            try:
                return _condition(field, operator, found[2], fields.prepare)
            except ValueError as error:
                raise ValueError(f"{given!r}: {name} is a {IN_WORDS[field.kind]}: {error}") from None
    raise UnknownField(given, _known(fields))


def _condition(field: Filterable, operator: Operator, given: str, prepare: Prepare) -> Condition:
    value = _unquoted(given.strip())
    if field.kind == "keyword":
        return Condition(field.keys, operator, _text(field, value, prepare))
    if field.kind == "datetime":
        return Condition(field.keys, operator, _moments(value))
    number = _number(value)
    if field.kind == "integer" and not number.is_integer():
        raise ValueError(f"{value!r} has a fraction")
    return Condition(field.keys, operator, number, whole=field.kind == "integer")


def _unquoted(value: str) -> str:
    if value.startswith(QUOTES):
        if len(value) < 2 or value[-1] != value[0]:
            raise ValueError(f"the quote that opens {value!r} is not closed")
        return value[1:-1]
    if not value:
        raise ValueError('the value is missing; "" is an empty text')
    if BEGINS_LIKE_AN_OPERATOR.match(value):
        raise ValueError(f"the value {value!r} begins like an operator; if it is meant, put it in quotes")
    return value


def _text(field: Filterable, value: str, prepare: Prepare) -> str:
    if field.choices and value not in field.choices:
        raise ValueError(f"it is one of {', '.join(field.choices)}, and never {value!r}")
    return prepare(value) if field.is_prepared else value


def _number(value: str) -> float:
    if PLAIN_NUMBER.fullmatch(value) is None:
        raise ValueError(f"{value!r} is not a number such as 50 or 2.5")
    return float(value)


def _moments(value: str) -> Moments:
    found = read_moments(value)
    if found is None:
        raise ValueError(f"{value!r} is not a day such as 2026-05-01 or a time such as 2026-05-01T12:00:00+02:00")
    return found


def _known(fields: Fields) -> str:
    """Return what can be filtered, in words: each field once, an attribute by its short name unless a field has it."""
    names = {each.keys: name for name, each in fields.by_name.items()}  # the short name comes after the long one
    listed = ", ".join(f"{name} ({IN_WORDS[fields.by_name[name].kind]})" for name in names.values())
    return f"fields: {listed}" if listed else "no field can be filtered"
