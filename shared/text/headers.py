"""The header blocks and marker lines that mail programs write above a quoted or forwarded mail, in many languages.

A header is recognised by its lines, in any order; a customer's own `From: Berlin` and `To: Paris` are not a header.
"""

import re
from collections.abc import Sequence
from typing import Literal

Field = Literal["from", "date", "to", "subject", "other"]

NAMES: dict[Field, str] = {
    "from": "From|Von|De|Da|Van|Fra|Från|Od|Lähettäjä|Feladó|Kimden|De la|Από|От|Від|发件人|寄件者|差出人|보낸 사람",
    "date": "Sent|Sent on|Date|Gesendet|Gesendet am|Datum|Envoyé|Envoyé le|Enviado|Enviado el|Enviado em|Enviada em|Fecha"
    "|Data|Inviato|Data invio|Verzonden|Verzonden op|Verstuurd|Sendt|Dato|Skickat|Wysłano|Wysłane|Odesláno|Lähetetty|Küldve"
    "|Gönderildi|Tarih|Отправлено|Дата|Trimis|Στάλθηκε|Надіслано|发送时间|日期|寄件日期|送信日時|日付|보낸 날짜",
    "to": "To|An|À|A|Pour|Para|Către|Προς|Aan|Til|Till|Do|Komu|Pro|Vastaanottaja|Címzett|Kime|Кому"
    "|收件人|收件者|宛先|받는 사람",
    "subject": "Subject|Betreff|Objet|Sujet|Subiect|Θέμα|Asunto|Assunto|Oggetto|Onderwerp|Emne|Ämne|Temat|Předmět|Aihe"
    "|Tárgy|Konu|Тема|主题|主旨|件名|제목",
    "other": "Cc|Bcc|Kopie|Kopie an|Copie à|CC à|Kopia|Kopi|Copia|Kopia do|DW|UDW|Kopio|Másolatot kap|Bilgi|Копия|抄送|副本"
    "|Reply-To|Antwort an|Répondre à|Responder a|Responder para|Rispondi a|Antwoord aan|Sender|Organization"
    "|Importance|Wichtigkeit|Priority|Priorität|Attachments|Anlagen|Pièces jointes|Message-ID|Signed by|Mailed by",
}
_FIELD_OF: dict[str, Field] = {name.casefold(): field for field, names in NAMES.items() for name in names.split("|")}
_EVERY_NAME = "|".join(sorted((re.escape(name) for name in _FIELD_OF), key=len, reverse=True))

LINE = re.compile(rf" {{0,4}}[*_]{{0,2}}({_EVERY_NAME})[*_]{{0,2}} ?[:\uff1a][*_]{{0,2}}(?!//)(.*)", re.IGNORECASE)
HOLDS_ADDRESS = re.compile(r"[<(\[](?:mailto:)?(?:\[mail\]|\S+@)|[:\uff1a][*_ ]*(?:\[mail\]|\S+@\S+)\s*$")
"""A mail address as mail programs write it: in brackets after a name, or alone."""

OF_MAIL = re.compile(
    r" {0,4}[*_]{0,2}(?:(?:cc|bcc|sent|gesendet|envoyé|enviad[oa]|inviato|verzonden|verstuurd|sendt|skickat|wysłan[oe]"
    r"|odesláno|lähetetty|küldve|gönderildi|отправлено|надіслано|trimis|στάλθηκε|发送时间|送信日時)\b"
    r"|(?:date|datum|data|fecha|dato|tarih|дата|日期|日付)[*_]{0,2} ?[:\uff1a].*(?:19|20)\d\d"
    r"|(?:subject|betreff|objet|sujet|asunto|assunto|oggetto|onderwerp|emne|ämne|temat|aihe)[*_]{0,2} ?[:\uff1a][*_ ]*"
    r"(?:re|aw|sv|antw|odp|r|rv|res|vs|ynt) ?:)",
    re.IGNORECASE,
)
"""A line that occurs only in mail headers, not beside a customer's own `From: Berlin` and `Subject: two tickets`; a
date needs its year."""

HEADER_LINES = 24
"""The maximum number of lines of a header, including a long list of recipients."""

MARKER_CHARS = 120
RULES = ("-", "_", "=", "*", "#")
"""Characters that separator lines are made of."""

FORWARD_PREFIX = re.compile(
    r"\s*(?:\[[^\]]{1,30}\]\s*)?(?:fwd?|wg|tr|rv|i|enc|doorst|vs|vb|pd|i̇lt|转发|轉寄|転送) ?[:\uff1a]", re.IGNORECASE
)
"""The prefix that mail programs put before the subject of a forwarded mail."""

