"""Finds the mail that a text answers: by its header, by the line that introduces it, or by its `>` marks.

Only whole lines are quotations, and a doubtful line is not one. A sender forwards a mail to show it, so nothing is
found from the start of a forwarded mail on. Decision 0008 explains why these rules replace a library.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.text.formulas import says_something
from shared.text.headers import header_end, header_field_of, is_forward_marker, is_forwarded_header, is_original_marker

GATE = re.compile(
    r"^>|[:\uff1a][ \t]*$|^[*_ ]{0,4}[^\W\d_][^\n:\uff1a]{0,20}[:\uff1a]|^[-#=_*]{2}|写道|above this|oberhalb|über dieser",
    re.MULTILINE,
)
"""A text in which this pattern does not match contains no quotation."""

QUOTED_LINES = 3
"""Number of consecutive lines beginning with `>` that are a quotation even without an introducing line."""

INTRODUCTION_LINES, INTRODUCTION_CHARS = 3, 300
"""Mail programs wrap the line that introduces a quotation at about 76 characters."""

WROTE = re.compile(
    r"\b(?:wrote|writes|quoting|zitat von|citando|ha escrit"
    r"|schrieb|schrieben|geschrieben|a (?:écrit|ecrit)|ha scritto|scrive|escribi[óo]|escreveu|schreef"
    r"|geschreven|skrev|skreiv|napisał(?:a|\(a\))?|pisze|napisana przez|napsala?|napísala?|kirjoitti|ezt írta"
    r"|írta|yazdı|a scris"
    r"|έγραψε|(?:на)?писал(?:а|\(а\)|и)?|пише|đã viết|menulis)\b|写道|寫道|님이 작성|のメール",
    re.IGNORECASE,
)
DATE = re.compile(
    r"\b(?:19|20)\d\d\b|\b\d{1,2}[./-] ?\d{1,2}[./-] ?\d{2,4}\b|\b\d{1,2}\.? (?:de )?[^\W\d_]{3,10}\.?,?(?: |$)"
    r"|\b[^\W\d_]{3,10}\.? \d{1,2}\b|\d月",
    re.IGNORECASE,
)
WEEKDAY = re.compile(
    r"\b(?:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|mié|jue|vie|sáb|dom|seg|ter|qua|qui"
    r"|sex|ma|wo|vr|za|zo|man|tir|ons|tor|fre|lør|søn|mån|tis|lör|sön|pon|pn|wt|śr|czw|pt|sob|sb|ndz)[a-z]{0,6}[.,]",
    re.IGNORECASE,
)
"""A day of the week as mail programs write it, followed by a full stop or a comma."""

TIME = re.compile(r"\b\d{1,2} ?[:.h] ?\d\d(?!\d)|\b\d{1,2} ?(?:a\.?m|p\.?m|uhr|h)\b|\d[時时点]|오[전후]", re.IGNORECASE)
ADDRESS = re.compile(r"@|\[mail\]")
MACHINE = re.compile(r"[<(](?:mailto:)?(?:\[mail\]|\S+@)")
"""An address in brackets, as mail programs write it after a name; people do not write it so."""

ENDS_IN_ADDRESS = re.compile(r"[<(]?(?:mailto:)?(?:\[mail\]|\S+@\S+?)[>)]* ?[:\uff1a]$")
"""The end of an introduction without a verb, as old versions of Gmail write it."""

OPENER = re.compile(
    r"(?:on|am|le|el|il|em|op|den|dnia|w dniu|på|dne|vào|în data|la|στις|the|"
    r"(?:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|mié|jue|vie|sáb|dom|seg|ter|qua|qui|sex"
    r"|ma|wo|vr|za|zo|man|tir|ons|tor|fre|lør|søn|mån|tis|lör|sön|pon|pn|wt|śr|czw|pt|sob|sb|ndz|пн|вт|ср|чт|пт|сб|вс)"
    r"[^\W\d_]{0,8}[.,]*) .*\d|\d",
    re.IGNORECASE,
)
"""The beginning of an introduction that continues on the next line, unless it begins with an address."""

OWN = re.compile(
    r"\b(?:I|[Ww]e|[Ii]ch|[Ww]ir|[Jj]e|[Jj]['\u2019]ai|[Nn]ous|[Yy]o|[Nn]osotros|[Ii]k|[Jj]eg|[Jj]ag)\b(?!\.)"
)
"""Words that show that the writer refers to a mail of their own."""

REPORTING = re.compile(
    r"\b(?:your|you|our|my|the|this|that|who|ihre?[mnrs]?|euer|eure?[mnrs]?|mein\w*|unser\w*|votre|vos|vous|mon|ma|notre|su"
    r"|sus|usted|mi|tu|tuo|vostr[oiae]|seu|sua|uw|jullie|mijn|din|deres)\b",
    re.IGNORECASE,
)
"""Words of a sentence by the writer, which no mail program puts before a quotation."""

RULED = re.compile(r"[-_=*]{2,}.*[-_=*]{2,}")
OPENING_QUOTE = ('"', "'", "“", "„", "«", "‘", "‚", "»", "‹", "「", "*")
POINTS_BELOW = re.compile(
    r"\b(?:fyi|fwd|forward(?:ed|ing) (?:mail|e-?mail|message|you|this|below)|following (?:mail|e-?mail|message)|in red"
    r"|inline|in rot|im text|antwort\w* .{0,20}unten|folgende (?:mail|nachricht)|anbei"
    r"|(?:see|read|find|mail|email|e-mail|message|thread|repl\w+|answer\w*|comment\w*) .{0,20}below"
    r"|below (?:mail|e-?mail|message|thread)|zur info\w*|zur kenntnis\w*|untenstehend\w*|weiter(?:leite|geleitet)\w*"
    r"|(?:siehe|mail|nachricht|antwort\w*) unten|pour info\w*|ci-dessous|plus bas|transf[ée]r\w+|a continuación"
    r"|para (?:su|tu) información|(?:ver|vea|mire|correo|mensaje) .{0,20}abajo|reenv[ií]\w+|(?:vedi|qui|mail) sotto"
    r"|di seguito|inoltr(?!e\b)\w+|hieronder|onderstaand\w*|doorgestuur\w*|doorsturen|nedenfor|herunder|nedan|abaixo"
    r"|vidarebefordr\w+|videresend\w+|encaminh\w+|poniżej|przekaz\w+)\b",
    re.IGNORECASE,
)
"""Words that refer the reader to the text below, which is then part of the message."""


@dataclass(frozen=True, slots=True)
class Quotations:
    """The quotations in a message.

    Attributes:
        quoted: The numbers of the lines that quote the mail that is answered.
        forwards: Whether the message shows another mail on purpose.
    """

    quoted: frozenset[int] = frozenset()
    forwards: bool = False


def find_quotations(lines: Sequence[str]) -> Quotations:
    """Return the quotations of a message.

    Nothing is returned if the message has no other content, and nothing from the start of a forwarded mail on.

    Args:
        lines: The lines of a message, with personal data masked.
    """
    found: set[int] = set()
    forwards = introduced = False
    at = 0
    while at < len(lines) and not forwards:
        if not lines[at].strip():
            at += 1
            continue
        end = _introduction_end(lines, at) or at
        block = _marked_end(lines, end)
        if _begins_forward(lines, at) or (end == at and _forwards(lines[at:block])):
            forwards = True
        elif _answers(lines, at):
            forwards = _is_shown(lines, at)
            found |= set() if forwards else set(range(_above(lines, at), len(lines)))
            break
        elif end > at and block == end and _introduces_unmarked(lines, at, end):
            found |= set(range(at, len(lines)))
            break
        elif block > end and (introduced or _is_quotation(lines, at, end, block)):
            found |= set(range(at, block))
            introduced = introduced or end > at
        at = max(block, end, at + 1)
    rest = [line for number, line in enumerate(lines) if number not in found]
    return Quotations(frozenset(found) if says_something(rest) else frozenset(), forwards)


def _answers(lines: Sequence[str], at: int) -> bool:
    """Return whether a line is a marker or the first line of a header, as found above a mail that is answered."""
    return is_original_marker(lines[at]) or header_end(lines, at) is not None


def _is_shown(lines: Sequence[str], at: int) -> bool:
    """Return whether the mail whose marker or header begins at a line is shown on purpose."""
    top = at + is_original_marker(lines[at])
    header = lines[top : (header_end(lines, top) or top) if top < len(lines) else top]
    return (
        is_forwarded_header(header)
        or _line_above(lines, at).endswith(":")
        or any(POINTS_BELOW.search(line) for line in lines[:at])
    )


def _above(lines: Sequence[str], at: int) -> int:
    """Return the first of the separator lines above a header."""
    while at and (not lines[at - 1].strip("-_=* \t") or RULED.fullmatch(lines[at - 1].strip())):
        at -= 1
    return at


def _line_above(lines: Sequence[str], at: int) -> str:
    """Return the last non-blank line before a line, without leading and trailing blanks."""
    return next((lines[number].strip() for number in range(at - 1, -1, -1) if lines[number].strip()), "")


def _begins_forward(lines: Sequence[str], at: int) -> bool:
    """Return whether a line announces a forwarded mail: it is a ruled line, or a header or marked lines follow it."""
    if not is_forward_marker(lines[at]):
        return False
    below = _past_blank(lines, at + 1)
    follows = below < len(lines) and (lines[below].startswith(">") or header_field_of(lines[below]) is not None)
    return follows or RULED.fullmatch(lines[at].strip()) is not None


def _introduction_end(lines: Sequence[str], at: int) -> int | None:
    """Return the end of an introduction that begins at a line; None if no introduction begins there."""
    joined = ""
    for end in range(at, min(at + INTRODUCTION_LINES, len(lines))):
        line = lines[end].strip("> \t*")
        joined = f"{joined} {line}".strip()
        if not line or len(joined) > INTRODUCTION_CHARS:
            return None
        if joined.endswith((":", "\uff1a", "写道", "寫道")):
            return end + 1 if _is_introduction(joined) else None
        if end == at and not (OPENER.match(line) or ADDRESS.search(line)):
            return None
    return None


def _is_introduction(text: str) -> bool:
    if WROTE.search(text):
        return not OWN.search(text)
    return ENDS_IN_ADDRESS.search(text) is not None and DATE.search(text) is not None


def _marked_end(lines: Sequence[str], at: int) -> int:
    """Return the end of the block of marked lines that begins at `at` or after blank lines; `at` without a block."""
    end = first = _past_blank(lines, at)
    while end < len(lines) and lines[end].startswith(">"):
        end += 1
        following = _past_blank(lines, end)
        if following < len(lines) and lines[following].startswith(">"):
            end = following
    return end if end > first else at


def _past_blank(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at


def _forwards(block: Sequence[str]) -> bool:
    """Return whether a marked block is a forwarded mail; some mail programs quote the forward marker too."""
    first = next((line.lstrip("> ") for line in block if line.strip("> ")), "")
    return is_forward_marker(first)


def _is_quotation(lines: Sequence[str], at: int, end: int, block: int) -> bool:
    """Return whether marked lines quote the mail that is answered: a program introduces them, or they are many."""
    marked = sum(line.startswith(">") for line in lines[end:block])
    shown = end == at and _line_above(lines, at).endswith(":")
    return (
        (marked >= QUOTED_LINES and not shown)
        or _is_written_by_program(lines[at:end])
        or _begins_with_introduction(lines[end:block])
    )


def _begins_with_introduction(block: Sequence[str]) -> bool:
    end = _introduction_end(block, 0)
    return end is not None and _is_written_by_program(block[:end])


def _is_written_by_program(introduction: Sequence[str]) -> bool:
    text = " ".join(introduction)
    return MACHINE.search(text) is not None or (
        (ADDRESS.search(text) or DATE.search(text)) is not None and not REPORTING.search(text)
    )


def _introduces_unmarked(lines: Sequence[str], at: int, end: int) -> bool:
    """Return whether all lines below an introduction are the mail that is answered, although they are not marked."""
    text = " ".join(lines[at:end])
    dated = WEEKDAY.search(text) is not None and DATE.search(text) is not None and TIME.search(text) is not None
    below = _past_blank(lines, end)
    return (
        (dated or ADDRESS.search(text) is not None)
        and _is_written_by_program(lines[at:end])
        and below < len(lines)
        and not lines[below].startswith(OPENING_QUOTE)
        and says_something(lines[:at])
    )
