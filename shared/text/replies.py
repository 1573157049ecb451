"""Quoted replies and signatures, cut off with care: in doubt, and where nothing else would remain, a text keeps them.

Rules of our own in place of a library: those looked at take minutes for one hostile text (decision 0008).
"""

import re

QUOTE_GATE = re.compile(r"^(?:>|\*?(?:From|Von|De) ?:)|[:\-_][ \t]*$", re.MULTILINE)
INTRO = re.compile(
    r"^>{0,3} ?(?:On|Am|Le|El|Il|Em|Op|Den|Dnia) (?:[^\n]{4,200}\n?){1,2}?"
    r"(?:wrote|a écrit|escribió|ha scritto|escreveu|napisał\(?a?\)?|(?:schrieb|schreef|skrev)\b[^\n]{0,100})"
    r" ?:[ \t]*$",
    re.MULTILINE,
)
"""What mail programs set before a quotation; it may be wrapped once."""

ORIGINAL = re.compile(
    r"^(?:-{2,} ?(?:Original [Mm]essage|Ursprüngliche Nachricht|Message d'origine|Mensaje original) ?-{2,}[ \t]*"
    r"|(?:_{20,}[ \t]*\n+)?\*?(?:From|Von|De) ?:[^\n]{1,200}\n\*?(?:Sent|Date|Gesendet|Datum|Envoyé|Enviado|Fecha) ?:"
    r"[^\n]{1,200}\n\*?(?:To|An|À|Para) ?:[^\n]{1,500})$",
    re.MULTILINE,
)
"""What Outlook sets before the mail that is answered. A forwarded mail is what its sender wants to show: it stays."""

MOMENT = re.compile(r"@|\d{4}|\d[:.h]\d\d")
FIRST_PERSON = re.compile(
    r"\b(?:I|we|ich|wir|je|j'ai|nous|yo)\b(?=[^\n]{0,8} ?(?:wrote|:|a écrit|escrib))|schrieb (?:ich|wir)\b"
)
QUOTED_LINES = 3
"""So many lines in a row that begin with `>` are a quotation also without a line that says so."""

DELIMITER = re.compile(r"^--[ \t]?$", re.MULTILINE)
"""The signature's delimiter (RFC 3676, section 4.3); its blank is often lost on the way."""

DELIMITED_LINES = 12
CLOSING_LINES, CLOSING_CHARS, TAIL_LINES = 4, 40, 8
DEVICE = re.compile(
    r"(?:Sent from (?:my|Mail|Outlook|Yahoo|Samsung|Proton)|Get Outlook for"
    r"|Envoyé (?:de(?:puis)?|à partir de) (?:mon|ma|Outlook|Yahoo)"
    r"|Télécharge[rz] Outlook|(?:Von meinem|Gesendet (?:von|mit|über)|Diese Nachricht wurde von meinem)"
    r"|Enviado desde (?:mi|Outlook|Yahoo)|Obtener Outlook)\b.{0,70}",
    re.IGNORECASE,
)
CLOSING = re.compile(
    r"(?:(?:with )?(?:(?:my|best|kind|kindest|warm|warmest|many) )*(?:regards|wishes|thanks)|thanks|thank you|cheers"
    r"|sincerely|yours(?: (?:sincerely|faithfully|truly))?|sincerely yours"
    r"|(?:bien )?cordialement|(?:bien|sincères) (?:à vous|salutations)|salutations(?: distinguées)?|merci(?: d'avance)?"
    r"|mit (?:freundlichen|besten|lieben|herzlichen) grüßen|(?:viele|liebe|beste|freundliche|herzliche) grüße"
    r"|mfg|lg|vg|danke"
    r"|(?:un )?(?:cordial )?saludos?(?: cordial(?:es)?)?|atentamente|gracias)[,.!]?",
    re.IGNORECASE,
)
CONTENT = re.compile(r"[\d?!:@#]")
"""What makes a line after a closing formula more than a name: an order's number must not go with the signature."""


def strip_quotes(text: str) -> str:
    """Return a text without the mail that it answers."""
    if "\n" not in text or not QUOTE_GATE.search(text):
        return text
    kept = _without_marked(_without_tail(text)).strip()
    return kept or text


def strip_signature(text: str) -> str:
    """Return a text without its signature: what follows the delimiter, a device's line, a closing formula and a name."""
    if "\n" not in text:
        return text
    kept = text
    for step in (_without_delimited, _without_device, _without_closing):
        kept = step(kept).rstrip() or kept
    return kept


def _without_tail(text: str) -> str:
    """Cut at the first line that introduces a mail quoted without marks: such a line names a moment or an address."""
    cuts = [found.start() for found in (ORIGINAL.search(text),) if found]
    for found in INTRO.finditer(text):
        quoted = text[found.end() : found.end() + 200].lstrip().startswith(">") or found[0].startswith(">")
        if not quoted and MOMENT.search(found[0]) and not FIRST_PERSON.search(found[0]):
            cuts.append(found.start())
            break
    head = text[: min(cuts)] if cuts else text
    return head if head.strip("> \n\t") else text


def _without_marked(text: str) -> str:
    """Leave out blocks of lines that begin with `>`, and the lines that introduce them; all else stays."""
    if not text.startswith(">") and "\n>" not in text:
        return text
    text = INTRO.sub(lambda found: "> " if _is_quoted_next(text, found.end()) else found[0], text)
    kept: list[str] = []
    block: list[str] = []
    for line in [*text.split("\n"), ""]:
        if line.startswith(">"):
            block.append(line)
            continue
        if block and len(block) < QUOTED_LINES and block[0] != "> ":
            kept += block
        block = []
        kept.append(line)
    return "\n".join(kept)


def _is_quoted_next(text: str, at: int) -> bool:
    return text[at : at + 200].lstrip().startswith(">")


def _without_delimited(text: str) -> str:
    if "\n--" not in text:
        return text
    found = list(DELIMITER.finditer(text))
    if not found or text.count("\n", found[-1].end()) > DELIMITED_LINES:
        return text
    return text[: found[-1].start()]


def _without_device(text: str) -> str:
    head, _, line = text.rpartition("\n")
    return head if len(line) < 100 and DEVICE.fullmatch(line.strip()) else text


def _without_closing(text: str) -> str:
    lines = text.rsplit("\n", TAIL_LINES)
    for at in range(len(lines) - 1, 0, -1):
        if len(lines[at]) <= CLOSING_CHARS and CLOSING.fullmatch(lines[at].strip()):
            after = [line for line in lines[at + 1 :] if line.strip()]
            plain = all(len(line) <= CLOSING_CHARS and not CONTENT.search(line) for line in after)
            return "\n".join(lines[:at]) if plain and len(after) <= CLOSING_LINES else text
    return text
