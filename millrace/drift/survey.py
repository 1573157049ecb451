"""What a reference is, for people and programs: one line, all facts, or a table of its centroids."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.drift.baseline import Baseline
from shared.drift.reference import Reference
from shared.drift.reference_files import SUFFIX, load_reference
from shared.drift.slots import slot_name
from shared.errors import Fatal

PIPED_COLUMNS = 140


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a folder of references.

    Attributes:
        file: The file.
        reference: Its reference; None if it cannot be read.
        fault: Why not; empty if it can.
    """

    file: Path
    reference: Reference | None
    fault: str = ""

    def line(self) -> str:
        """Return one line of text."""
        if self.reference is None:
            return f"{plain(str(self.file))}: cannot be used: {self.fault}"
        return line_of(self.reference, self.file)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, without its centroids."""
        if self.reference is None:
            return {"file": plain(str(self.file)), "fault": self.fault}
        facts = facts_of(self.reference)
        return {"file": plain(str(self.file)), **facts, "centroids": len(facts["centroids"])}


def survey(folder: Path) -> list[Listed]:
    """Return the references of a folder, by name.

    Raises:
        Fatal: the folder cannot be read.
    """
    found = []
    for path in _files(folder):
        try:
            found.append(Listed(path, load_reference(path)))
        except Fatal as error:
            found.append(Listed(path, None, str(error)))
    return found


def find_reference(which: str, folder: Path) -> Reference:
    """Return the reference in a file, or that of a subject in a folder.

    Raises:
        Fatal: there is no such reference, or several fit, or its file cannot be used.
    """
    path = Path(which)
    if path.suffix == SUFFIX or path.is_file():
        return load_reference(path)
    every = survey(folder)
    fitting = [
        (each.reference, each.file) for each in every if each.reference is not None and _fits(each.reference, which)
    ]
    if len(fitting) == 1:
        return fitting[0][0]
    if not fitting:
        damaged = ", ".join(plain(str(each.file)) for each in every if each.reference is None)
        also = f"; it may be one that cannot be used: {damaged}" if damaged else ""
        raise Fatal(f"{folder} has no reference of {which}; `millrace drift reference list` lists what it has{also}")
    names = ", ".join(f"{plain(str(reference.subject))} in {plain(str(file))}" for reference, file in fitting)
    raise Fatal(f"{which} fits {len(fitting)} references: {names}; give more of the name, or a file")


def line_of(reference: Reference, file: Path) -> str:
    """Return a reference in one line."""
    items, slots = items_of(reference.baselines[0]), len(reference.baselines) - 1
    period = f"{reference.first_at:%Y-%m-%d %H:%M} to {reference.last_at:%Y-%m-%d %H:%M}"
    return (
        f"{plain(str(file))}: {plain(str(reference.subject))}, id {reference.reference_id}, {items} compared items, "
        f"{period}, {len(reference.names)} centroids, {slots} times of the week of their own"
    )


def facts_of(reference: Reference) -> dict[str, Any]:
    """Return a reference as JSON values."""
    whole = reference.baselines[0]
    shares = centroid_shares(whole)
    return {
        **reference.subject._asdict(),
        "reference": reference.reference_id,
        "made_at": reference.made_at.isoformat(),
        "first_at": reference.first_at.isoformat(),
        "last_at": reference.last_at.isoformat(),
        "compared_items": items_of(whole),
        "head": reference.head,
        "policy": reference.policy,
        "outlier_below": reference.outlier_below,
        "slots": [each.slot for each in reference.baselines[1:]],
        "centroids": [
            {"name": name, "share": share, "far_below": float(far)}
            for name, share, far in zip(reference.names, shares, reference.far_below, strict=True)
        ],
        "shares": {name: class_shares(whole, name) for name in whole.classes},
    }


def print_reference(reference: Reference) -> None:
    """Print a reference on standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPED_COLUMNS)
    facts = facts_of(reference)
    console.print(f"[bold]{escape(plain(str(reference.subject)))}[/bold], id {reference.reference_id}")
    period = f"{reference.first_at:%Y-%m-%d %H:%M} to {reference.last_at:%Y-%m-%d %H:%M} UTC"
    console.print(f"  {facts['compared_items']} items that windows are compared with; all items: {period}")
    console.print(f"  built at {reference.made_at:%Y-%m-%d %H:%M} UTC, head {reference.head or 'none'}")
    console.print(
        f"  an item is an outlier if its cosine similarity to each centroid is below {reference.outlier_below:.3f}"
    )
    hours = ", ".join(slot_name(slot) for slot in facts["slots"]) or "no time of the week has enough items"
    console.print(f"  times of the week (UTC) with a baseline of their own: {hours}", soft_wrap=True)
    for name, shares in facts["shares"].items():
        listed = ", ".join(f"{plain(each)} {share:.1%}" for each, share in shares.items())
        console.print(f"  {name}: {escape(listed) or 'no class has enough items'}", soft_wrap=True)
    table = Table("centroid", "share", "far below")
    for each in sorted(facts["centroids"], key=lambda found: -found["share"]):
        table.add_row(escape(plain(each["name"])), f"{each['share']:.1%}", f"{each['far_below']:.3f}")
    console.print(table)


def items_of(baseline: Baseline) -> int:
    """Return the number of items of a baseline."""
    return int(baseline.totals.vectors)


def centroid_shares(baseline: Baseline) -> list[float]:
    """Return the share of the items that are nearest to each centroid."""
    total = max(items_of(baseline), 1)
    return [float(count) / total for count in baseline.totals.counts["centroids"]]


def class_shares(baseline: Baseline, family: str) -> dict[str, float]:
    """Return the share of each class of a family, the largest first; rare classes are left out."""
    total = max(items_of(baseline), 1)
    counts = baseline.totals.counts[family].tolist()
    found = {name: count / total for name, count in zip(baseline.classes[family], counts, strict=False)}
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def plain(text: str) -> str:
    """Return a text in one line that a terminal shows as it is: whatever is not printable becomes a blank."""
    return "".join(char if char.isprintable() else " " for char in text)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.suffix == SUFFIX)
    except FileNotFoundError as error:
        raise Fatal(
            f"there is no folder {folder}: build a reference with `millrace drift reference build`, or set "
            "MILLRACE_DRIFT__REFERENCES"
        ) from error
    except OSError as error:
        raise Fatal(f"{folder} cannot be read: {error.strerror or error}") from error


def _fits(reference: Reference, which: str) -> bool:
    name = str(reference.subject)
    return name == which or name.startswith(f"{which}|")
