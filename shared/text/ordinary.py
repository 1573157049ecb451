"""Numbers that are never phone numbers: dates, amounts, decimals, coordinates, versions, ids, scales.

The patterns are for a lower-case shadow (`shared/text/shadow.py`): case-insensitive matching is several times slower.
Ambiguous numbers, such as ten bare digits, are not decided here.
"""

import re
from itertools import pairwise

from shared.text.shadow import DATE, IPV4

TEL = (
    r"(?:tel|telephone|téléphone|telefon|telefono|telefoon|teléfono|phone|mobile|mobil|mob|cell|handy|portable|móvil|celular|fax"
    r"|call|ring|dial|whatsapp|sms|text)"
)
"""Words that announce a phone number."""

SHAPED = r"\+|00[1-9]|\(?\d{3}[)\-. ]{1,2}\d{3}[-. ]\d{4}(?!\d)|0[1-9](?:[ ./-]\d\d){4}(?!\d)"
"""Shapes that count as a phone number even after `order` or `A-`."""

THINGS = (
    "order|purchase|po|p\\.o\\.|invoice|inv\\.?|receipt|ref\\.?|reference|ticket|case|incident|request|sr|rma|claim|policy|contract|agreement"
    "|reservation|booking|confirmation|payment|transaction|transfer|account|customer|client|member|tracking|track|shipment"
    "|parcel|package|waybill|awb|consignment|delivery|isbn|issn|ean|upc|gtin|sku|asin|item|article|product|model|part|p/n|lot"
    "|batch|serial|s/n|sn|imei|meid|iccid|vin|meter|licen[cs]e|key|code|omb|form|bestellung|bestellnummer|bestell-?nr|auftrag"
    "|auftragsnummer|rechnung|rechnungsnummer|re-?nr|sendung|sendungsnummer|kundennummer|kunden-?nr|artikel|artikelnummer|art\\.?"
    "|seriennummer|vertrag|vertragsnummer|vorgang|zähler|zählernummer|commande|facture|colis|suivi|référence|dossier|contrat"
    "|série|txn|quote|device|session|error|seq|ack|offset|build|length|content-length|bytes|size|views|timestamp|epoch|pid|etag|pedido|factura|envío|referencia|serie|ordine|fattura|spedizione|bestelling|factuur|encomenda"
)
_NUMBER = r"1[03](?=:)|no|nr|num|number|numbers|nummer|numéro|numero|número|id|ids|code|ref|is|was|are|n°|nº|#"
IDENTIFIED = rf"(?<![^\W\d_])(?:{THINGS})s?(?:[ ._-]{{0,2}}(?:{_NUMBER})\b\.?)*[ :#=\"'\[-]{{0,4}}(?:[a-z]{{1,4}}-?)?"
"""A word for a thing that has a number, such as `order`, and the characters allowed between the word and the number."""

_COUNTED = r"(?:\d{4}(?: \d{4}){2,}(?: \d{1,4})?|\d[\d/-]*+(?:,? (?:and|und|et|y|or|&) \d[\d/-]*+)?)(?![a-z]|\.\d)"
CURRENCY = (
    r"(?:[$€£¥₹₽₩₺₫₪₴฿]|(?:usd|eur|gbp|chf|jpy|cny|rmb|inr|idr|krw|vnd|thb|php|cad|aud|nzd|mxn|brl|ars|clp|cop|zar|try|sek|nok"
    r"|dkk|pln|czk|huf|ron|rub|uah|ils|aed|sar|rp\.?|kč|zł|ft|kr|euros?|dollars?|pounds?|yen|won|rupees)\b)"
)
GROUPED = r"\d{1,3}(?:[ .,']\d{3}){0,6}+(?:[.,]\d{1,2})?"
PRICE = rf"{CURRENCY} ?(?:{GROUPED}(?!\d)|\d+(?:[.,]\d{{1,2}})?(?!\d))"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?!\w)"
KEY = rf"(?![\w-]{{0,20}}?(?:{TEL}|number|contact|caller|msisdn))[a-z_][\w-]{{0,30}}"
"""A key before `=`, or in quotation marks before a colon, that does not refer to phones."""

NOT_WITHIN = r"(?<![\w.+])(?<!\d[-/)])(?<!\d[-/)] )(?<!\)[-/])"
"""The text after this position is not a later part of a number."""

