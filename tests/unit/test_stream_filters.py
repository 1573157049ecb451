"""The fields that streams declare for filters are fields of their payloads, of the declared kind, and have an index.

A green run does not prove that a worker fills them.
"""

from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from pydantic import AwareDatetime

from millrace.configured import collection_spec
from millrace.filters import fields_of
from millrace.streams import STREAMS
from shared.engine.stream import Stream
from shared.search.conditions import read_for_streams
from shared.search.filterable import Filterable
from shared.stream_settings import SearchSettings, StreamSettings
from shared.vectorstore.conditions import field_path

TYPES = {"keyword": str, "integer": int, "float": float, "datetime": AwareDatetime}
OWN = StreamSettings(search=SearchSettings(indexed_attributes=("plan", "bought_at:time")))
DECLARED = [(stream, name) for stream in STREAMS.values() for name in stream.filters]


def type_of(annotation: Any) -> Any:
    """Return the plain type of an annotation; of a choice of texts, `Literal` with the texts."""
    if get_origin(annotation) is Annotated:
        return type_of(get_args(annotation)[0])
    parts = [each for each in get_args(annotation) if each is not NoneType]
    if get_origin(annotation) is Literal or not parts:
        return annotation
    return type_of(parts[0])


def payload_type(stream: Stream[Any, Any], field: Filterable) -> Any:
    """Return the type of a field of a stream's payload."""
    found: Any = stream.payload
    for key in field.keys:
        found = type_of(found.model_fields[key].annotation)
    return found


@pytest.mark.parametrize(("stream", "name"), DECLARED, ids=lambda each: getattr(each, "name", each))
def test_a_filter_is_a_field_of_the_payload_and_has_an_index(stream: Stream[Any, Any], name: str) -> None:
    declared = stream.filters[name]
    found = payload_type(stream, declared)
    choices = get_args(found) if get_origin(found) is Literal else ()
    assert choices == declared.choices
    assert found is TYPES[declared.kind] or choices
    assert collection_spec(OWN, stream).indexes[field_path(declared.keys)] == declared.kind


def test_filters_and_attributes_do_not_change_the_name_of_a_collection() -> None:
    for stream in STREAMS.values():
        with_attributes, without = collection_spec(OWN, stream), collection_spec(StreamSettings(), stream)
        assert with_attributes.name == without.name
        more = {"attributes.plan": "keyword", "attributes.bought_at": "datetime"}
        assert with_attributes.indexes == {**without.indexes, **more}


def test_a_condition_on_several_streams_leaves_out_those_without_the_field() -> None:
    fields = {name: fields_of(stream, OWN) for name, stream in STREAMS.items()}
    found = read_for_streams(["occurred_at >= 2026-05-01", "price < 50"], fields)
    assert list(found.by_stream) == ["products"]
    assert found.left_out == dict.fromkeys(("tickets", "calls"), "they have no field that 'price < 50' begins with")
    assert set(read_for_streams(["plan != pro"], fields).by_stream) == set(STREAMS)


def test_texts_are_prepared_as_the_worker_stores_them() -> None:
    fields = fields_of(STREAMS["products"], OWN)
    found = read_for_streams(["plan = e\u0301te\u0301 a@example.org"], {"products": fields}).by_stream["products"]
    stored = fields.prepare("\u00e9t\u00e9 a@example.org")
    assert found[0].value == stored
    assert "example.org" not in stored
    [given] = read_for_streams(["product_id = a@example.org"], {"products": fields}).by_stream["products"]
    assert given.value == "a@example.org", "ids are stored as they are"
