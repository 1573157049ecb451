"""The packaged samples: rows of files, recordings and pictures as events carry them, and events as messages."""

import json
from base64 import b64encode
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from schemas.topics import input_topic
from shared.engine.stream import Stream
from shared.records import Message


def rows_of(name: str) -> list[dict[str, Any]]:
    """Return the rows of a file of JSON lines, by its name."""
    text = files("millrace.demo").joinpath("samples", name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def inline(file: str) -> dict[str, str]:
    """Return a file as the inline medium of an event; its path has slashes."""
    content = files("millrace.demo").joinpath("samples", *file.split("/")).read_bytes()
    return {"inline": b64encode(content).decode()}


def event_message(stream: Stream[Any, Any], tenant: str, given: Mapping[str, Any]) -> Message:
    """Return an event as a message; the tenant and what every event has are added."""
    source_id = given[stream.id_field]
    constant = {"schema_version": 1, "event_id": source_id, "tenant_id": tenant, "event_version": 1}
    key = f"{tenant}:{source_id}".encode()
    return Message(input_topic(stream.name), key, json.dumps(constant | dict(given)).encode())
