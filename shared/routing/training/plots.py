"""Plots of a trained head's held-out answers, drawn with matplotlib: SVG files beside `head.json`."""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from shared.errors import Fatal
from shared.routing.calibration import WANTED_PRECISION, coverage_curve, reliability
from shared.routing.training.findings import confused, confusion
from shared.routing.training.folds import Examples
from shared.routing.training.train import Trained

PAIRS = 10
"""Number of worst pairs whose labels the matrix shows; a matrix of 77 labels would be unreadable."""

NAME_CHARS = 28


def require_matplotlib() -> None:
    """Check that matplotlib is installed.

    Raises:
        Fatal: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise Fatal("plots need matplotlib: install millrace[train], or give --no-plots")


def draw(trained: Trained, examples: Examples, folder: Path) -> list[Path]:
    """Draw `confusion.svg`, `reliability.svg` and `coverage.svg`, and return their paths.

    Raises:
        Fatal: matplotlib is not installed, or a plot cannot be written.
    """
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawn = []
    plots: dict[str, Callable[..., None]] = {
        "confusion": _confusion,
        "reliability": _reliability,
        "coverage": _coverage,
    }
    for name, plot in plots.items():
        figure = Figure(figsize=(7, 6) if name == "confusion" else (6, 4), layout="constrained")
        FigureCanvasSVG(figure)
        plot(figure.add_subplot(), trained, examples)
        path = folder / f"{name}.svg"
        # text stays text, which the reader's fonts draw in any script; equal plots are equal files
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "millrace"}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # it is only measured, not drawn
            try:
                figure.savefig(path, metadata={"Date": None})
            except OSError as error:
                raise Fatal(f"{path} cannot be written: {error.strerror}") from error
        drawn.append(path)
    return drawn


def _confusion(axes, trained: Trained, examples: Examples) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    pairs = confused(trained, examples)[:PAIRS]
    names = sorted({name for pair in pairs for name in (pair.label, pair.taken_for)})
    axes.set_title("Labels most often confused on held-out examples")
    if not names:
        axes.text(0.5, 0.5, "no labels were confused", ha="center")
        return
    rows = [examples.labels.index(name) for name in names]
    part = confusion(trained, examples)[np.ix_(rows, rows)]
    axes.imshow(part, cmap="Blues")
    short = [_short(name) for name in names]
    axes.set_xticks(range(len(names)), short, rotation=90, fontsize=7, parse_math=False)
    axes.set_yticks(range(len(names)), short, fontsize=7, parse_math=False)
    for row, column in np.argwhere(part):
        light = part[row, column] > part.max() / 2
        axes.text(column, row, part[row, column], ha="center", va="center", fontsize=6, color="w" if light else "k")
    axes.set_xlabel("answered")
    axes.set_ylabel("labelled")


def _short(name: str) -> str:
    """Return a label that fits in a plot: not too long, and without characters that XML does not allow."""
    shown = "".join(char if char.isprintable() else " " for char in name)
    return shown if len(shown) <= NAME_CHARS else shown[: NAME_CHARS - 1] + "…"


def _reliability(axes, trained: Trained, examples: Examples) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    confidence, right = _answers(trained, examples)
    bins = reliability(confidence, right)
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfect calibration")
    axes.plot([each.confidence for each in bins], [each.accuracy for each in bins], marker="o", label="held out")
    axes.set(title="Reliability", xlabel="confidence", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    axes.legend()


def _coverage(axes, trained: Trained, examples: Examples) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    share, precision, _ = coverage_curve(*_answers(trained, examples))
    axes.plot(share, precision)
    axes.axhline(WANTED_PRECISION, color="0.7", linestyle="--", label="95 %")
    axes.set(title="Coverage against precision", xlabel="share decided, the most confident first", ylabel="precision")
    axes.legend()


def _answers(trained: Trained, examples: Examples):  # type: ignore[no-untyped-def]  # noqa: ANN202
    held_out = trained.held_out[trained.known]
    return held_out.max(axis=1), held_out.argmax(axis=1) == examples.truth[trained.known]
