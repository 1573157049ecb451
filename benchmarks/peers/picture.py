"""The picture of a comparison: rates, ages, memory and CPU time of the contenders, each with its spread."""

from pathlib import Path
from typing import Any

from benchmarks.peers.figures import Spread
from benchmarks.peers.report import RATE, Findings

PANELS = (
    (RATE, "tickets per second\nmore is better", "{:,.0f}"),
    ("age_p95_ms", "age of a result, p95, ms\nless is better", "{:,.0f}"),
    ("cpu_s_per_1000", "CPU s per 1,000 tickets\nless is better", "{:,.1f}"),
    ("peak_mib", "peak memory, MiB\nless is better", "{:,.0f}"),
)
OURS, THEIRS, INK = "#1f6f8b", "#b7bcc2", "#333333"
WIDTH_IN, ROW_IN, MARGIN_IN = 11.0, 0.34, 1.5
ROOM = 1.3
"""How much longer than the longest bar an axis is, for the value behind the bar."""


def draw(found: Findings, target: Path) -> None:
    """Draw the contenders, the fastest first, and write the picture; the ending of the name decides its kind."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update({"font.size": 8.5, "svg.hashsalt": "millrace", "svg.fonttype": "none"})
    rows = sorted(found.rows.values(), key=lambda row: Spread.of(row.figures[RATE]).median)
    figure = Figure(figsize=(WIDTH_IN, MARGIN_IN + ROW_IN * len(rows)), layout="constrained")
    axes: Any = figure.subplots(1, len(PANELS), sharey=True, width_ratios=[1.35, 1, 1, 1])
    for axis, (name, title, form) in zip(axes, PANELS, strict=True):
        _draw_panel(axis, [Spread.of(row.figures[name]) for row in rows], form)
        axis.set_title(title, loc="left", fontsize=9, color=INK)
        axis.barh(range(len(rows)), [Spread.of(row.figures[name]).median for row in rows], height=0.62, zorder=2,
                  color=[THEIRS if row.is_peer else OURS for row in rows])  # fmt: skip
    axes[0].set_yticks(range(len(rows)), [row.title for row in rows])
    about, rounds = found.about, len(next(iter(rows)).figures[RATE])
    machine = about["machine"]
    has_bfloat16 = any(flag.endswith("bf16") for flag in machine["instructions"])
    figure.supxlabel(
        f"all-MiniLM-L6-v2 on {machine['cores']} cores ({machine['cpu']}, {'with' if has_bfloat16 else 'without'} "
        f"bfloat16), Kafka and Qdrant Edge; median and range of {rounds} interleaved rounds; ages at "
        f"{about['age_rate']:g} tickets/s",
        fontsize=8, color=INK,
    )  # fmt: skip
    figure.savefig(target, dpi=160, metadata={"Date": None} if target.suffix == ".svg" else None)


def _draw_panel(axis: Any, spreads: list[Spread], form: str) -> None:
    """Draw the whiskers and the values, and leave out every line that carries nothing."""
    most = max(spread.largest for spread in spreads)
    for place, spread in enumerate(spreads):
        axis.plot([spread.least, spread.largest], [place, place], color=INK, linewidth=1.1, zorder=3)
        axis.text(spread.largest + 0.02 * most, place, form.format(spread.median), va="center", color=INK)
    axis.set_xlim(0, most * ROOM)
    axis.grid(axis="x", color="#e6e6e6", linewidth=0.7, zorder=0)
    axis.tick_params(length=0, colors=INK)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
