"""In which encoding a file is written, and where a byte does not fit it."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from shared.errors import Fatal

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
DEFAULT = "utf-8"
ADVICE = "save the file as UTF-8, or give its encoding: --encoding cp1252 for most files written on Windows"
OTHER_ADVICE = "it is written in another encoding"


def encoding_of(path: Path, given: str | None) -> str:
    """Return what a file's byte order mark says, else what was given, else UTF-8.

    Raises:
        Fatal: there is no encoding of the given name.
    """
    with path.open("rb") as opened:
        head = opened.read(64)
    for mark, name in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return name
    if given is None and len(head) > 3 and 0 in (head[0], head[1]):
        name = "utf-16-be" if head[0] == 0 else "utf-16-le"
        raise Fatal(f"{path} looks like UTF-16 without a byte order mark: try --encoding {name}")
    try:
        "".encode(given or DEFAULT)  # refuses codecs that are not encodings of text, too
    except (LookupError, UnicodeError) as error:
        raise Fatal(f"--encoding {given}: {error}; common ones are utf-8, cp1252, latin-1 and utf-16") from error
    return given or DEFAULT


@contextmanager
def opened_text(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a file for reading, with its line ends as they are.

    Raises:
        Fatal: a byte does not fit the encoding; the error names its line and place.
    """
    with path.open(encoding=encoding, newline="") as opened:
        try:
            yield opened
        except UnicodeDecodeError as error:
            raise Fatal(_wrong_byte(path, encoding)) from error
        except UnicodeError as error:  # UTF-16 without a byte order mark, for one
            raise Fatal(
                f"{path} is not {encoding.upper()}: {error}; without a byte order mark it is utf-16-le or utf-16-be"
            ) from error


def _wrong_byte(path: Path, encoding: str) -> str:
    """Find the first wrong byte again: the error of a text file counts from where its buffer began."""
    name = encoding.removesuffix("-sig").upper()
    advice = ADVICE if name == "UTF-8" else OTHER_ADVICE
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            try:
                decoder.decode(line)
            except UnicodeDecodeError as error:
                wrong = f"0x{error.object[error.start]:02X}"
                return f"{path}, line {number}, byte {error.start + 1}: {wrong} is not {name}; {advice}"
    return f"{path}: the last character is cut off in the middle, or the file is not {name}; {advice}"
