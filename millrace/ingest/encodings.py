"""Finding the encoding of a file, and the place of a byte that does not fit it."""

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
OTHER_ADVICE = "the file has another encoding: give it with --encoding"


def encoding_of(path: Path, given: str | None) -> str:
    """Return the encoding that a file's byte order mark shows, else the given one, else UTF-8.

    Raises:
        Fatal: the given encoding does not exist, or the file looks like UTF-16 without a byte order mark.
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
        "".encode(given or DEFAULT)  # also refuses codecs that do not encode text
    except (LookupError, UnicodeError) as error:
        raise Fatal(f"--encoding {given}: {error}; common ones are utf-8, cp1252, latin-1 and utf-16") from error
    return given or DEFAULT


@contextmanager
def opened_text(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a file for reading, without changing its line ends.

    Raises:
        Fatal: a byte does not fit the encoding; the error names its line and its place in the line.
    """
    with path.open(encoding=encoding, newline="") as opened:
        try:
            yield opened
        except UnicodeDecodeError as error:
            raise Fatal(_wrong_byte(path, encoding)) from error
        except UnicodeError as error:  # for example UTF-16 without a byte order mark
            raise Fatal(
                f"{path} is not {encoding.upper()}: {error}; if it is UTF-16 without a byte order mark, give "
                "--encoding utf-16-le or utf-16-be"
            ) from error


def _wrong_byte(path: Path, encoding: str) -> str:
    """Describe the first byte that does not fit.

    The file is read again, because Python's error gives the position in its buffer only.
    """
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
    return f"{path}: the last character is cut off, or the file is not {name}; {advice}"
