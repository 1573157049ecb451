"""Solved tickets as points, and a collection of them, for tests of the search for similar ones."""

import math
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from schemas.points import point_id as ticket_point_id
from schemas.search import SimilarTicket
from shared.records import Point, Vector
from shared.search.shown import SOLVED_TICKETS
from shared.search.similar import Found, Question, SimilarSearch
from shared.stream_settings import SearchSettings
from shared.vectorstore.terms import Terms
from tests.support.fakes import DIM, FakeCollection
from workers.tickets.stages import TICKETS

TERMS = Terms()
SETTINGS = SearchSettings()
ITSELF = UUID(int=7)
ASKED = "Where is my parcel, it should have arrived on Monday"


def unit(cosine: float) -> Vector:
    """Return a unit vector with this cosine to the first axis."""
    made = np.zeros(DIM, np.float32)
    made[0], made[1] = cosine, math.sqrt(1 - cosine**2)
    return made


def resolved(ticket_id: str, cosine: float, resolution: float, **changes: Any) -> Point:
    """Return the point of a solved ticket whose resolution has this cosine to the first axis."""
    point = solved(ticket_id, cosine, **changes)
    return replace(point, vectors={**point.vectors, "resolution": unit(resolution)})


def solved(ticket_id: str, cosine: float, body: str = "", point_id: UUID | None = None, **changes: Any) -> Point:
    """Return the point of a solved and well-rated ticket."""
    payload: dict[str, object] = {
        "tenant_id": "acme", "ticket_id": ticket_id, "event_version": 1, "flags": ["solved"], "label": "delivery",
        "satisfaction": 5, "subject": ticket_id, "body": body, "resolution": "Sent again.",
        "occurred_at": "2026-01-01T00:00:00Z", "text_digest": ticket_id,
    }  # fmt: skip
    terms = {"terms": TERMS.of_document(body)}
    payload |= changes
    own = ticket_point_id(str(payload["tenant_id"]), "tickets", ticket_id)
    return Point(point_id or own, 1, {"text": unit(cosine)}, payload, terms)


def collection(*points: Point) -> FakeCollection:
    """Return a collection with these points and no effects yet."""
    made = FakeCollection()
    made.upsert(points)
    made.effects.clear()
    return made


def found(*points: Point, text: str = ASKED, at: str = "2026-01-01T00:00:00Z", **settings: Any) -> Found[SimilarTicket]:
    """Return the hits of a search of these points for a text on the first axis."""
    search = SimilarSearch(collection(*points), SOLVED_TICKETS, SearchSettings(**settings), TICKETS.points.is_ours)
    [answer] = search.find([Question("acme", text, unit(1.0), datetime.fromisoformat(at), ITSELF)])
    return answer


def names(answer: Found[SimilarTicket]) -> list[str]:
    """Return the ids of the hits, best first."""
    return [hit.ticket_id for hit in answer.similar]
