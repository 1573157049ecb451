"""Finding the signature of a message: what follows its delimiter, a device's line, a closing formula and a name.

All is found by whole lines, and in doubt a line is no signature: a divider or a closing formula may stand above more text.
"""

import re
from collections.abc import Sequence

from shared.text.quotations import says_something

DELIMITER = re.compile(r"--[ \t]?")
"""The signature's delimiter (RFC 3676, section 4.3); its blank is often lost on the way."""

DELIMITED_LINES, CLOSED_LINES, TAIL_LINES = 12, 4, 8
CLOSING_CHARS, NAME_CHARS, NAME_WORDS = 40, 60, 6
DEVICE = re.compile(
    r"(?:Sent|Envoyé|Enviado|Inviat[oa]|Gesendet|Verschickt|Verstuurd|Verzonden|Sendt|Skickat|Wysłan[eoy]|Lähetetty|Odesláno"
    r"|Отправлено|Diese Nachricht wurde) (?:(?:securely |de manière sécurisée )?"
    r"(?:from|with|via|using|de|depuis|à partir de|avec|desde|do|da|dal|dalla|con|pelo|por|tramite|von|mit|über|aus|vanaf"
    r"|vanuit|met|fra|från|z|za pomocą|с|из|sovelluksesta))? ?"
    r"(?:(?:my|mon|ma|mi|meu|minha|o meu|a minha|mio|mia|meinem|meiner|mijn|min|mit|l['\u2019])\b[^?!,;]{1,60}"
    r"|(?:Mail|Outlook|Yahoo|Samsung|Proton|AOL|BlackBerry|K-9|Gmail|Galaxy|iPhone|iPad|Android|Spark|Microsoft|Windows|GMX"
    r"|WEB\.DE|myMail|Thunderbird|Fairmail|Canary|Blue|Huawei|Xiaomi|Nokia)\b.{0,60})"
    r"|Von meinem [^?!,;]{1,40} gesendet"
    r"|(?:Get|Télécharge[rz]|Obtenir|Obtener|Obtenha|Ottieni|Hämta|Få|Download|Pobierz) (?:o )?Outlook\b.{0,60}"
    r"|Outlook (?:für|voor) \w+\b.{0,60}|Holen Sie sich Outlook\b.{0,60}",
    re.IGNORECASE,
)
ENGLISH_REGARDS = re.compile(
    r"(?:(?:many )?thank(?:s| you) ?(?:and|&|,)? ?)?(?:with )?"
    r"(?:(?:my|best|kind|kindest|warm|warmest|many) )*(?:regards|wishes)"
)
REGARDS = frozenset(
    (
        "sincerely|sincerely yours|respectfully|yours sincerely|yours faithfully|yours truly|cordialement"
        "|bien cordialement|bien à vous|sincères salutations|salutations|salutations distinguées"
        "|mit freundlichen grüßen|mit freundlichem gruß|mit besten grüßen|mit lieben grüßen|mit herzlichen grüßen"
        "|freundliche grüße|viele grüße|liebe grüße|beste grüße|herzliche grüße|schöne grüße|freundliche grüsse"
        "|mit freundlichen grüssen|gruß|grüße|saludos|un saludo|saludos cordiales|un cordial saludo|atentamente"
        "|atenciosamente|cumprimentos|um abraço|abraços|cordiali saluti|distinti saluti|saluti|un saluto"
        "|met vriendelijke groet|met vriendelijke groeten|vriendelijke groet|vriendelijke groeten|groet|groeten"
        "|groetjes|med venlig hilsen|venlig hilsen|med vennlig hilsen|vennlig hilsen|mvh|med vänliga hälsningar"
        "|vänliga hälsningar|hälsningar|z poważaniem|pozdrawiam|ystävällisin terveisin|s pozdravem"
    ).split("|")
)
"""Words that close a mail."""

THANKS = frozenset(
    (
        "thanks|thank you|many thanks|best thanks|thanks again|thank you again|thanks so much|thank you so much"
        "|thanks a lot|thanks very much|thank you very much|thanks in advance|thank you in advance|cheers|yours"
        "|best|merci|merci d'avance|merci d\u2019avance|merci beaucoup|merci bien|danke|vielen dank|besten dank"
        "|herzlichen dank|danke schön|danke im voraus|vielen dank im voraus|mfg|lg|vg|gracias|muchas gracias"
        "|gracias de antemano|grazie|grazie mille|obrigado|obrigada|bedankt|dank je|dank je wel|alvast bedankt|tak"
        "|på forhånd tak|tack|tack på förhand|takk|dzięki|dziękuję|kiitos|děkuji"
    ).split("|")
)
"""Words that close a mail and open one too, so that only a name may follow them."""

SHORT = frozenset(("mfg", "lg", "vg"))
"""Closings that are also an answer to a question, such as the name of a maker: they close only above a name."""

PARTICLES = frozenset(
    "von van vom der den de del della di da dos das do la le el al bin ibn zu zur und and et y e of for the af"
    " och og from at in im bei chez gmbh co kg ltd inc".split()
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
        words = line.lower().rstrip(",.! ")
        if _is_regards(words) or (not below and _is_regards_and_name(line)):
            signs = len(below) <= CLOSED_LINES and all(_is_name(each) or _is_contact(each) for each in below)
            return at if signs or (len(below) == 1 and below[0].strip("-~ ").isalpha()) else len(lines)
        if words in THANKS:
            named = 0 < len(below) <= 2 and all(_is_name(each) and len(each.split()) <= 3 for each in below)
            answers = words in SHORT and (not below or _asks(lines[:at]))
            return at if (named or not below) and not answers else len(lines)
    return len(lines)


def _is_regards(words: str) -> bool:
    """Whether words close a mail, also as in `vielen dank und liebe grüße`."""
    if words in REGARDS or ENGLISH_REGARDS.fullmatch(words):
        return True
    thanks, _, regards = words.replace(" et ", " und ").replace(" y ", " und ").partition(" und ")
    return thanks in THANKS and regards in REGARDS


def _is_regards_and_name(line: str) -> bool:
    """Whether a line closes a mail and names its writer, as in `Viele Grüße Jo`."""
    words = line.split()
    return any(
        _is_regards(" ".join(words[:count]).lower().rstrip(",")) and _is_name(" ".join(words[count:]))
        for count in range(1, len(words))
    )


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


def _asks(lines: Sequence[str]) -> bool:
    above = next((line for line in reversed(lines) if line.strip()), "")
    return above.rstrip().endswith("?")
