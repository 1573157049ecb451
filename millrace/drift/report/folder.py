"""The folder of a report: what may be in it, and how it is written."""

import re
from collections.abc import Sequence
from pathlib import Path

from millrace.bulk.files import PART, reported, write_whole
from millrace.drift.report.page import SubjectPart
from shared.errors import Fatal

PAGE = "report.html"
OWN = re.compile(rf"(report\.html|[0-9]{{2,}}-[0-9]\.png)({re.escape(PART)})?")


def check_folder(folder: Path) -> None:
    """Check that a folder holds nothing but an earlier report.

    Raises:
        Fatal: it does, or it cannot be read.
    """
    with reported(folder):
        if not folder.exists():
            return
        others = sorted(each.name for each in folder.iterdir() if not OWN.fullmatch(each.name))
    if others:
        raise Fatal(
            f"{folder} holds other files, such as {others[0]!r}: choose a new folder, or that of an earlier report"
        )


def write_report(folder: Path, page: str, parts: Sequence[SubjectPart]) -> list[Path]:
    """Write the page and the PNGs, delete those of an earlier report, and return the files.

    Raises:
        Fatal: a file cannot be written.
    """
    contents = {
        f"{number:02}-{at}.png": picture.png
        for number, part in enumerate(parts, 1)
        for at, picture in enumerate(part.pictures, 1)
    }
    contents[PAGE] = page.encode()
    with reported(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for each in folder.iterdir():
            if OWN.fullmatch(each.name) and each.name not in contents:
                each.unlink()
    for name, content in contents.items():
        _write(folder / name, content)
    return [folder / name for name in contents]


def _write(path: Path, content: bytes) -> None:
    write_whole(path, lambda opened: opened.write(content))