UNIT = rf"(?:%|{CURRENCY}|(?:bytes|kb|mb|ms|ns|rows|lines|views|hits|steps|points)\b)"
_NUMBERS = (
    rf"{DATE}|{IPV4}|{NOT_WITHIN}(?:"
    r"\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?!\d)"  # a time
    r"|10\.\d{4,9}/\S+"  # a DOI
    r"|-?(?:0|[1-9]\d*)[.,]\d{4,}(?:e[+-]?\d{1,3})?(?!\d|[.-]\d)|(?:0|[1-9]\d{6,})[.,]\d{1,3}(?!\d|[.-]\d)"  # a decimal
    r"|\d{1,3}(?:\.\d{3})+,\d\d(?!\d)"  # an amount
    rf"|{GROUPED} ?{UNIT}|\d{{1,18}}(?:[.,]\d{{1,2}})? ?{UNIT}"
    r"|97[89][- ]?\d{1,5}[- ]\d{1,7}[- ]\d{1,7}[- ]\d(?!\d)|\d{9}x(?!\w)"  # ISBN
    r"|\d{1,5}-\d{2,7}-\d{1,7}-[\dx](?![-\w])"
    r"|\d{1,3}(?:\.\d{1,3})+\.(?:19|20)\d{6}(?!\d)|\d+(?:\.\d+){1,3}\+\w+"  # a version
    r"|\d{1,3}\.\d{1,3}\.\d{4,5}\.\d{1,4}(?![.\d])"
    r"|1z(?: ?[0-9a-z]){16}(?!\w)"  # a parcel of UPS
    r"|\d{2}-\d{5}-\d{5}(?![-\d])"  # an order of eBay
    r"|(?<!\d )(?:19|20)\d\d[-/]\d{4,8}(?![-/\d])"  # a year and a count
    rf"|{UUID})"
    r"|(?<=\.\d{4}[, ])\d{1,3}\.\d{4,}(?!\d)"
)
_WORDS = (
    rf"{IDENTIFIED}(?!{SHAPED}){_COUNTED}"
    rf"|{NOT_WITHIN}(?:v(?:ersion)? ?\d+(?:\.\d+)+"
    r"|[a-z]{2} ?\d{3} ?\d{3} ?\d{3} ?[a-z]{2}(?!\w)"  # a parcel of the postal union
    rf"|{UUID}"
    rf"|{KEY}=\"?\d{{7,}}(?![-.\d])|(?<=\"){KEY}\" ?: ?\"?\d{{7,}}(?![-.\d])"
    rf"|(?!{TEL}\b)(?![a-z]{{3,16}}\d)(?![a-z]{{2}}(?:{SHAPED}))"
    rf"[a-z][a-z0-9]{{0,15}}[-_/#](?!{SHAPED})\w[\w/-]*+(?:\.\d+)*)"  # an id: ord-2026-004411
    rf"|{PRICE}"
)
_SIGNS = (
    rf"(?<!\d)(?<!\d )#(?!{SHAPED}){_COUNTED}"
    r"|(?<![\w.])[+-]\d{1,3}\.\d{4,}(?!\d)(?=[ ,;]{1,3}[+-]?\d{1,3}\.\d{3,})"  # a latitude, before a longitude
    r"|(?<=\.\d{4}[, ])[+-]\d{1,3}\.\d{4,}(?!\d)"
    r"|(?<![\w.+])-(?:0|[1-9]\d*)[.,]\d{4,}(?!\d|[.-]\d)"
    rf"|{PRICE}"
)
ORDINARY = re.compile(rf"(?=\d)(?:{_NUMBERS})|(?=[^\W\d_])(?:{_WORDS})|(?=[^\w\s])(?:{_SIGNS})")
"""Dates, times, IP addresses, amounts, decimals, ISBNs, versions, parcel numbers and ids, in lower case."""


def ordinary(shadow: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the spans of numbers that are not phone numbers, except scales, in a lower-case shadow."""
    return [found.span() for found in ORDINARY.finditer(shadow, start, end)]


SCALE = re.compile(r"(?<![\d.,/-])\d{1,4}(?:([ /,-]) ?\d{1,4}(?:\1 ?\d{1,4}){3,})(?!\d)")
STEPS = frozenset((1, 2, 5, 10, 20, 25, 50, 100))
"""Differences between neighbouring numbers of a scale, of sizes or of years."""

_DIGITS = re.compile(r"\d+")


def scales(shadow: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the spans of scales, such as `1 2 3 4 5 6 7`: at least five numbers with equal differences."""
    return [found.span() for found in SCALE.finditer(shadow, start, end) if _is_scale(found[0])]


def _is_scale(text: str) -> bool:
    numbers = _DIGITS.findall(text)
    if any(number[0] == "0" and len(number) > 1 for number in numbers):
        return False
    values = [int(number) for number in numbers]
    steps = {after - before for before, after in pairwise(values)}
    return len(steps) == 1 and abs(steps.pop()) in STEPS
