"""Splits a text into sentences. In case of doubt, two sentences stay together.

A full stop after an abbreviation or before a lower-case word does not end a sentence. The libraries that were evaluated
split `max. 40` and `am 4. Mai` (decision 0013).
"""

import re
from collections.abc import Iterator

END = re.compile(r"[.!?…]+[\"'”’»)\]]*\s+|\n+|[。！？]+")
ABBREVIATIONS = frozenset(
    "no nos nr nrs num art abb fig figs ref refs vol ch chap sec sect p pp par para ed eds cf e.g i.e eg ie etc vs viz al"
    " mr mrs ms dr prof st jr sr capt gen rev hon inc ltd corp co dept est min max avg approx appr ca circa temp tel ext"
    " jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun a.m p.m"
    " bzw d.h z.b u.a o.ä usw evtl ggf inkl exkl zzgl abzgl mind bspw vgl hr fr dipl ing str pos best tägl stk std sek mfg"
    " m mm mlle mme env p.ex c.-à-d cad réf n° tél av bd éd janv févr juil sept"
    " sr sra srta dra ud uds núm pág págs tel p.ej aprox máx mín dto"
    " sig sigg dott ecc pag es"
    " bijv enz nl o.a d.w.z m.b.t blz"
    " bl.a f.eks dvs"
    " np itd itp tzn ul wg".split()
)
"""Words that end in a full stop within a sentence, listed without the full stop: English, German, French, Spanish,
Italian, Dutch, Danish, Polish. Words such as `etc.` may also end a sentence, which is then longer than necessary."""

LOOKED_BACK_CHARS = 80
SHORT_WORD = 4
"""A word of up to this many characters before a full stop and a digit counts as an abbreviation."""

LAST = re.compile(r"([^\W_][^\s(\[]*?|[^\W_])\.+[\"'”’»)\]]*\s*$")
ORDINAL = re.compile(r"(?<![\d.,])\d{1,4}$")
ITEM = re.compile(r"\d{1,2}[.)] +[^\W\d_a-z]")
"""The number of a step in a list."""

GERMAN_MONTHS = frozenset("januar februar märz april mai juni juli august september oktober november dezember".split())


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text, with runs of blanks reduced to one; the end of a line ends a sentence."""
    start = 0
    for found in END.finditer(text):
        if (
            "\n" in found[0]
            or found[0][0] in "。！？"
            or _ends(
                text[max(start, found.end() - LOOKED_BACK_CHARS) : found.end()], text[found.end() : found.end() + 24]
            )
        ):
            yield from _whole(text[start : found.end()])
            start = found.end()
    yield from _whole(text[start:])


def _whole(text: str) -> Iterator[str]:
    folded = " ".join(text.split())
    if folded:
        yield folded


def _ends(before: str, after: str) -> bool:
    """Return whether a sentence ends between two pieces of a line."""
    if after[:1].islower() or after[:1] in "%°,;:/+=<>–-":
        return False
    last = LAST.search(before)
    if last is None:  # the piece ends in ! or ?
        return True
    word = last[1].casefold()
    if word in ABBREVIATIONS or "." in word or before.strip() == f"{word}." or (len(word) == 1 and word.isalpha()):
        return False
    if ORDINAL.fullmatch(word):
        return after[:1].isupper() and after.split(maxsplit=1)[0].casefold().strip(".,") not in GERMAN_MONTHS
    return not after[:1].isdigit() or len(word) > SHORT_WORD or ITEM.match(after) is not None
