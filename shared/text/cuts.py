"""The parts of a message that are kept but not embedded: the mail that it quotes, its signature, and hidden text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from shared.text.headers import FORWARD_PREFIX
from shared.text.quotations import GATE, Quotations, find_quotations
from shared.text.signatures import find_signature

Reason = Literal["quotation", "signature", "hidden"]


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece of a message that is kept but not embedded.

    Attributes:
        reason: `quotation` of the mail that is answered, `signature`, or `hidden` from the readers of an HTML mail.
        text: The piece, with personal data masked.
    """

    reason: Reason
    text: str


def cut(text: str, subject: str, quotes: bool, signatures: bool) -> tuple[str, tuple[Cut, ...]]:
    """Return the part of a message that is embedded, and the pieces that are not.

    Args:
        text: The message, with personal data masked.
        subject: Subject of the message; a subject such as `Fwd: lamp` marks a forwarded mail, of which nothing is cut.
        quotes: Whether the mail that is answered is cut.
        signatures: Whether the signature is cut.
    """
    if FORWARD_PREFIX.match(subject):
        return text, ()
    lines = text.split("\n")
    found = find_quotations(lines) if GATE.search(text) else Quotations()
    reasons: dict[int, Reason] = dict.fromkeys(found.quoted if quotes else (), "quotation")
    if signatures and not found.forwards:
        own = [number for number in range(len(lines)) if number not in found.quoted]
        signed = find_signature([lines[number] for number in own])
        reasons |= {own[place]: "signature" for place in signed}
    if not reasons:
        return text, ()
    embedded = "\n".join(line for number, line in enumerate(lines) if number not in reasons).strip()
    return embedded, _pieces(lines, reasons)


def _pieces(lines: Sequence[str], reasons: dict[int, Reason]) -> tuple[Cut, ...]:
    pieces: list[Cut] = []
    for reason, numbers in groupby(range(len(lines)), reasons.get):
        if reason is not None:
            pieces.append(Cut(reason, "\n".join(lines[number] for number in numbers).strip("\n")))
    return tuple(piece for piece in pieces if piece.text.strip())
