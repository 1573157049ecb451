"""The fields of an event that columns map to, how column names are compared, and suggestions for unknown columns."""

import re
import string
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Literal, get_args, get_origin
from unicodedata import normalize

from millrace.streams import DEFAULT

FIELDS = tuple(name for name in DEFAULT.snapshot.model_fields if name != "schema_version")
ATTRIBUTE = "attributes."
INTEGER_FIELDS = frozenset({"event_version", "satisfaction"})
TEXT_FIELDS = frozenset({"subject", "body"})


def _choices(name: str) -> tuple[str, ...]:
    """Return the values that the schema allows for a field with fixed values."""
    allowed = DEFAULT.snapshot.model_fields[name].annotation
    literals = [allowed, *get_args(allowed)] if get_origin(allowed) is not Literal else [allowed]
    return next(get_args(each) for each in literals if get_origin(each) is Literal)


CHOICES: Mapping[str, tuple[str, ...]] = {name: _choices(name) for name in ("priority", "channel", "reason")} | {
    "reason": (*_choices("reason"), "deleted")
}
"""Fields with fixed values, which are compared without regard to case and surrounding blanks."""

BLANKS = string.whitespace + "\ufeff\u200b"
"""Characters that are removed from both ends of a name; some programs write a second byte order mark there."""

NEAR = 0.8
"""How similar a column and a known name must be for a suggestion: the ratio of `difflib`, 1 for equal names."""

NEVER_SUGGESTED = frozenset({"tenant_id", "event_id", "event_version", "attributes", "images"})
"""Fields for which a wrong column does more harm than a missing one."""

MEANT = 0.95
"""Similarity of a name that another system uses for the field: only the field's own name is more similar."""

TEXT_WORDS = frozenset({"description", "message", "body", "text", "content", "beschreibung", "nachricht", "mensaje"})
OTHER_WORDS = frozenset(
    {"id", "ids", "count", "date", "time", "at", "by", "type", "status", "length", "language", "short"}
)
"""A column may be the body if its name has one of `TEXT_WORDS` and none of `OTHER_WORDS`: `first_message`."""

MEANINGS: Mapping[str, str] = {
    "ticket_id": "id, number, case number, issue key, key, reference, nr, ticketnummer, numero",
    "subject": "title, summary, headline, short description, betreff, titel, objet, sujet, asunto, oggetto, onderwerp",
    "body": "description, message, text, content, comment, question, request, details, utterance, sentence, query,"
    "complaint, narrative, nachricht, beschreibung, anfrage, mensaje, descripcion, messaggio, descrizione, mensagem,"
    "descricao, bericht, omschrijving, contenu",
    "occurred_at": "created, created at, created time, creation date, create date, date created, date, opened, opened at,"
    "timestamp, erstellt, erstellt am",
    "customer_id": "customer, requester, requester email, requester id, customer email, email, email from, from, user id,"
    "contact, contact id, kunde",
    "priority": "urgency, severity, prioritaet, prioritat, prioridad, priorite, priorita",
    "channel": "source, via, origin, kanal, canal",
    "reason": "status, state",
    "resolution": "answer, reply, solution, response, close notes, antwort, losung, loesung, reponse, respuesta",
    "satisfaction": "rating, csat, score, survey results, satisfaction score, customer satisfaction rating, bewertung",
    "agent_label": "label, category, intent, class, topic, queue, kategorie, categorie, categoria",
    "language": "lang, locale, sprache, idioma, langue",
}
"""Names that other systems use for a field: they are only suggested to a person, never mapped."""


def normal(column: str) -> str:
    """Return a column's name in the form that is compared: case-folded and without blanks around it."""
    return normalize("NFKC", column).strip(BLANKS).casefold()


def is_field(name: str) -> bool:
    """Return whether an event has a field of this name."""
    return name in FIELDS or (name.startswith(ATTRIBUTE) and name != ATTRIBUTE)


def event_field_of(column: str) -> str | None:
    """Return the field that has the column's name, or None; the name of an attribute keeps its case."""
    name = normal(column)
    if name.startswith(ATTRIBUTE) and name != ATTRIBUTE:
        return ATTRIBUTE + column.strip()[len(ATTRIBUTE) :]
    return name if name in FIELDS else None


def suggestions(columns: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """Return the field that each column may mean, without fields that are taken or that another column fits better.

    Args:
        columns: Names of columns that are not names of fields.
        taken: Fields that other columns are mapped to already.
    """
    found: dict[str, tuple[float, str]] = {}
    for column in columns:
        likeness, field = max((_likeness(column, field), field) for field in FIELDS if field not in NEVER_SUGGESTED)
        if likeness >= NEAR and field not in taken and likeness > found.get(field, (0.0, ""))[0]:
            found[field] = (likeness, column)
    return {column: field for field, (_, column) in found.items()}


def _likeness(column: str, field: str) -> float:
    """Return how similar a column's name and the names of a field are, in [0, 1]."""
    words = _words(column)
    if not words:
        return 0.0
    bare = words.removeprefix("ticket").removeprefix("case").removeprefix("issue") or words
    own = field.replace("_", "")
    best = max(SequenceMatcher(None, words, own).ratio(), SequenceMatcher(None, bare, own).ratio())
    is_meant = not {words, bare}.isdisjoint(_words(name) for name in MEANINGS.get(field, "").split(","))
    if is_meant or best == 1:
        return max(best, MEANT)
    own_words = set(re.split(r"[\W_]+", normal(column)))
    if own_words & OTHER_WORDS - set(field.split("_")):
        return 0.0  # `Resolution time` is not the resolution
    return MEANT if field == "body" and own_words & TEXT_WORDS else best


def _words(name: str) -> str:
    plain = "".join(c for c in normalize("NFKD", name) if not 0x300 <= ord(c) < 0x370)
    return re.sub(r"[\W_]+", "", plain.casefold())
