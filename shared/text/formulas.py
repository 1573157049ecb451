"""The set phrases of mails in many languages: salutations, closings, and lines that devices add automatically."""

import re
from collections.abc import Sequence

FORMULA_CHARS = 120
SALUTATION = re.compile(
    r"(?:hi|hii|hoi|hello|hey|dear|greetings|good (?:morning|afternoon|evening|day)|hallo|guten (?:tag|morgen|abend)|moin"
    r"|servus|grüezi|grüß gott|sehr geehrte[rs]?|liebe[rs]?|bonjour|bonsoir|salut|madame|monsieur|cher|chère|hola"
    r"|buen[oa]s?(?: (?:días?|tardes|noches))?|estimad[oa]s?|ciao|buongiorno|buonasera|salve|gentile|egregio"
    r"|spett\.?(?:le)?|olá|oi|bom dia|boa tarde|prezad[oa]s?|goede(?:morgen|middag|navond)|goedendag|beste|geachte|hej"
    r"|goddag|god (?:morgen|dag)|kære|hei|cześć|dzień dobry|szanown[ia]"
    r"|to whom it may concern)(?: [^\s,.!:?]+){0,4} ?[,.!:]?",
    re.IGNORECASE,
)

DEVICES = (
    r"(?:i|smart|mobile |cell ?)?phone|ipad|ipod|android\w*|galaxy|samsung|mobile?|tablet\w*|device|blackberry|handy"
    r"|mac\w*|windows|telefoon|telefon\w*|téléphone|teléfono|móvil|celular|portable|mobil\w*|gerät|appareil|dispositivo|huawei|nokia|pixel|htc"
)
DEVICE = re.compile(
    r"(?:Sent|Envoyé|Enviado|Inviat[oa]|Gesendet|Verschickt|Verstuurd|Verzonden|Sendt|Skickat|Wysłan[eoy]|Lähetetty|Odesláno"
    r"|Отправлено|Diese Nachricht wurde) (?:(?:securely |de manière sécurisée )?"
    r"(?:from|with|via|using|de|depuis|à partir de|avec|desde|do|da|dal|dalla|con|pelo|por|tramite|von|mit|über|aus|vanaf"
    r"|vanuit|met|fra|från|z|za pomocą|с|из|sovelluksesta))? ?"
    r"(?:(?:my|mon|ma|mi|meu|minha|o meu|a minha|mio|mia|meinem|meiner|mijn|min|mit|l['\u2019])\b[^?!,;]{0,40}?"
    rf"(?:{DEVICES})\b.{{0,50}}"
    r"|(?:Mail|Outlook|Yahoo|Samsung|Proton|AOL|BlackBerry|K-9|Gmail|Galaxy|iPhone|iPad|Android|Spark|Microsoft|Windows|GMX"
    r"|WEB\.DE|myMail|Thunderbird|Fairmail|Canary|Huawei|Xiaomi|Nokia)\b.{0,60})"
    r"|Von meinem [^?!,;]{1,40} gesendet\.?"
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
        "sincerely|cdlt|br|com os melhores cumprimentos|melhores cumprimentos|pozdrawiam serdecznie|hilsen|bonne journée|"
        "med vänlig hälsning|sincerely yours|respectfully|yours sincerely|yours faithfully|yours truly|cordialement"
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
"""Words that both close and open mails; they count as a closing only if nothing but a name follows them."""

SHORT = frozenset(("mfg", "lg", "vg", "tak", "best", "yours"))
"""Closings that can also answer a question, such as the name of a manufacturer: they count only above a name."""


def says_something(lines: Sequence[str]) -> bool:
    """Return whether any line above the signature has content: it is not blank, a salutation or a device's line."""
    for line in (line.strip("> \t") for line in lines):
        if line == "--" or is_regards(closing_words(line)):
            return False
        if line and not (SALUTATION.fullmatch(line) or is_device_line(line)):
            return True
    return False


def is_device_line(line: str) -> bool:
    """Return whether a line is one that a device or a mail program adds automatically."""
    return len(line) <= FORMULA_CHARS and DEVICE.fullmatch(line) is not None


def is_regards(words: str) -> bool:
    """Return whether words close a mail, including combinations such as `vielen dank und liebe grüße`."""
    if words in REGARDS or ENGLISH_REGARDS.fullmatch(words):
        return True
    thanks, _, regards = words.replace(" et ", " und ").replace(" y ", " und ").partition(" und ")
    return thanks in THANKS and regards in REGARDS


def closing_words(line: str) -> str:
    """Return a line in the form that the lists of closings use."""
    return line.lower().rstrip(",.! ")
