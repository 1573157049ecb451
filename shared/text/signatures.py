"""Finding the signature of a message: what follows its delimiter, a device's line, a closing formula and a name.

All is found by whole lines, and in doubt a line is no signature: a divider and a closing formula may stand above the question.
"""

import re
from collections.abc import Sequence

from shared.text.quotations import says_something

DELIMITER = re.compile(r"--[ \t]?")
"""The signature's delimiter (RFC 3676, section 4.3); its blank is often lost on the way."""

DELIMITED_LINES, CLOSED_LINES, TAIL_LINES = 12, 4, 8
CLOSING_CHARS, NAME_CHARS, NAME_WORDS = 40, 60, 6
DEVICE = re.compile(
    r"(?:(?:Sent|Written|Typed) (?:from|on|via|with|using) (?:my|a|the|Mail|Outlook|Yahoo|Samsung|Proton|AOL|BlackBerry|K-9|Gmail|iPhone"
    r"|iPad|Spark|Blue|eM|Microsoft|Canary|Fairmail|Android)|Get Outlook for|Sent securely"
    r"|Envoyé (?:de(?:puis)?|à partir de|avec|via) (?:mon|ma|l['\u2019]|Outlook|Yahoo|Mail|Proton|un|la)|Télécharge[rz] Outlook"
    r"|Obtenir Outlook|Von meinem|(?:Diese Nachricht wurde )?(?:Gesendet|gesendet|Verschickt) (?:von|mit|über|aus)"
    r"|Diese Nachricht wurde (?:von|mit)|Holen Sie sich Outlook|Outlook für"
    r"|Enviado (?:desde|do|da|de|a partir do|con|pelo) (?:mi|meu|minha|el|Outlook|Yahoo|Mail|un|o|iPhone|Proton)|Enviado pelo"
    r"|Obtener Outlook|Obter o? ?Outlook|Inviat[oa] (?:da|dal|con|tramite) |Ottieni Outlook"
    r"|Verstuurd (?:vanaf|met|vanuit)|Verzonden (?:vanaf|met|vanuit)|Outlook voor|Sendt fra (?:min|mit|Outlook|Mail|Yahoo)"
    r"|Skickat från (?:min|Outlook|Mail|Yahoo)|Hämta Outlook|Få Outlook|Wysłan[eoy] (?:z|za pomocą) |Pobierz Outlook"
    r"|Lähetetty |Odesláno z |Отправлено (?:с|из) ).{0,90}",
    re.IGNORECASE,
)
REGARDS = re.compile(
    r"(?:(?:(?:many )?thank(?:s| you) ?(?:and|&|,) ?)?(?:with )?(?:(?:my|best|kind|kindest|warm|warmest|many) )*(?:regards|wishes)|sincerely|respectfully"
    r"|yours(?: (?:sincerely|faithfully|truly))|sincerely yours|(?:bien )?cordialement|(?:bien|sincères) (?:à vous|salutations)"
    r"|salutations(?: distinguées)?|mit (?:freundlichen|besten|lieben|herzlichen) grüßen"
    r"|(?:viele|liebe|beste|freundliche|herzliche|schöne) grüße(?: aus [^\W\d_]+)?|(?:un )?(?:cordial )?saludos?(?: cordial(?:es)?)?"
    r"|atentamente|atenciosamente|cordiali saluti|distinti saluti|saluti|met vriendelijke groet(?:en)?|vriendelijke groet(?:en)?"
    r"|groet(?:en|jes)?|(?:med )?(?:venlig|vennlig) hilsen|mvh|med vänliga hälsningar|vänliga hälsningar|hälsningar"
    r"|z poważaniem|pozdrawiam|abraços|um abraço)[,.!]?",
    re.IGNORECASE,
)
THANKS = re.compile(
    r"(?:(?:many|best) )?(?:thanks|thank you)(?: (?:so much|very much|in advance|again))?|cheers|yours"
    r"|merci(?: (?:d['\u2019]avance|beaucoup|bien))?|(?:vielen |besten |herzlichen )?dank(?:e)?(?: (?:im voraus|schön))?"
    r"|(?:muchas )?gracias(?: de antemano)?|grazie(?: mille)?|obrigad[oa]|bedankt|dank je(?: wel)?|tak|tack|dzięki"
    r"|mfg|lg|vg",
    re.IGNORECASE,
)
"""Words that close a mail and open one too, so that only a name may follow them."""

SHORT = frozenset(("mfg", "lg", "vg"))
"""Closings that are also an answer to a question, such as the name of a maker: they close only above a name."""

