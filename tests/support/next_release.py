"""A next release of this code, whose tickets have one more field: made by the steps of docs/schema-evolution.md.

The release is a folder beside the checkout. Changed packages are copied and edited there; the others are links. A process
that starts in that folder runs the next release, and one that starts in the checkout runs this one.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.sources import ROOT

FIELD = "mood"
"""The new field of a ticket's snapshot; it is stored with the ticket too."""

COPIED = ("schemas", "workers")
LINKED = ("shared", "millrace", "tests", "benchmarks")


@dataclass(frozen=True)
class Edit:
    """One change of one file: each place that it names occurs once there."""

    file: str
    before: str
    after: str

    def apply(self, root: Path) -> None:
        """Change the file below `root`.

        Raises:
            AssertionError: the place is not there once, so the code has changed since the edit was written.
        """
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        assert text.count(self.before) == 1, f"{self.file} has {text.count(self.before)} times: {self.before}"
        path.write_text(text.replace(self.before, self.after), encoding="utf-8")


RAISED = (
    Edit("schemas/base.py", "SCHEMA_VERSION = 1\n", "SCHEMA_VERSION = 2\n"),
    Edit("schemas/base.py", "schema_version: Literal[1] =", "schema_version: Literal[1, 2] ="),
)
"""The next version of events, which a release must accept beside the old one."""

ADDED = (
    Edit(
        "schemas/tickets.py",
        '    priority: Priority = "normal"\n    attributes: dict[AttributeName',
        f'    priority: Priority = "normal"\n    {FIELD}: str | None = None\n    attributes: dict[AttributeName',
    ),
    Edit(
        "schemas/tickets.py",
        "    priority: Priority\n    attributes: dict[str, StoredValue]",
        f"    priority: Priority\n    {FIELD}: str | None = None\n    attributes: dict[str, StoredValue]",
    ),
    Edit("workers/tickets/stages.py", '"resolution", "satisfaction",', f'"resolution", "satisfaction", "{FIELD}",'),
)
"""The new field, in the event and in the stored point."""


def next_release(folder: Path, *, raises_the_version: bool = True) -> Path:
    """Make the next release in an empty folder and return its root.

    Args:
        folder: The folder.
        raises_the_version: False leaves out step 2 of the instructions, which a release must not.
    """
    for package in COPIED:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for package in LINKED:
        (folder / package).symlink_to(ROOT / package)
    for edit in (*RAISED, *ADDED) if raises_the_version else ADDED:
        edit.apply(folder)
    return folder


def accepts_a_new_version(root: Path) -> bool:
    """Return whether the release in `root` accepts a newer version of events than this one."""
    edit = RAISED[-1]
    return edit.after in (root / edit.file).read_text(encoding="utf-8")


def environment(root: Path) -> dict[str, str]:
    """Return the environment of a process that runs the release in `root`; the process must start in that folder too."""
    return os.environ | {"PYTHONPATH": str(root)}
