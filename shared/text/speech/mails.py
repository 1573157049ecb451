"""Finds mail addresses that are said: `jo dot smith at example dot com`, `jean tiret dupont chez orange point fr`."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.text.mails import NO_TOP
from shared.text.speech.cues import has_mail_cue
from shared.text.speech.groups import is_number
from shared.text.speech.tokens import ASIDE, Kind, Token, is_hesitation
from shared.text.speech.words import (
    ARTICLES,
    AT_WORDS,
    CONNECTORS,
    DOTS,
    FUNCTION_WORDS,
    HESITATIONS,
    JOINTS,
    NOT_LOCAL,
    NOT_OWNED,
    OWNED_TLDS,
    OWNERS,
    PROVIDERS,
    ROLES,
    STOP,
    SURE_TLDS,
    TLDS,
    UNLIKELY_TLDS,
)

NAME_TOKENS, LABEL_TOKENS, DOMAIN_LABELS = 60, 30, 4
SIGNS = AT_WORDS - {"at"}
"""Words for the sign of an address that are nothing else."""

SAID_CONNECTORS = frozenset(text for text in CONNECTORS if text.isalpha())
DIGIT_NAMES = frozenset(
    (*before, name) for name in ("number", "digit", "numéro", "chiffre", "nombre") for before in ((), ("the",), ("le",))
)
THEN = frozenset(("then", "puis", "ensuite"))
SPELLED_AFTER = 6
"""The number of tokens before a spelled name among which the name as a word is looked for."""

SPELLERS = frozenset(
    "that's so it's is spelled spelt with which c' c'est est s' écrit ça je répète épelle soit".split()
)
"""Words between a name and its spelling."""

NAME_WORDS, LABEL_WORDS = 3, 3
"""The number of words in a row that may be one part of a name or of a domain, as in `my company dot com`."""


@dataclass(frozen=True, slots=True)
class Name:
    """The part of an address before the sign: its first token, and whether it cannot be part of a sentence."""

    first: int
    is_certain: bool


@dataclass(frozen=True, slots=True)
class Domain:
    """The part of an address after the sign.

    Attributes:
        last: Its last token.
        words: The words of its first label.
        is_spelled: Whether a dot is said as a word.
        top: The end of the domain; empty if only the name of a provider is said.
    """

    last: int
    words: tuple[str, ...]
    is_spelled: bool
    top: str


def find_mails(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """Return the first and last token of each address of a channel."""
    found: list[tuple[int, int]] = []
    for at, token in enumerate(tokens):
        width = _sign(tokens, at)
        if not width or (found and at <= found[-1][1]):
            continue
        domain = _domain(tokens, at + width)
        name = _name(tokens, at, found[-1][1] + 1 if found else 0) if domain else None
        if domain and name and _is_address(tokens, token, name, domain):
            found.append((_with_article(tokens, name.first, domain.last, found), domain.last))
    return found


def _with_article(tokens: Sequence[Token], first: int, last: int, found: Sequence[tuple[int, int]]) -> int:
    """Return the first token of an address, an article included if a remark follows: `the door at ..., all one word`."""
    is_article = first > 0 and tokens[first - 1].text in ARTICLES and not (found and found[-1][1] >= first - 1)
    is_remarked = any(token.value == ASIDE for token in tokens[last + 1 : last + 3])
    return first - 1 if is_article and is_remarked else first


def _sign(tokens: Sequence[Token], at: int) -> int:
    """Return how many tokens say the sign of an address at a position; 0 if none does."""
    text = tokens[at].text
    after = tokens[at + 1].text if at + 1 < len(tokens) else ""
    if (text, after) in (("at", "sign"), ("a", "commercial"), ("à", "commercial"), ("à", "robase"), ("a", "robase")):
        return 2
    return int(text in AT_WORDS or (text in ("chez", "à", "a") and after in ("arobase",)) or text == "chez")


def _is_address(tokens: Sequence[Token], sign: Token, name: Name, domain: Domain) -> bool:
    if sign.text in SIGNS:
        return bool(domain.top) or domain.words[0] in PROVIDERS
    if _is_page(tokens, domain):
        return False
    is_sure = name.is_certain or tokens[name.first].text in ROLES or has_mail_cue(tokens, name.first, domain.last)
    owner, *owned = domain.words
    is_owned = owner in OWNERS and bool(owned) and owned[0] not in NOT_OWNED and domain.top in OWNED_TLDS
    if domain.top not in TLDS and domain.top and not (is_sure and _says_dot(tokens, domain)):
        return False
    if sign.text == "chez" and (not is_sure or not domain.top or (domain.words[0] in FUNCTION_WORDS and not is_owned)):
        return False
    if not is_sure and domain.words[0] in FUNCTION_WORDS and not is_owned:
        return False
    is_unlikely = domain.top in UNLIKELY_TLDS and domain.is_spelled and sign.text in ("at", "chez")
    if is_unlikely and not _says_dot(tokens, domain):
        return False
    if not domain.top or not domain.is_spelled:
        return is_sure or (domain.words[0] in PROVIDERS and bool(domain.top))
    return True


def _is_page(tokens: Sequence[Token], domain: Domain) -> bool:
    """Return whether a domain is that of a page: `www` is said before it, or `slash` after it."""
    after = tokens[domain.last + 1].text if domain.last + 1 < len(tokens) else ""
    return after in ("slash", "/") or domain.words[:1] == ("www",)


def _says_dot(tokens: Sequence[Token], domain: Domain) -> bool:
    """Return whether `dot` is said, or a dot is written within a word, before the end of a domain: `my-shop.paris`."""
    if any(token.text == "dot" for token in tokens[domain.last - 3 : domain.last]):
        return True
    return tokens[domain.last - 1].text == "." and tokens[domain.last].glued and domain.top not in NO_TOP


def _is_dot(tokens: Sequence[Token], at: int) -> bool:
    token = tokens[at]
    if token.text == ".":
        after = tokens[at + 1] if at + 1 < len(tokens) else token
        return token.glued and (after.glued or after.text in SURE_TLDS) and after is not token
    return token.text in DOTS


def _domain(tokens: Sequence[Token], at: int) -> Domain | None:
    """Return the domain that begins at a token; None without one."""
    words, dot = _label(tokens, at)
    if not words:
        return None
    found, is_spelled = None, False
    for _ in range(DOMAIN_LABELS):
        if dot is None:
            break
        is_spelled = is_spelled or tokens[dot].text != "."
        top, last = _top(tokens, dot + 1)
        if top:
            found = Domain(last, words, is_spelled, top)
            dot = _dot_after(tokens, last + 1)
        else:
            _, dot = _label(tokens, dot + 1)
    if found is None and words[0] in PROVIDERS:
        return Domain(_skipped(tokens, at), words[:1], True, "")
    return found


def _label(tokens: Sequence[Token], at: int) -> tuple[tuple[str, ...], int | None]:
    """Return the words of a label of a domain, and the index of the dot after it; None if no dot follows."""
    words: list[str] = []
    in_row = 0
    for index in range(at, min(len(tokens), at + LABEL_TOKENS)):
        token = tokens[index]
        if _is_dot(tokens, index):
            return tuple(words), index
        if token.text in ("?", "!") or not (_is_piece(token) or _is_slight(token)):
            break
        if is_hesitation(token):
            continue
        if token.kind is Kind.HYPHEN or token.text in CONNECTORS:
            in_row = 0
            continue
        in_row += token.kind in (Kind.WORD, Kind.FILLER)
        if in_row > LABEL_WORDS:
            break
        words.append(token.text)
    return tuple(words), None


def _top(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    """Return the end of a domain and its last token; an empty text without one. It may be spelled, as `c o m`."""
    spelled, found = "", ("", -1)
    for index in range(at, min(len(tokens), at + LABEL_TOKENS)):
        token = tokens[index]
        if is_hesitation(token) or token.kind is Kind.HYPHEN:
            continue
        if not spelled and token.text in TLDS:
            return token.text, index
        if len(token.text) > 1 or not token.text.isalpha():
            is_word = token.kind is Kind.WORD and not spelled and token.text not in STOP | FUNCTION_WORDS
            return (token.text, index) if is_word else found
        spelled += token.text
        if spelled in TLDS:
            found = spelled, index
    return found


def _dot_after(tokens: Sequence[Token], at: int) -> int | None:
    for index in range(at, min(len(tokens), at + 3)):
        if _is_dot(tokens, index):
            return index
        if tokens[index].text not in (",", ".") and tokens[index].text not in HESITATIONS:
            break
    return None


def _skipped(tokens: Sequence[Token], at: int) -> int:
    return next(index for index in range(at, len(tokens)) if not _is_slight(tokens[index]))


def _is_slight(token: Token) -> bool:
    return is_hesitation(token) or token.kind is Kind.HYPHEN or token.text in CONNECTORS


def _is_piece(token: Token) -> bool:
    return token.kind in (Kind.WORD, Kind.LETTER, Kind.FILLER) or is_number(token)


def _name(tokens: Sequence[Token], at: int, least: int) -> Name | None:
    """Return the name before a sign, read backwards; None without one."""
    first, words = -1, 0
    is_certain = connector = paused = is_aside = False
    for index in range(at - 1, max(least, at - 1 - NAME_TOKENS) - 1, -1):
        token = tokens[index]
        if (
            token.value == ASIDE
            or _is_then(tokens, index)
            or (index < first <= index + 2 and _introduces(tokens, index, first))
        ):
            is_aside, paused = True, False
            continue
        if _connects(tokens, index):
            connector = True
            continue
        if token.text.endswith("'") and first == index + 1:  # `d'artagnan`
            first = index
            continue
        if is_hesitation(token) and (token.text not in ("?", "!", ".", ":", ";") or _is_stop_inside(tokens, index, at)):
            paused = not is_aside
            continue
        is_soft = _is_soft(token)
        if not (is_soft or token.kind in (Kind.WORD, Kind.FILLER)):
            break
        is_joined = is_soft or (index > 0 and _connects(tokens, index - 1))
        if first < 0:
            if token.text in NOT_LOCAL and not is_joined and tokens[at].text not in SIGNS:
                break
        elif not connector and (
            _ends_name(token, tokens[first], is_joined) or (not is_joined and (paused or words >= NAME_WORDS))
        ):
            break
        is_certain = is_certain or is_soft or (connector and first >= 0)
        first, connector, paused, is_aside = index, False, False, False
        if tokens[at].text == "@" and tokens[at].glued and not _connects(tokens, index - 1):
            break
        words = words + (not is_soft)
    return Name(_respelled(tokens, first, least), is_certain) if first >= 0 else None


def _is_stop_inside(tokens: Sequence[Token], at: int, sign: int) -> bool:
    """Return whether a full stop is within an address, as in `Jo. Dot. Smith. At. Example.` or `J. Smith at ...`."""
    if tokens[at].text != ".":
        return False
    if at + 1 == sign:
        return tokens[sign].text in SIGNS or tokens[min(sign + 1, len(tokens) - 1)].text == "."
    before, after = tokens[max(0, at - 1)], tokens[at + 1]
    return before.text in SAID_CONNECTORS or after.text in SAID_CONNECTORS or before.kind is Kind.LETTER


def _is_then(tokens: Sequence[Token], at: int) -> bool:
    """Return whether a word joins a single character to the next part of a name, as in `j, then smith at`."""
    before = next((each for each in tokens[max(0, at - 2) : at][::-1] if each.text != ","), tokens[at])
    return tokens[at].text in THEN and before.kind is Kind.LETTER


def _introduces(tokens: Sequence[Token], at: int, first: int) -> bool:
    """Return whether a word says that the first token of a name is a digit, as in `jo the number two at`."""
    words = tuple(token.text for token in tokens[at:first])
    return is_number(tokens[first]) and words in DIGIT_NAMES


def _respelled(tokens: Sequence[Token], first: int, least: int) -> int:
    """Return the first token of a name that is said and then spelled, as in `jo, that's j, o, dot smith`."""
    spelled = ""
    for token in tokens[first : first + NAME_TOKENS]:
        if token.kind is Kind.LETTER or (len(token.text) == 1 and token.text.isalpha()):  # `o` is also a zero
            spelled += token.value if token.kind is Kind.LETTER else token.text
        elif not _is_slight(token):
            break
    for index in range(first - 1, max(least, first - SPELLED_AFTER) - 1, -1):
        token = tokens[index]
        if len(spelled) > 1 and token.text == spelled:
            return _first_names(tokens, index, least)
        if token.kind not in (Kind.PAUSE, Kind.HYPHEN) and token.text not in SPELLERS:
            break
    return first


def _first_names(tokens: Sequence[Token], at: int, least: int) -> int:
    """Return the first token of a name whose last word is spelled, as in `jo smith, s, m, i, t, h, at`."""
    for index in range(at - 1, max(least, at - NAME_WORDS) - 1, -1):
        if tokens[index].kind is not Kind.WORD or tokens[index].text in STOP:
            return index + 1
    return max(least, at - NAME_WORDS + 1)


def _ends_name(token: Token, after: Token, is_joined: bool) -> bool:
    """Return whether a word is not part of a name, as `my` before `jo`; `a` is part of one before another character."""
    if token.text in STOP_LETTERS:
        return after.kind is not Kind.LETTER
    return not is_joined and token.text.removesuffix("'s") in STOP


def _is_soft(token: Token) -> bool:
    """Return whether a token joins a name without `dot` or the like: a single character or a number."""
    return token.kind in (Kind.LETTER, Kind.TIMES) or is_number(token)


STOP_LETTERS = frozenset(("à", "a", "y"))
"""Single characters that are words, before a name."""


def _connects(tokens: Sequence[Token], at: int) -> bool:
    """Return whether a token joins two parts of a name: `dot`, `underscore`, `tiret du bas`."""
    token = tokens[at]
    if token.text in (".", "'"):
        return token.glued and at + 1 < len(tokens) and tokens[at + 1].glued
    before = [each.text for each in tokens[max(0, at - 2) : at]]
    if token.text in JOINTS and 0 < at < len(tokens) - 1:
        return is_number(tokens[at - 1]) and is_number(tokens[at + 1])
    if token.text in ("bas", "8", "6", "huit", "six") and "tiret" in before:
        return before[-1] in ("tiret", "du")
    if token.text == "du":
        return before[-1:] == ["tiret"]
    return token.text in CONNECTORS or token.kind is Kind.HYPHEN
