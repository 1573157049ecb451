"""What a comparison found: as JSON, and as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.peers.figures import Spread, ratios

Rounds = Mapping[str, Sequence[float]]
"""The values of each figure, one of each round."""

RATE = "tickets_per_s"
COLUMNS = {
    RATE: ("tickets/s", ".1f"),
    "age_p50_ms": ("age p50, ms", ".0f"),
    "age_p95_ms": ("age p95, ms", ".0f"),
    "age_p99_ms": ("age p99, ms", ".0f"),
    "peak_mib": ("peak MiB", ".0f"),
    "cpu_s_per_1000": ("CPU s/1,000", ".1f"),
    "start_s": ("start, s", ".1f"),
}
"""By figure, the title of its column and how a value is written."""


@dataclass(slots=True)
class Row:
    """A contender's figures.

    Attributes:
        title: What it is called.
        is_peer: Whether it is not Millrace.
        bare: The bare encoder that it is compared with; empty if none was measured.
        figures: The values of each figure, by round.
        agreement: The least share of labels that were the same as the first contender's.
    """

    title: str
    is_peer: bool
    bare: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    agreement: float = 1.0

    def add(self, measured: Mapping[str, float], agreement: float) -> None:
        """Add a round."""
        for name, value in measured.items():
            self.figures.setdefault(name, []).append(value)
        self.agreement = min(self.agreement, agreement)


@dataclass(slots=True)
class Findings:
    """Everything that a comparison found.

    Attributes:
        about: The machine, the versions, the arguments and how long it took.
        rows: By contender.
        bare: The texts per second of the bare encoders, by round.
    """

    about: dict[str, Any]
    rows: dict[str, Row]
    bare: dict[str, list[float]]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, for JSON, with the ratios of the rates by round."""
        bases = {"first": next(iter(self.rows)), "best peer": self.best_peer()}
        to = {f"{what}, {name}": self.ratios_to(name) for what, name in bases.items() if name is not None}
        return asdict(self) | {"ratios": {**to, "bare encoder": self.shares_of_encoder()}}

    def best_peer(self) -> str | None:
        """Return the name of the peer with the highest median rate; None without peers."""
        peers = [name for name, row in self.rows.items() if row.is_peer]
        return max(peers, key=lambda name: Spread.of(self.rows[name].figures[RATE]).median, default=None)

    def ratios_to(self, name: str) -> dict[str, list[float]]:
        """Return how many times as fast as a contender each one is, by round."""
        base = self.rows[name].figures[RATE]
        return {other: ratios(row.figures[RATE], base) for other, row in self.rows.items()}

    def shares_of_encoder(self) -> dict[str, list[float]]:
        """Return the ratio of each contender's rate to that of its bare encoder, by round, where that was measured."""
        with_bare = {name: row for name, row in self.rows.items() if row.bare in self.bare}
        return {name: ratios(row.figures[RATE], self.bare[row.bare]) for name, row in with_bare.items()}


def print_findings(found: Findings) -> None:
    """Print the tables."""
    titles = {name: row.title for name, row in found.rows.items()}
    _print_figures("Each contender: median (least-largest) of the rounds", found)
    best = found.best_peer()
    for base in dict.fromkeys(name for name in (next(iter(found.rows)), best) if name is not None):
        _print_rows(f"Tickets/s compared with {titles[base]}, by round", titles, found.ratios_to(base))
    if found.bare:
        print("\nBare encoders, texts/s")
        for name, rates in found.bare.items():
            print(f"  {name:<40} {written(rates, '.1f')}")
        _print_rows("Tickets/s compared with the bare encoder, by round", titles, found.shares_of_encoder())
    print(f"\nLeast agreement of labels with {next(iter(titles.values()))}:")
    for row in found.rows.values():
        print(f"  {row.title:<40} {row.agreement:.4f}")


def written(values: Sequence[float], form: str) -> str:
    """Return the median of some values, and their spread if there are several."""
    spread = Spread.of(values)
    between = f" ({spread.least:{form}}-{spread.largest:{form}})" if len(values) > 1 else ""
    return f"{spread.median:{form}}{between}"


def _print_figures(title: str, found: Findings) -> None:
    lines = [["", *(heading for heading, _ in COLUMNS.values())]]
    for row in found.rows.values():
        lines.append([row.title, *(written(row.figures[name], form) for name, (_, form) in COLUMNS.items())])
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    print(f"\n{title}")
    for line in lines:
        cells = zip(line[1:], widths[1:], strict=True)
        print(f"  {line[0]:<{widths[0]}}" + "".join(f"  {cell:>{width}}" for cell, width in cells))


def _print_rows(title: str, titles: Mapping[str, str], values: Mapping[str, Sequence[float]]) -> None:
    print(f"\n{title}")
    for name, row in values.items():
        by_round = ", ".join(f"{value:.2f}" for value in row)
        print(f"  {titles[name]:<40} {Spread.of(row).median:.2f}: {by_round}")
