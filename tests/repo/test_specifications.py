"""docs/asyncapi.yaml and docker-compose.yml are valid by the JSON schemas of their specifications.

A green run does not prove that a tool reads the document as it is meant, or that Compose starts the services: a schema
knows neither what names mean, nor which of them exist.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import yaml

from millrace.streams import STREAMS
from tests.repo.specifications import ASYNCAPI, COMPOSE, digest, digests, reference_faults, schema_faults
from tests.support.sources import ROOT

Document = dict[str, Any]
Change = Callable[[Document], object]

DOCS = ROOT / "docs"
MESSAGES: Document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
SERVICES: Document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [ASYNCAPI, COMPOSE])
def test_the_schemas_are_those_that_their_page_states(name: str) -> None:
    assert digests()[name] == digest(name)


def test_the_message_document_is_valid() -> None:
    assert schema_faults(ASYNCAPI, MESSAGES) == []
    assert list(reference_faults(MESSAGES, DOCS)) == []


def test_the_compose_file_is_valid() -> None:
    assert schema_faults(COMPOSE, SERVICES) == []


def test_the_examples_fit_the_schemas_of_their_messages() -> None:
    checked = 0
    for channel in MESSAGES["channels"].values():
        message = channel["messages"]["message"]
        for example in message.get("examples", ()):
            reference = message["payload"]["schema"]["$ref"]
            schema = json.loads((DOCS / reference).read_text(encoding="utf-8"))
            jsonschema.Draft202012Validator(schema).validate(example["payload"])
            checked += 1
    assert checked >= len(STREAMS), "each stream has examples of what arrives"


def _channel(document: Document) -> Document:
    found: Document = document["channels"]["tickets"]
    return found


def _kafka(document: Document) -> Document:
    found: Document = _channel(document)["bindings"]["kafka"]
    return found


WRONG_MESSAGES: dict[str, Change] = {
    "an older version": lambda it: it.update(asyncapi="2.6.0"),
    "no version of ours": lambda it: it["info"].pop("version"),
    "a key that does not exist": lambda it: _channel(it).update(adress="tickets"),
    "an address that is no text": lambda it: _channel(it).update(address=7),
    "a number of partitions as text": lambda it: _kafka(it).update(partitions="12"),
    "a retention that is no number": lambda it: _kafka(it)["topicConfiguration"].update({"retention.ms": "7d"}),
    "an unknown action": lambda it: it["operations"]["receive.tickets"].update(action="read"),
    "an operation without a channel": lambda it: it["operations"]["receive.tickets"].pop("channel"),
    "an example without content": lambda it: _channel(it)["messages"]["message"]["examples"].append({"name": "empty"}),
}


@pytest.mark.parametrize("change", WRONG_MESSAGES.values(), ids=WRONG_MESSAGES)
def test_a_broken_message_document_is_found(change: Change) -> None:
    document = copy.deepcopy(MESSAGES)
    change(document)
    assert schema_faults(ASYNCAPI, document)


WRONG_REFERENCES: dict[str, Change] = {
    "a schema that was removed": lambda it: _channel(it)["messages"]["message"]["payload"]["schema"].update(
        {"$ref": "../schemas/json/ticket.json"}
    ),
    "a channel that was removed": lambda it: it["channels"].pop("tickets.dlq"),
    "headers that were removed": lambda it: it["components"]["schemas"].pop("RetryHeader"),
}


@pytest.mark.parametrize("change", WRONG_REFERENCES.values(), ids=WRONG_REFERENCES)
def test_a_reference_that_leads_nowhere_is_found(change: Change) -> None:
    document = copy.deepcopy(MESSAGES)
    change(document)
    assert list(reference_faults(document, DOCS))


def _service(document: Document, name: str = "ticket-worker") -> Document:
    found: Document = document["services"][name]
    return found


WRONG_SERVICES: dict[str, Change] = {
    "a key that does not exist": lambda it: _service(it).update(enviroment={}),
    "a part that does not exist": lambda it: it.update(service={}),
    "profiles that are no list": lambda it: _service(it).update(profiles="core"),
    "a command that is a number": lambda it: _service(it).update(command=7),
    "an unknown condition": lambda it: _service(it).update(depends_on={"kafka": {"condition": "service_ready"}}),
    "a health check with an unknown key": lambda it: _service(it)["healthcheck"].update(wait="5s"),
    "dropped rights that are no list": lambda it: _service(it).update(cap_drop="ALL"),
    "a read-only root that is neither true nor false": lambda it: _service(it).update(read_only=[]),
    "a GPU without capabilities": lambda it: _service(it, "ticket-worker-gpu")["deploy"]["resources"]["reservations"][
        "devices"
    ][0].pop("capabilities"),
    "a volume with an unknown key": lambda it: it["volumes"].update(more={"drive": "local"}),
}


@pytest.mark.parametrize("change", WRONG_SERVICES.values(), ids=WRONG_SERVICES)
def test_a_broken_compose_file_is_found(change: Change) -> None:
    document = copy.deepcopy(SERVICES)
    change(document)
    assert schema_faults(COMPOSE, document)