PARTICLES = frozenset(
    [
        "von",
        "van",
        "vom",
        "der",
        "den",
        "de",
        "del",
        "della",
        "di",
        "da",
        "dos",
        "das",
        "do",
        "la",
        "le",
        "el",
        "al",
        "bin",
        "ibn",
        "zu",
        "zur",
        "und",
        "and",
        "et",
        "y",
        "e",
        "of",
        "for",
        "the",
        "af",
        "och",
        "og",
        "&",
        "the",
        "from",
        "at",
        "in",
        "im",
        "bei",
        "chez",
        "gmbh",
        "co",
        "kg",
        "ltd",
        "inc",
    ]
)
"""Words of names, titles and companies that are written small."""

WORD = re.compile(r"[^\W\d_]+")
UNCASED_LETTERS = 8
"""Longer lines of scripts without small letters are sentences, not names."""

CONTACT = re.compile(
    r"(?:(?:tel|phone|telefon|téléphone|teléfono|mobile?|mobil|cell|fax|e-?mail|mail|web|www|t|m|f|e|p|w)\b[.: ]*)?"
    r"(?:[<(]?\[(?:phone|mail)\][>)]?|(?:https?://|www\.)\S+)[ ,;|/]*",
    re.IGNORECASE,
)


def find_signature(lines: Sequence[str]) -> frozenset[int]:
    """Return the numbers of the lines that sign a message; none where they are all that is said.

    Args:
        lines: Of a message without what it quotes, personal data masked.
    """
    end = len(lines)
    for search in (_delimited_from, _device_from, _closing_from):
        start = search(lines[:end])
        if start < end and says_something(lines[:start]):
            end = start
    return frozenset(range(end, len(lines)))


def _delimited_from(lines: Sequence[str]) -> int:
    """Return where the last delimiter stands, if what follows it reads as a signature."""
    for at in range(len(lines) - 1, max(-1, len(lines) - DELIMITED_LINES - 2), -1):
        if DELIMITER.fullmatch(lines[at]):
            below = [line for line in lines[at + 1 :] if line.strip()]
            signs = below[:1] if lines[at] == "-- " else below
            if below and all(_is_name(line) or _is_contact(line) for line in signs) and "?" not in "".join(below):
                return at
            return len(lines)
    return len(lines)


def _device_from(lines: Sequence[str]) -> int:
    """Return where the lines of devices and programs at the end begin."""
    start = len(lines)
    for at in range(len(lines) - 1, -1, -1):
        line = lines[at].strip()
        if line and not (len(line) <= 120 and DEVICE.fullmatch(line)):
            break
        start = at if line else start
    return start


def _closing_from(lines: Sequence[str]) -> int:
    """Return where the last closing formula stands, if nothing but a name and how to reach it follows."""
    for at in range(len(lines) - 1, max(-1, len(lines) - TAIL_LINES - 2), -1):
        line = lines[at].strip()
        if len(line) > CLOSING_CHARS:
            continue
        below = [each for each in lines[at + 1 :] if each.strip()]
        if REGARDS.fullmatch(line):
            signs = len(below) <= CLOSED_LINES and all(_is_name(each) or _is_contact(each) for each in below)
            return at if signs or (len(below) == 1 and _is_one_word(below[0])) else len(lines)
        if THANKS.fullmatch(line.rstrip(",.! ")):
            named = 0 < len(below) <= 2 and all(_is_name(each) and len(each.split()) <= 3 for each in below)
            answers = line.casefold() in SHORT and (not below or _asks(lines[:at]))
            return at if (named or not below) and not answers else len(lines)
    return len(lines)


def _is_name(line: str) -> bool:
    """Whether a line may name a person, a title or a company: few words, none but particles written small, no digits."""
    words = WORD.findall(line)
    if not words or len(line) > NAME_CHARS or len(words) > NAME_WORDS or re.search(r"[\d?!:@#]", line):
        return False
    small = [word for word in words if word[0].islower() and word.casefold() not in PARTICLES]
    uncased = sum(char.isalpha() and char.lower() == char.upper() for char in line)
    return not small and uncased <= UNCASED_LETTERS


def _is_contact(line: str) -> bool:
    """Whether a line holds nothing but numbers, addresses and pages by which a person is reached."""
    return (
        CONTACT.sub("", line.strip()).strip(" ,;|/-") == "" if "[" in line or "www" in line or "://" in line else False
    )


def _is_one_word(line: str) -> bool:
    return line.strip().strip("-~").isalpha()


def _asks(lines: Sequence[str]) -> bool:
    above = next((line for line in reversed(lines) if line.strip()), "")
    return above.rstrip().endswith("?")