_FORWARDED = (
    r"(?:forward(?:ed|ing)|weitergeleitet\w*|transf[ée]r[ée]\w*|réexpédi\w+|reenviad\w+|inoltrat\w+|doorgestuurd\w*"
    r"|(?:re)?encaminhad\w+|videresendt\w*|vidarebefordra\w+|przekaz\w+|přeposlan\w+|välitetty|továbbított|iletilen"
    r"|пересылаем\w+|переслан\w*|转发|轉寄|転送)"
)
FORWARD_MARKER = re.compile(
    rf"[-_=*]{{2,}}.{{0,40}}(?<![^\W_]){_FORWARDED}.{{0,100}}|.{{0,40}}(?<![^\W_]){_FORWARDED}.{{0,40}}[:\uff1a]",
    re.IGNORECASE,
)
"""A line above a forwarded mail: its sender wants the reader to see the mail below it."""

ORIGINAL_MARKER = re.compile(
    r"[-_=*]{2,} ?(?:original[ -](?:message|nachricht|mail|e-mail|meddelelse|appointment)|originalnachricht"
    r"|ursprüngliche (?:nachricht|mail|e-mail)|message (?:d'origine|d\u2019origine|original|initial)|mensaje original"
    r"|mensagem original|messaggio originale|oorspronkelijk bericht|origineel bericht|oprindelig meddelelse"
    r"|opprinnelig melding|ursprungligt meddelande|originalmeddelande|wiadomość oryginalna|oryginalna wiadomość"
    r"|původní zpráva|alkuperäinen viesti|eredeti üzenet|özgün ileti|orijinal mesaj|исходное сообщение"
    r"|原始邮件|原始郵件|元のメッセージ) ?[-_=*]{2,}"
    r"|[-#=_* ]*(?:please )?(?:type your reply|reply|respond|antworten? .{0,20}|bitte antworten sie)"
    r" (?:above|oberhalb|über) (?:this|the|dieser|diese|der) (?:line|linie|zeile).{0,20}",
    re.IGNORECASE,
)
"""A line above the mail that is answered, or the line with which help desks mark the end of a reply."""


def header_field_of(line: str) -> Field | None:
    """Return the header field of a line; None if it is not a header line."""
    found = LINE.match(line) if ":" in line or "\uff1a" in line else None
    return _FIELD_OF[found[1].casefold()] if found else None


def header_end(lines: Sequence[str], start: int) -> int | None:
    """Return the first line after the header of a quoted mail that begins at a line; None if no header begins there.

    A header names a sender and two of date, recipient and subject, each once. It also contains a mail address, or a
    subject and a line that occurs only in mail headers. Its lines may wrap after a comma or a semicolon, and a single
    blank line may separate two of them.
    """
    if header_field_of(lines[start]) is None:
        return None
    fields: set[Field] = set()
    at = end = start
    while at < min(len(lines), start + HEADER_LINES):
        field = header_field_of(lines[at])
        if field is not None and (field not in fields or field == "other"):
            fields.add(field)
        elif field is not None or (
            not _continues(lines, at)
            and not (lines[at].strip() == "" and header_field_of("".join(lines[at + 1 : at + 2])))
        ):
            break
        at += 1
        end = at
    header = lines[start:end]
    named = any(map(HOLDS_ADDRESS.search, header)) or ("subject" in fields and any(map(OF_MAIL.match, header)))
    complete = "from" in fields and len(fields & {"date", "to", "subject"}) > 1
    return end if named and complete else None


def _continues(lines: Sequence[str], at: int) -> bool:
    """Return whether a line continues the list of recipients of the line above it."""
    return bool(lines[at].strip()) and (
        lines[at - 1].rstrip().endswith((",", ";")) or lines[at].startswith(("<", "[mail]"))
    )


def is_forwarded_header(lines: Sequence[str]) -> bool:
    """Return whether the subject of a header marks a forwarded mail."""
    return any(
        found is not None and _FIELD_OF[found[1].casefold()] == "subject" and FORWARD_PREFIX.match(found[2])
        for found in map(LINE.match, lines)
    )


def is_forward_marker(line: str) -> bool:
    """Return whether a line announces a forwarded mail."""
    line = line.strip()
    framed = line.startswith(RULES) or line.endswith((":", "\uff1a"))
    return framed and len(line) <= MARKER_CHARS and FORWARD_MARKER.fullmatch(line) is not None


def is_original_marker(line: str) -> bool:
    """Return whether a line announces the mail that is answered."""
    line = line.strip()
    framed = line.startswith(RULES) or any(word in line.lower() for word in ("line", "linie", "zeile"))
    return framed and len(line) <= MARKER_CHARS and ORIGINAL_MARKER.fullmatch(line) is not None
