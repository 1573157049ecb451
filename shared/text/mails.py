"""Finding mail addresses in a shadow: plain, quoted, in other scripts, and spelled out as `name (at) domain (dot) com`."""

import re

from shared.text.shadow import MAIL, Span

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Scripts that set no blanks between words, where the neighbours of an address are no part of it."""

PUNCTUATION = r".!#$%&'*+/=?^`{|}~\-"


def _address(word: str, before: str, other: str) -> re.Pattern[str]:
    """Return the pattern of an address: RFC 5322, section 3.4.1, without comments, and RFC 6531.

    Possessive, so that no part is read twice; a full stop at the end is no part of it.

    Args:
        word: What matches one letter or digit.
        before: A class of what may stand in the local part, letters and punctuation.
        other: A class of the letters of scripts without blanks.
    """
    label = rf"(?:{word}++(?:-++{word}++)*+|{other}++(?:-++{other}++)*+)"
    top = rf"(?:(?![\d_]){word}(?:{word}|-(?={word}))++|{other}{{2,3}})"
    domain = rf"(?:(?:{label}\.)+{top}|\[[0-9A-Fa-f:.]{{2,45}}\])"
    name = rf"(?:(?<!{before}){before}++|\"[^\"\n]{{1,64}}\"|(?<!\w){other}{{1,32}}+)"
    return re.compile(rf"{name} ?@ ?{domain}")


ASCII_ADDRESS = _address("[A-Za-z0-9_]", f"[A-Za-z0-9_{PUNCTUATION}]", "[^\\x00-\\U0010ffff]")
ADDRESS = _address(
    rf"[^\W{UNSPACED}]", rf"(?:[^\W{UNSPACED}]|[\u200c\u200d{PUNCTUATION}])", f"[{UNSPACED}]"
)  # \u200c and \u200d join letters

BRACKETED = re.compile(r"[(\[{] ?(?:at|@|dot|\.) ?[)\]}]", re.IGNORECASE)
AT = r"(?: ?[(\[{] ?(?:at|@) ?[)\]}] ?| at |@)"
DOT = r"(?: ?[(\[{] ?(?:dot|\.) ?[)\]}] ?| dot |\.)"
SPELLED = re.compile(
    rf"(?<![\w.+-])(?P<name>[\w.+-]{{1,64}}+)(?P<at>{AT})(?P<domain>[\w-]{{1,63}}+(?:{DOT}[\w-]{{1,63}}+){{1,4}})",
    re.IGNORECASE,
)
COMMON_TOP = re.compile(
    r"(?:com|org|net|edu|gov|info|io|eu|co|uk|us|ca|au|de|at|ch|fr|be|nl|es|it|pt|pl|se|no|dk|fi|in|br)", re.IGNORECASE
)
MIN_CHARS = len(MAIL)


def has_mail_sign(text: str) -> bool:
    """Tell at next to no cost whether a text may hold an address."""
    if "@" in text or "\uff20" in text or "\ufe6b" in text:
        return True
    return _may_be_spelled(text)


def find_mails(shadow: str) -> list[Span]:
    """Return the addresses in a shadow."""
    spans: list[Span] = []
    if "@" in shadow:
        address = ASCII_ADDRESS if shadow.isascii() else ADDRESS
        spans = [(found.start(), found.end(), MAIL) for found in address.finditer(shadow)]
    if _may_be_spelled(shadow):
        spans += [
            (found.start(), found.end(), MAIL)
            for found in SPELLED.finditer(shadow)
            if _is_spelled(found) and not any(found.start() < end and start < found.end() for start, end, _ in spans)
        ]
    return [span for span in spans if span[1] - span[0] >= MIN_CHARS]


def _may_be_spelled(text: str) -> bool:
    if " dot " in text or " DOT " in text:
        return True
    return ("(" in text or "[" in text or "{" in text) and BRACKETED.search(text) is not None


def _is_spelled(found: re.Match[str]) -> bool:
    """Tell an address from `look at example.com`: one of its signs is in brackets, or both are words."""
    domain = found["domain"]
    top = re.split(r"[^\w-]+", domain)[-1]
    spelled_dot = re.search(r" dot |[(\[{]", domain, re.IGNORECASE) is not None
    if found["at"].strip()[0] in "([{":
        return top.isalpha() and len(top) > 1
    return spelled_dot and COMMON_TOP.fullmatch(top) is not None
