"""A ticket's language in its point and in its result, through a whole worker.

A green run does not prove that languages are detected well; `tests/unit/test_language.py` has the rates.
"""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from millrace.cli import app
from schemas.tickets import TicketPayload
from tests.support.assembly import Assembly
from tests.support.tickets import event
from tests.unit.test_stages import ONE, embedded, payload, send, stored
from workers.tickets.stages import TICKETS

FRENCH = {"subject": "Colis perdu", "body": "Mon colis n'est toujours pas arrivé, que faire ?"}
UNCERTAIN = {"subject": "41155", "body": "ok thx"}


@pytest.mark.parametrize(
    ("fields", "detected", "published"),
    [
        ({}, "en", "en"),
        (FRENCH, "fr", "fr"),
        (FRENCH | {"language": "en-GB"}, "fr", "fr"),
        (UNCERTAIN | {"language": "fr-CA"}, None, "fr"),
        (UNCERTAIN, None, None),
    ],
)
def test_the_detected_language_is_stored_beside_the_hint_and_the_known_one_is_published(
    fields: dict[str, Any], detected: str | None, published: str | None
) -> None:
    parts = Assembly()
    send(parts, event(**fields))
    kept = payload(parts)
    assert (kept.language, kept.detected_language) == (fields.get("language"), detected)
    assert [result.language for result in parts.results()] == [published]


def test_the_language_is_that_of_the_embedded_text() -> None:
    parts = Assembly()
    quoted = (
        "\n\nOn 4 May 2026 at 10:00 Shop <a@example.com> wrote:\n> " + "We are sorry for the delay of your order. " * 9
    )
    send(parts, event(**FRENCH | {"body": FRENCH["body"] + quoted}))
    assert payload(parts).detected_language == "fr"


def test_a_snapshot_with_another_text_gets_another_language_and_one_with_the_same_text_keeps_it() -> None:
    parts = Assembly()
    send(parts, event(**FRENCH), event(**FRENCH, event_version=2, reason="updated", language="de", priority="high"))
    assert (payload(parts).detected_language, payload(parts).language) == ("fr", "de")
    embedded(parts)
    send(parts, event(event_version=3, reason="updated"))
    assert payload(parts).detected_language == "en"
    assert [result.language for result in parts.results()] == ["fr", "en"]


def test_a_resolution_has_a_language_of_its_own() -> None:
    parts = Assembly()
    send(parts, event(**FRENCH, reason="solved", resolution="The parcel was found and delivered the next morning."))
    kept = payload(parts)
    assert (kept.detected_language, kept.resolution_language) == ("fr", "en")
    send(parts, event(**FRENCH, event_version=2, reason="reopened"))
    assert payload(parts).resolution_language is None


def test_a_point_of_an_earlier_version_lacks_the_fields_and_is_read_and_replaced() -> None:
    parts = Assembly()
    send(parts, event(**FRENCH))
    held = dict(stored(parts).payload)
    for name in ("detected_language", "resolution_language"):
        del held[name]
    assert TICKETS.points.foreign_reason(ONE, held) is None
    assert TicketPayload.model_validate(held, strict=False).detected_language is None
    stored(parts).payload.clear()  # type: ignore[attr-defined]  # the store in memory keeps a dict
    stored(parts).payload.update(held)  # type: ignore[attr-defined]
    embedded(parts)
    send(parts, event(**FRENCH, event_version=2, reason="updated"))
    assert (payload(parts).detected_language, embedded(parts)) == ("fr", [])


@pytest.mark.parametrize(("message", "language", "shown"), [(FRENCH["body"], "fr", "fr"), ("41155", None, "uncertain")])
def test_prepare_shows_the_language(message: str, language: str | None, shown: str) -> None:
    done = CliRunner().invoke(app, ["prepare", "-", "--json"], input=message)
    assert json.loads(done.stdout)["language"] == language
    assert CliRunner().invoke(app, ["prepare", "-"], input=message).stdout.endswith(f"language\n{shown}\n")
