"""Finds mail addresses in a shadow: plain, quoted, in other scripts, or spelled out as `name (at) domain (dot) com`."""

import re

from shared.text.shadow import MAIL, Span

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Scripts without blanks between words, in which the characters next to an address do not belong to it."""

PUNCTUATION = r".+'\-"
"""The punctuation that is accepted before the `@` of an address, besides word characters. RFC 5322 allows more, such as
`/`, `=` and `&`, but in real mails these separate an address from the text before it:
`https://x.example/u?e=jo@example.com`."""

AT_SIGN = r" ?@ ?"


def _address(word: str, joiners: str, other: str) -> re.Pattern[str]:
    """Return the pattern of an address: RFC 5322, section 3.4.1, without comments, and RFC 6531.

    The quantifiers are possessive, so that no part is read twice. A full stop at the end does not belong to the
    address.

    Args:
        word: A pattern that matches one letter or digit.
        joiners: Characters allowed inside a name, in addition to `PUNCTUATION`.
        other: A character class for scripts without blanks.
    """
    label = rf"(?:{word}++(?:-++{word}++)*+|{other}++(?:-++{other}++)*+)"
    top = rf"(?:(?![\d_]){word}(?:{word}|-(?={word}))++|{other}{{2,3}})"
    domain = rf"(?P<domain>(?:{label}\.)+(?P<top>{top})|\[[0-9A-Fa-f:.]{{2,45}}\])"
    part = rf"(?:{word}|[{joiners}{PUNCTUATION}])"
    name = (
        rf"(?:(?<!{word})(?<![{joiners}{PUNCTUATION}])[{PUNCTUATION}]*+(?P<name>{word}{part}*+)"
        rf'|(?P<quoted>"[^"\n]{{1,64}}")|(?<!\w)(?P<other>{other}{{1,32}}+))'
    )
    return re.compile(rf"{name}{AT_SIGN}{domain}")


ASCII_ADDRESS = _address("[A-Za-z0-9_]", "", "[^\\x00-\\U0010ffff]")
ADDRESS = _address(rf"[^\W{UNSPACED}]", "\u200c\u200d", f"[{UNSPACED}]")  # these two join characters

NO_TOP = frozenset(
    "png jpg jpeg gif svg webp bmp tif tiff ico heic avif css scss less js mjs cjs jsx ts tsx json xml yml yaml toml ini"
    " cfg conf htm html xhtml php asp aspx jsp pdf doc docx xls xlsx ppt pptx odt ods txt csv tsv log sql exe dll msi dmg"
    " apk iso jar war tgz tar gz bz2 rar mp3 mp4 wav ogg avi mkv webm woff woff2 ttf otf eot psd eps rb pyc java kt cpp"
    " service socket timer target mount slice scope lock bak tmp".split()
)
"""File extensions and suffixes of systemd units that are not top-level domains (IANA's list of 2026)."""

VERSION = re.compile(r"v?\d+\.\d+\.\d+-.*")
NO_DOMAIN = re.compile(r"[0-9A-F]{8}\.[0-9A-F]{8}")
CIPHER = re.compile(r"(?:zlib|[a-z0-9]+-[a-z0-9-]+)@(?:openssh\.com|libssh\.org)")
"""Outlook's content ids, such as `image001.png@01DBA1B2.C3D4E5F0` (`NO_DOMAIN`), and names of ciphers (`CIPHER`)."""

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
MIN_CHARS, MAX_CHARS = len(MAIL), 320
"""RFC 5321, section 4.5.3.1, allows 64 octets before the `@` and 255 after it."""


def has_mail_sign(text: str) -> bool:
    """Return whether a text may contain an address; this takes almost no time."""
    if "@" in text or "\uff20" in text or "\ufe6b" in text:
        return True
    return _may_be_spelled(text)


def find_mails(shadow: str) -> list[Span]:
    """Return the addresses in a shadow."""
    spans = _addresses(shadow)
    if _may_be_spelled(shadow):
        spans += [
            (found.start(), found.end(), MAIL)
            for found in SPELLED.finditer(shadow)
            if _is_spelled(found) and not any(found.start() < end and start < found.end() for start, end, _ in spans)
        ]
    return [span for span in spans if span[1] - span[0] >= MIN_CHARS]


def _addresses(text: str) -> list[Span]:
    """Return the addresses of a text; only the surroundings of each `@` are searched."""
    address = ASCII_ADDRESS if text.isascii() else ADDRESS
    spans: list[Span] = []
    done = 0
    at = text.find("@")
    while at >= 0:
        opening = '"' if text[at - 1 : at] == '"' else " "
        following = text.find("@", at + 1)
        end = min(at + MAX_CHARS, len(text) if following < 0 else following)
        found = address.search(text, max(done, text.rfind(opening, done, max(done, at - 1))), end)
        done = at + 1 if found is None else found.end()
        if found is not None and not _is_mention(found, at) and not _is_of_machines(found):
            start = max(found.start("name"), found.start("quoted"), found.start("other"))
            spans.append((start, found.end(), MAIL))
        at = text.find("@", done)
    return spans


def _is_mention(found: re.Match[str], at: int) -> bool:
    """Return whether a match is a mention, as in `ask us @acme.official`, and not an address split by a blank."""
    is_split = found.string[at - 1] == " " and found.string[at + 1] != " "
    return is_split and not COMMON_TOP.fullmatch(found["top"] or "")


def _is_of_machines(found: re.Match[str]) -> bool:
    """Return whether a match is a file name, a version, a cipher or another name that is not a mail address."""
    domain, top = found["domain"], found["top"] or ""
    is_version = VERSION.fullmatch(domain) is not None and not COMMON_TOP.fullmatch(top)
    is_named = NO_DOMAIN.fullmatch(domain) is not None or CIPHER.fullmatch(found[0].strip()) is not None
    return top.lower() in NO_TOP or is_version or is_named


def _may_be_spelled(text: str) -> bool:
    if " dot " in text or " DOT " in text:
        return True
    return ("(" in text or "[" in text or "{" in text) and BRACKETED.search(text) is not None


def _is_spelled(found: re.Match[str]) -> bool:
    """Return whether a match is a spelled-out address: one sign is in brackets, or both are words.

    So `look at example.com` is not an address.
    """
    domain = found["domain"]
    top = re.split(r"[^\w-]+", domain)[-1]
    spelled_dot = re.search(r" dot |[(\[{]", domain, re.IGNORECASE) is not None
    if found["at"].strip()[0] in "([{":
        return top.isalpha() and len(top) > 1
    return spelled_dot and COMMON_TOP.fullmatch(top) is not None
