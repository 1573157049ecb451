"""The language that a text is written in, or None rather than a guess.

The model is that of py3langid: naive Bayes over byte n-grams, 139 languages, and a class for texts without a language
(Lui & Baldwin 2012, https://aclanthology.org/P12-3005). `docs/languages.md` has the rates, and why this library.
"""

import re
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from shared.errors import Fatal

LEAST_CONFIDENCE = 0.25
"""The probability below which no language is reported. The library scales it by the length of the text, so that two
words rarely reach it."""

READ_CHARS = 500
"""The number of characters that are read, after lines of code are left out. More cost time and change nothing."""

SEARCHED_CHARS = 2_000
"""The number of characters among which those are found."""

NOT_PROSE = re.compile(
    r"\[(?:mail|phone|iban|card)\]|https?://\S+|www\.\S+"
    r"|^Traceback \(most recent call last\):|^(?:\w+\.)*[A-Z]\w+(?:Error|Exception)\b.*$",
    re.MULTILINE,
)
"""Masks, addresses of pages, and the lines of a stack trace that consist of English words."""

CODE = re.compile(r"[\d/\\_=<>{}\[\]$#@|;]|\w[.(:]\w|[a-z][A-Z]")
"""Found in a token of a programming language or a log, and rarely in a word of a sentence."""

CODE_SHARE = 0.45
"""A line of several is left out if at least this share of its characters is in such tokens."""

NO_LANGUAGE = "zxx"
ONE_LANGUAGE = {"nb": "no", "nn": "no", "pcm": "en"}
"""Subtags that are reported as another: the two written forms of Norwegian, and Nigerian Pidgin, because the model takes
some English questions for it."""


def detect_language(text: str) -> str | None:
    """Return the primary BCP 47 subtag of the language of a prepared text, such as `fr`; None if it is uncertain.

    It is uncertain for texts of a few words, for numbers, and for code. The answer depends on the text alone. Threads
    may call this at the same time.

    Raises:
        Fatal: the model cannot be read.
    """
    prose = NOT_PROSE.sub(" ", text[:SEARCHED_CHARS])
    if "\n" in prose:
        prose = "\n".join(line for line in prose.split("\n") if not _is_code(line))
    found: str
    found, confidence = _identifier().classify(prose[:READ_CHARS])
    if confidence < LEAST_CONFIDENCE or found == NO_LANGUAGE:
        return None
    return ONE_LANGUAGE.get(found, found)


def known_language(detected: str | None, hint: str | None) -> str | None:
    """Return the language that counts: the detected one, else that of the source's hint, a BCP 47 tag such as `fr-CA`.

    The hint loses, because systems often send the language of the account or of the form in place of the text's.
    """
    if detected is not None or hint is None:
        return detected
    primary = hint.partition("-")[0].lower()
    return ONE_LANGUAGE.get(primary, primary)


def differ(one: str | None, other: str | None) -> bool:
    """Return whether two languages are known and differ."""
    return one is not None and other is not None and one != other


def _is_code(line: str) -> bool:
    tokens = line.split()
    characters = sum(map(len, tokens))
    return characters > 0 and sum(len(each) for each in tokens if CODE.search(each)) >= CODE_SHARE * characters


@cache
def _identifier() -> LanguageIdentifier:
    """Return the model, which is read once per process and never changed: 80 MB, about half a second."""
    try:
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    except OSError as error:
        raise Fatal(
            f"the model that detects languages cannot be read: {error}. Reading it needs 70 MB of free space in the "
            "folder for temporary files; TMPDIR names another folder"
        ) from error
