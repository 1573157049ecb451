"""Draws places in the plane as a PNG, a colour and a marker for each class."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from millrace.bulk.assembling import UNLABELLED
from millrace.bulk.files import write_whole

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000", "#8c564b", "#bcbd22", "#7f3fbf")
"""Those of Okabe and Ito (2008), which also people with a defect of colour vision can distinguish, without yellow, and
three more."""

MARKERS = ("o", "s", "^", "X", "D", "v")
GREY = "#c8c8c8"
OTHERS = "other classes"
WITHOUT = "without a label"
NAME_CHARS = 28
ROWS_OF_LEGEND = 32
DPI = 150


def style_of(number: int) -> tuple[str, str]:
    """Return the colour and the marker of a class by its number; 60 classes differ."""
    return COLOURS[number % len(COLOURS)], MARKERS[number // len(COLOURS) % len(MARKERS)]


DISTINCT = len(COLOURS) * len(MARKERS)


def draw(
    places: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str], title: str, file: Path
) -> None:
    """Draw a map.

    Args:
        places: Shape (n, 2).
        labels: The class of each place, shape (n,); -1 without a label.
        classes: The names of the classes. If more than 60 are drawn, the largest 59 are, and the others in grey.
        title: The title.
        file: The PNG to write; an existing one is replaced.

    Raises:
        Fatal: it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown, others = _shown(labels)
    names = [_short(classes[number]) for number in shown]
    groups = [labels == number for number in shown]
    styles = [style_of(at) for at in range(len(shown))]
    for name, group, marker in ((OTHERS, np.isin(labels, others), "."), (WITHOUT, labels == UNLABELLED, "*")):
        if group.any():
            names, groups, styles = [name, *names], [group, *groups], [(GREY, marker), *styles]
    columns = -(-len(names) // ROWS_OF_LEGEND)
    figure = Figure(figsize=(8 + 2.2 * columns, 8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    size = float(np.clip(12_000 / len(places), 8, 45))
    handles = [
        axes.scatter(
            places[group, 0],
            places[group, 1],
            s=size,
            c=colour,
            marker=marker,
            linewidths=0.2,
            edgecolors="w",
            alpha=0.85,
        )
        for group, (colour, marker) in zip(groups, styles, strict=True)
    ]
    axes.set(xticks=[], yticks=[])  # neither the axes nor the distances of t-SNE have a unit
    axes.set_title(title, fontsize=10, parse_math=False)
    legend = figure.legend(handles, [str(at) for at in range(len(names))], loc="outside right upper", ncols=columns)
    for text, name in zip(legend.get_texts(), names, strict=True):  # a name that begins with _ would be left out
        text.set(text=name, fontsize=8, parse_math=False)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(sizes=[45])
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    write_whole(file, lambda opened: opened.write(content.getbuffer()))


def _shown(labels: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Return the classes that have a colour of their own, in order, and the others."""
    numbers, counts = np.unique(labels[labels != UNLABELLED], return_counts=True)
    if len(numbers) <= DISTINCT:
        return numbers.tolist(), []
    largest = numbers[np.argsort(-counts, kind="stable")[: DISTINCT - 1]]
    return sorted(largest.tolist()), sorted(set(numbers.tolist()) - set(largest.tolist()))


def _short(name: str) -> str:
    """Return a name that fits into the legend."""
    shown = "".join(char if char.isprintable() else " " for char in name)
    return shown if len(shown) <= NAME_CHARS else shown[: NAME_CHARS - 1] + "…"
