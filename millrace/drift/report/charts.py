"""Draws the windows of a subject as PNGs. Markers and dashes carry what colours do, so that they can be printed in grey."""

import io
import warnings
from collections.abc import Sequence
from typing import Any

from millrace.bulk.drawing import COLOURS, MARKERS
from millrace.drift.report.growth import Grown
from millrace.drift.report.history import PastWindow
from millrace.drift.survey import plain
from shared.drift.reference import Reference

DPI = 120
NAME_CHARS = 32
MOST_LINES = 8
MOST_CLASSES = 12
LEAST_P = 1e-4
ANSWER_MARKERS = {"no_drift": "o", "drift": "X", "too_few": ".", "no_reference": "."}


def draw_windows(windows: Sequence[PastWindow], level: float) -> bytes:
    """Return a PNG of the p-values and the effects of compared windows over time.

    Args:
        windows: The windows, of which at least one was compared.
        level: The level of significance.
    """
    figure = _figure(9, 5)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for number, answer in enumerate(("no_drift", "drift")):
        own = [each for each in windows if each.answer == answer and each.p_value is not None]
        if own:
            name = answer.replace("_", " ")
            upper.scatter(
                [each.end for each in own],
                [max(each.p_value or 1.0, LEAST_P) for each in own],
                marker=ANSWER_MARKERS[answer],
                color=COLOURS[3 * number],
                label=name,
                s=36,
            )
    upper.axhline(level, color="#555555", linestyle="--", linewidth=1, label=f"level {level:.3g}")
    upper.set_yscale("log")
    upper.set_ylim(LEAST_P / 2, 1.5)
    upper.set_ylabel("p-value")
    upper.legend(loc="lower left", fontsize=8)
    lower.vlines([each.end for each in windows], 0, [each.effect for each in windows], color=COLOURS[0], linewidth=2)
    lower.plot([each.end for each in windows], [each.effect for each in windows], "D", color=COLOURS[0], markersize=3)
    lower.set_ylabel("effect, share of items")
    lower.set_ylim(bottom=0)
    _dates(figure)
    return _png(figure)


def draw_centroids(windows: Sequence[PastWindow], reference: Reference, chosen: Sequence[int]) -> bytes:
    """Return a PNG of the shares of some centroids over time.

    Args:
        windows: The windows that belong to the reference, at least one.
        reference: The reference.
        chosen: The numbers of the centroids, at most eight.
    """
    figure = _figure(9, 4.5)
    axes = figure.subplots()
    handles = []
    for at, number in enumerate(chosen):
        shares = [each.counts["centroids"][str(number)] / max(each.counts["centroids"].total(), 1) for each in windows]
        marker = MARKERS[at % len(MARKERS)]
        handles += axes.plot([each.end for each in windows], shares, marker=marker, markersize=4, color=COLOURS[at])
    axes.set_ylabel("share of the window's items")
    axes.set_ylim(bottom=0)
    legend = figure.legend(handles, [str(at) for at in range(len(handles))], loc="outside right upper")
    for text, number in zip(legend.get_texts(), chosen, strict=True):  # a name that begins with _ would be left out
        text.set(text=_short(reference.names[number]), fontsize=8, parse_math=False)
    _dates(figure)
    return _png(figure)


def draw_classes(grown: Sequence[Grown]) -> bytes:
    """Return a PNG of the shares of classes before and now, with their intervals.

    Args:
        grown: The classes, at least one; the most grown and the most shrunk ones are drawn.
    """
    shown = most_changed(grown)
    figure = _figure(9, 1.2 + 0.42 * len(shown))
    axes = figure.subplots()
    series = (("reference", -0.14, "s", COLOURS[0], "before"), ("window", 0.14, "o", COLOURS[3], "now"))
    for name, shift, marker, colour, which in series:
        shares = [getattr(each, which) for each in shown]
        places = [len(shown) - at - shift for at in range(len(shown))]
        errors = [
            [max(each.value - each.low, 0) for each in shares],
            [max(each.high - each.value, 0) for each in shares],
        ]
        values = [each.value for each in shares]
        axes.errorbar(
            values, places, xerr=errors, fmt=marker, color=colour, markersize=5, capsize=3, linewidth=1.2, label=name
        )
    places = [len(shown) - at for at in range(len(shown))]
    axes.set_yticks(places, labels=[_short(each.name) for each in shown], fontsize=8, parse_math=False)
    axes.set_xlabel("share of the items, with intervals of 95 %")
    axes.set_xlim(left=0)
    axes.legend(loc="lower right", fontsize=8)
    return _png(figure)


def most_changed(grown: Sequence[Grown]) -> list[Grown]:
    """Return the classes whose shares have changed most, the most grown one first."""
    changed = sorted(grown, key=lambda each: -abs(each.by))[:MOST_CLASSES]
    return sorted(changed, key=lambda each: (-each.by, each.name))


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _dates(figure: Any) -> None:
    """Write times as short as they allow, in UTC."""
    from matplotlib import dates

    untyped: Any = dates
    axes, locator = figure.axes[-1], untyped.AutoDateLocator(tz="UTC")
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator, tz="UTC"))
    axes.set_xlabel("end of the window, UTC")


def _png(figure: Any) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    return content.getvalue()


def _short(name: str) -> str:
    shown = plain(name)
    return shown if len(shown) <= NAME_CHARS else shown[: NAME_CHARS - 1] + "…"
