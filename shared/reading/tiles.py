"""Where the text of a picture is, tile by tile.

The network that finds text compares each place with the whole picture that it is given: beside a headline, it misses
small print. So a picture is given in tiles that overlap, and as a whole for what is larger than a tile or
was missed in tiles.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.reading.order import Quad, size_of

Chances: TypeAlias = NDArray[np.float32]
"""Probabilities that each pixel belongs to text, shape (height, width)."""

TILE_PX, OVERLAP_PX = 448, 96
STEP_PX = 32
"""Sides of what the network is given are multiples of this."""

COVERED = 0.1
"""A piece that was found in the whole picture was missed by the tiles if less than this share of it lies in theirs."""

ALONG, ACROSS = 64, 9
"""Points of a quad that are compared."""


def starts(length_px: int) -> list[int]:
    """Return where tiles begin along a side, in pixels.

    Args:
        length_px: The length of the side, a multiple of `STEP_PX`.
    """
    if length_px <= TILE_PX:
        return [0]
    count = -(-(length_px - OVERLAP_PX) // (TILE_PX - OVERLAP_PX))
    return [round(number * (length_px - TILE_PX) / (count - 1) / STEP_PX) * STEP_PX for number in range(count)]


def tiles(height_px: int, width_px: int) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of each tile of a picture whose sides are multiples of `STEP_PX`."""
    for top in starts(height_px):
        for left in starts(width_px):
            yield slice(top, top + TILE_PX), slice(left, left + TILE_PX)


def chances_by_tile(
    picture: NDArray[np.uint8], is_plain: NDArray[np.bool_], network: Callable[[NDArray[np.uint8]], Chances]
) -> Chances:
    """Return the highest chance of any tile for each pixel; 0 where the picture is plain.

    Args:
        picture: Shape (height, width, 3); its sides are multiples of `STEP_PX`.
        is_plain: Shape (height, width): where the picture has one colour, of which the network says nothing useful.
        network: Returns the chances of a tile.
    """
    chances = np.zeros(picture.shape[:2], np.float32)
    for rows, columns in tiles(*picture.shape[:2]):
        if not is_plain[rows, columns].all():
            np.maximum(chances[rows, columns], network(picture[rows, columns]), out=chances[rows, columns])
    chances[is_plain] = 0
    return chances


def with_large(quads: Sequence[Quad], large: Sequence[Quad]) -> list[Quad]:
    """Return the quads that were found by tile, with a large one in the place of its fragments.

    In the picture as a whole, lines of small print run into one another. So a quad that was found there counts only if no
    quad of less than half its height is in it.

    Args:
        quads: What was found by tile.
        large: What was found in the whole picture.
    """
    kept = list(quads)
    for whole in large:
        inside = [quad for quad in kept if _is_inside(quad, whole)]
        height = min(size_of(whole))
        if all(2 * min(size_of(quad)) >= height for quad in inside):
            kept = [quad for quad in kept if not _is_inside(quad, whole)] + [whole]
    return kept


def missed(quads: Sequence[Quad], is_covered: NDArray[np.bool_]) -> list[Quad]:
    """Return the quads of which less than the share `COVERED` was found already.

    Args:
        quads: What was found in the whole picture.
        is_covered: Shape (height, width): whether a pixel lies in a quad that was found already.
    """
    return [quad for quad in quads if _share(quad, is_covered) < COVERED]


def _share(quad: Quad, is_covered: NDArray[np.bool_]) -> float:
    """Return the share of a quad that is covered, by a grid of points in it."""
    along, across = np.meshgrid((np.arange(ALONG) + 0.5) / ALONG, (np.arange(ACROSS) + 0.5) / ACROSS)
    weights = np.stack(
        [(1 - along) * (1 - across), along * (1 - across), along * across, (1 - along) * across], axis=-1
    )
    points = weights.reshape(-1, 4) @ quad
    limits = np.array(is_covered.shape[::-1]) - 1
    columns, rows = np.clip(np.round(points), 0, limits).astype(np.int64).T
    return float(is_covered[rows, columns].mean())


def _is_inside(quad: Quad, whole: Quad) -> bool:
    middle = quad.mean(axis=0)
    return bool((whole.min(axis=0) <= middle).all() and (middle <= whole.max(axis=0)).all())
