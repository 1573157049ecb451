"""Outlines of shapes as points, in units of the side of the layer they are drawn on: x to the right, y downwards."""

from collections.abc import Sequence

import numpy as np

Point = tuple[float, float]
Points = list[Point]
STEPS = 24
"""Points of a quarter of an ellipse, and between two points of a curve."""


def box(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> Points:
    """Return a rectangle, with rounded corners if `radius` is not 0."""
    if radius == 0:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    near, far = (left + radius, top + radius), (right - radius, bottom - radius)
    corners = ((far[0], near[1], 270), (*far, 0), (near[0], far[1], 90), (*near, 180))
    return [point for x, y, begin in corners for point in arc((x, y), (radius, radius), (begin, begin + 90))]


def arc(centre: Point, radii: Point, degrees: tuple[float, float]) -> Points:
    """Return a part of an ellipse; 0 degrees is to the right, and the angle grows clockwise."""
    count = max(2, round(abs(degrees[1] - degrees[0]) / 90 * STEPS) + 1)
    angles = np.radians(np.linspace(*degrees, count))
    xs, ys = centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)
    return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]


def ellipse(centre: Point, radii: Point) -> Points:
    """Return a whole ellipse."""
    return arc(centre, radii, (0, 360))


def curve(points: Sequence[Point], closed: bool = True) -> Points:
    """Return a smooth curve through points (a Catmull-Rom spline)."""
    knots = np.array(points, float)
    ends = (knots[-1:], knots[:2]) if closed else (knots[:1], knots[-1:])
    knots = np.concatenate([ends[0], knots, ends[1]])
    times = np.linspace(0, 1, STEPS, endpoint=False)[:, None]
    found: list[np.ndarray] = []
    for p0, p1, p2, p3 in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        bend = (2 * p0 - 5 * p1 + 4 * p2 - p3) * times**2 + (3 * p1 - p0 - 3 * p2 + p3) * times**3
        found.append((2 * p1 + (p2 - p0) * times + bend) / 2)
    smooth = np.concatenate(found if closed else [*found, knots[-1:]])
    return [(float(x), float(y)) for x, y in smooth]


def turned_on_a_lathe(centre_x: float, profile: Sequence[Point], flatness: float = 0.2) -> Points:
    """Return the outline of a solid of revolution, seen a little from above.

    Args:
        centre_x: Where its axis is.
        profile: Half its width and the height (y) of some places, from the top downwards.
        flatness: Height of its bottom's ellipse divided by its width.
    """
    smooth = curve(profile, closed=False)
    half, bottom = smooth[-1]
    right = [(centre_x + width, y) for width, y in smooth]
    left = [(centre_x - width, y) for width, y in reversed(smooth)]
    return right + arc((centre_x, bottom), (half, half * flatness), (0, 180)) + left


def mirrored(points: Sequence[Point]) -> Points:
    """Return the mirror image of points at the vertical in the middle of the layer."""
    return [(1 - x, y) for x, y in points]


def symmetric(points: Sequence[Point]) -> Points:
    """Return an outline whose right half is given, from the top downwards."""
    return [*points, *reversed(mirrored(points))]
