"""Drawings of what people wear and carry: T-shirts, shoes, backpacks and watches."""

import numpy as np

from benchmarks.drawing.layer import Layer, Look, Paint
from benchmarks.drawing.outlines import Points, arc, box, curve, ellipse, mirrored, symmetric

STEEL = "#c3c7cb"


def draw_t_shirt(layer: Layer, look: Look) -> None:
    """Draw a T-shirt: `crew`, `v_neck`, `long`, `pocket` or `print`; `second` colours its pattern or print."""
    cloth = Paint(look.colour, "flat", look.second, look.pattern, 0.28, grain=0.03)
    drop = 0.2 if look.style == "v_neck" else 0.13
    hole = (
        arc((0.5, 0.085), (0.105, drop - 0.06), (180, 0)) if look.style != "v_neck" else [(0.395, 0.08), (0.605, 0.08)]
    )
    layer.fill(ellipse((0.5, 0.1), (0.105, 0.04)), Paint(look.colour, "down", rim=0.6))
    sleeve: Points = [(0.66, 0.11), (0.8, 0.17), (0.97, 0.36), (0.84, 0.46), (0.73, 0.36)]
    if look.style == "long":
        sleeve = [(0.66, 0.11), (0.79, 0.17), (0.93, 0.5), (0.97, 0.85), (0.87, 0.87), (0.8, 0.56), (0.73, 0.38)]
    for each in (sleeve, mirrored(sleeve)):
        layer.fill(each, cloth)
    neck: Points = (
        [(0.5, drop), (0.605, 0.08)] if look.style == "v_neck" else [(0.5, drop), (0.57, 0.115), (0.605, 0.08)]
    )
    right: Points = [*neck, (0.68, 0.11), (0.75, 0.2), (0.735, 0.4), (0.735, 0.7), (0.75, 0.93)]
    layer.fill(symmetric(right), cloth)
    collar = symmetric(neck)
    layer.stroke(
        curve(collar, closed=False) if look.style != "v_neck" else collar, 0.02, Paint(look.colour, "down", rim=0.7)
    )
    if look.style == "v_neck":
        layer.stroke(hole, 0.02, Paint(look.colour, "down", rim=0.7))
    _folds(layer, look.style == "long")
    if look.style == "pocket":
        layer.fill(
            [(0.55, 0.32), (0.67, 0.32), (0.67, 0.44), (0.61, 0.47), (0.55, 0.44)],
            Paint(look.second, rim=0.45, grain=0.03),
        )
    elif look.style == "print":
        layer.fill(ellipse((0.5, 0.42), (0.12, 0.12)), Paint(look.second, rim=0.0))
        layer.fill([(0.39, 0.47), (0.46, 0.36), (0.5, 0.42), (0.55, 0.33), (0.61, 0.47)], Paint(look.colour, rim=0.0))


def _folds(layer: Layer, is_long: bool) -> None:
    seam: Points = [(0.745, 0.19), (0.722, 0.28), (0.73, 0.39)]
    folds: list[Points] = [[(0.69, 0.42), (0.6, 0.6)], [(0.71, 0.62), (0.58, 0.86)], [(0.7, 0.85), (0.66, 0.92)]]
    for side in (seam, mirrored(seam)):
        layer.crease(side, 0.008, 0.6)
    for fold in folds:
        layer.crease(fold, 0.022, 0.28)
        layer.crease([(1 - x + 0.02, y + 0.03) for x, y in fold], 0.022, 0.24)
        layer.crease([(x - 0.04, y + 0.02) for x, y in fold], 0.02, -0.22)
    layer.crease([(0.26, 0.905), (0.74, 0.905)], 0.004, 0.5)
    for x in () if is_long else (0.845, 0.155):
        layer.crease([(x + (0.06 if x > 0.5 else -0.06), 0.34), (x, 0.43)], 0.008, 0.3)


def draw_shoe(layer: Layer, look: Look) -> None:
    """Draw a shoe from its side, its toe to the right: `sneaker`, `runner`, `boot`, `high_top` or `loafer`."""
    ankle = {"boot": 0.16, "high_top": 0.24}.get(look.style, 0.42)
    sole_colour = "#3a2a20" if look.style in ("boot", "loafer") else "#f4f1ea"
    collar = 0.34 if look.style in ("boot", "high_top") else 0.38
    upper: Points = [(0.07, ankle), (0.05, 0.55), (0.06, 0.72), (0.5, 0.735), (0.93, 0.73), (0.95, 0.66), (0.87, 0.59)]
    upper += [(0.72, 0.55), (0.56, 0.45), (collar + 0.04, ankle + 0.01), (0.22, ankle + 0.03)]
    layer.fill(curve(upper), Paint(look.colour, "down", look.second, look.pattern, 0.35, grain=0.015))
    layer.fill(
        curve([(0.09, ankle), (0.22, ankle - 0.015), (collar + 0.02, ankle + 0.005), (0.22, ankle + 0.035)]),
        Paint("#2b2624", rim=0.2),
    )
    if look.style in ("sneaker", "high_top"):
        toe = curve([(0.78, 0.735), (0.77, 0.64), (0.83, 0.58), (0.92, 0.62), (0.955, 0.68), (0.94, 0.74)])
        layer.fill(toe, Paint("#f4f1ea", "ball", rim=0.3))
    if look.style == "runner":
        wave = [[(0.3, 0.7), (0.42, 0.6), (0.58, 0.5)], [(0.38, 0.71), (0.5, 0.62), (0.64, 0.54)]]
        for each in wave:
            layer.stroke(curve(each, closed=False), 0.03, Paint(look.second, rim=0.1))
    heel = curve([(0.055, 0.5), (0.12, 0.5), (0.17, 0.62), (0.16, 0.73), (0.06, 0.73)])
    layer.fill(heel, Paint(look.second if look.style != "loafer" else look.colour, "down", rim=0.4))
    _laces(layer, look, ankle, collar)
    _sole(layer, look, sole_colour)


def _laces(layer: Layer, look: Look, ankle: float, collar: float) -> None:
    if look.style == "loafer":
        layer.fill(
            curve([(0.5, 0.44), (0.6, 0.48), (0.57, 0.6), (0.52, 0.71), (0.42, 0.71), (0.46, 0.58)]),
            Paint(look.second, "down", rim=0.4),
        )
        layer.crease(curve([(0.62, 0.52), (0.75, 0.6), (0.9, 0.63)], closed=False), 0.01, 0.6)
        return
    count = 6 if ankle < 0.3 else 4
    begin, end = (collar + 0.03, ankle + 0.06), (0.69, 0.55)
    layer.crease(curve([(begin[0] - 0.09, begin[1] + 0.03), (0.46, 0.53), (0.66, 0.64)], closed=False), 0.008, 0.6)
    for place in np.linspace(0, 1, count):
        x, y = begin[0] + (end[0] - begin[0]) * float(place), begin[1] + (end[1] - begin[1]) * float(place) ** 0.8
        layer.stroke([(x + 0.01, y - 0.015), (x - 0.055, y + 0.065)], 0.017, Paint("#faf7f0", "down", rim=0.5))


def _sole(layer: Layer, look: Look, colour: str) -> None:
    if look.style == "runner":
        sole = curve(
            [
                (0.03, 0.68),
                (0.3, 0.73),
                (0.6, 0.71),
                (0.97, 0.67),
                (0.985, 0.74),
                (0.9, 0.81),
                (0.4, 0.82),
                (0.05, 0.82),
            ]
        )
        layer.fill(sole, Paint(colour, "down", rim=0.3))
        layer.crease(curve([(0.08, 0.77), (0.4, 0.765), (0.92, 0.75)], closed=False), 0.01, 0.4)
        return
    thick = 0.06 if look.style == "loafer" else 0.085
    layer.fill(box(0.045, 0.715, 0.965, 0.715 + thick, 0.03), Paint(colour, "down", rim=0.3))
    if look.style in ("boot", "loafer"):
        layer.fill(box(0.05, 0.74, 0.3, 0.845, 0.012), Paint(colour, "down", rim=0.4))
    else:
        layer.stroke([(0.07, 0.755), (0.94, 0.755)], 0.012, Paint(look.second, rim=0.0))


def draw_backpack(layer: Layer, look: Look) -> None:
    """Draw a backpack: `school`, `roll_top`, `hiking`, `flap` or `city`; `second` colours its pocket and details."""
    cloth = Paint(look.colour, "flat", look.second, look.pattern, 0.4, grain=0.03)
    dark = Paint("#2d2a2b", "down", rim=0.4)
    layer.stroke(arc((0.5, 0.11), (0.075, 0.075), (180, 360)), 0.03, dark)
    for x in (0.185, 0.815):
        layer.stroke(
            curve([(x + (0.5 - x) * 0.3, 0.24), (x, 0.45), (x + (0.5 - x) * 0.2, 0.85)], closed=False), 0.05, dark
        )
    if look.style == "hiking":
        layer.fill(box(0.24, 0.05, 0.76, 0.19, 0.06), Paint(look.second, "down", rim=0.4, grain=0.03))
    top = 0.1 if look.style != "hiking" else 0.16
    half: Points = [
        (0.5, top),
        (0.64, top + 0.02),
        (0.745, top + 0.12),
        (0.765, 0.5),
        (0.775, 0.86),
        (0.7, 0.93),
        (0.5, 0.935),
    ]
    if look.style == "roll_top":
        half = [(0.5, 0.12), (0.7, 0.12), (0.73, 0.2), (0.75, 0.5), (0.76, 0.86), (0.7, 0.93), (0.5, 0.935)]
    layer.fill(curve(symmetric(half)), cloth)
    for x in (0.195, 0.74):
        layer.fill(box(x, 0.62, x + 0.065, 0.9, 0.03), Paint(look.second, "round", rim=0.4))
    _pocket(layer, look)
    if look.style in ("school", "city"):
        zip_line = curve([(0.27, 0.48), (0.3, 0.27), (0.5, 0.19), (0.7, 0.27), (0.73, 0.48)], closed=False)
        layer.stroke(zip_line, 0.014, Paint("#232122", rim=0.0))
        layer.stroke([(0.73, 0.48), (0.735, 0.53)], 0.014, Paint(STEEL))
    layer.crease([(0.3, 0.2), (0.26, 0.55)], 0.03, -0.22)
    layer.crease([(0.72, 0.25), (0.74, 0.8)], 0.04, 0.3)


def _pocket(layer: Layer, look: Look) -> None:
    if look.style == "flap":
        layer.fill(
            curve(symmetric([(0.5, 0.09), (0.66, 0.11), (0.765, 0.22), (0.76, 0.48), (0.7, 0.53), (0.5, 0.55)])),
            Paint(look.second, "down", rim=0.45, grain=0.03),
        )
        for x in (0.37, 0.63):
            layer.stroke([(x, 0.5), (x, 0.68)], 0.034, Paint("#6b4a2e", "down", rim=0.4))
            layer.fill(box(x - 0.03, 0.6, x + 0.03, 0.65, 0.008), Paint(STEEL, "ball"))
        return
    if look.style == "roll_top":
        layer.fill(box(0.27, 0.1, 0.73, 0.17, 0.03), Paint(look.second, "down", rim=0.4))
        layer.stroke([(0.5, 0.12), (0.5, 0.5)], 0.03, Paint("#2d2a2b", "down", rim=0.4))
        layer.fill(box(0.465, 0.36, 0.535, 0.41, 0.01), Paint(STEEL, "ball"))
    high = 0.72 if look.style == "city" else 0.56
    layer.fill(box(0.28, high, 0.72, 0.9, 0.06), Paint(look.second, "flat", rim=0.45, grain=0.03))
    layer.stroke([(0.33, high + 0.06), (0.67, high + 0.06)], 0.012, Paint("#232122", rim=0.0))
    if look.style == "hiking":
        for y in (0.3, 0.44):
            layer.stroke([(0.25, y), (0.75, y)], 0.022, Paint("#2d2a2b", rim=0.3))
            layer.fill(box(0.47, y - 0.022, 0.53, y + 0.022, 0.006), Paint(STEEL))


def draw_watch(layer: Layer, look: Look) -> None:
    """Draw a wristwatch: `dress`, `diver`, `chrono`, `square` or `digital`; `colour` is its strap, `second` its dial."""
    for begin, end in ((0.0, 0.34), (0.66, 1.0)):
        wide, narrow = 0.145, 0.105
        outer, inner = (narrow, wide) if begin == 0 else (wide, narrow)
        strap: Points = [(0.5 - outer, begin), (0.5 + outer, begin), (0.5 + inner, end), (0.5 - inner, end)]
        layer.fill(strap, Paint(look.colour, "round", STEEL, look.pattern, 0.3, grain=0.015))
    for x in (0.37, 0.63) if look.pattern == "plain" else ():
        layer.crease([(x, 0.03), (x, 0.3)], 0.005, -0.5)
        layer.crease([(x, 0.7), (x, 0.97)], 0.005, -0.5)
    for y in (0.78, 0.84, 0.9):
        layer.fill(ellipse((0.5, y), (0.011, 0.014)), Paint("#1c1a19", rim=0.0))
    case = "#d8b25c" if look.style == "dress" else "#2c2f33" if look.style == "digital" else STEEL
    layer.fill(box(0.76, 0.47, 0.815, 0.53, 0.012), Paint(case, "down", rim=0.4))
    if look.style in ("square", "digital"):
        layer.fill(box(0.24, 0.25, 0.76, 0.75, 0.09), Paint(case, "flat", rim=0.5))
        layer.fill(box(0.285, 0.295, 0.715, 0.705, 0.06), Paint(look.second, "down", rim=0.25))
    else:
        if look.style == "chrono":
            for y in (0.36, 0.64):
                layer.fill(box(0.71, y - 0.025, 0.79, y + 0.025, 0.01), Paint(case, "down", rim=0.4))
        layer.fill(ellipse((0.5, 0.5), (0.27, 0.27)), Paint(case, "flat", rim=0.5))
        bezel = "#1d2a44" if look.style == "diver" else case
        layer.fill(ellipse((0.5, 0.5), (0.25, 0.25)), Paint(bezel, "down", rim=0.3))
        layer.fill(ellipse((0.5, 0.5), (0.205, 0.205)), Paint(look.second, "down", rim=0.35))
    if look.style == "digital":
        _digits(layer)
    else:
        _dial(layer, look)
    layer.crease([(0.36, 0.44), (0.47, 0.33)], 0.03, -0.35)


def _dial(layer: Layer, look: Look) -> None:
    is_dark = sum(int(look.second[place : place + 2], 16) for place in (1, 3, 5)) < 330
    ink = Paint("#f5f2ea" if is_dark else "#26272b", rim=0.0)
    reach = 0.17
    for hour in range(12):
        angle = hour * np.pi / 6
        across, down = float(np.sin(angle)), float(-np.cos(angle))
        begin = reach - (0.035 if hour % 3 == 0 else 0.02)
        layer.stroke(
            [(0.5 + begin * across, 0.5 + begin * down), (0.5 + reach * across, 0.5 + reach * down)], 0.013, ink
        )
    if look.style == "chrono":
        for x, y in ((0.42, 0.5), (0.58, 0.5), (0.5, 0.58)):
            layer.fill(ellipse((x, y), (0.05, 0.05)), Paint("#8c9299", "down", rim=0.3))
            layer.stroke([(x, y), (x + 0.02, y - 0.03)], 0.006, ink)
    for degrees, long, width in ((-55, 0.1, 0.019), (60, 0.15, 0.014)):
        x, y = float(np.sin(np.radians(degrees))), float(-np.cos(np.radians(degrees)))
        layer.stroke([(0.5 - 0.02 * x, 0.5 - 0.02 * y), (0.5 + long * x, 0.5 + long * y)], width, ink)
    layer.stroke([(0.5, 0.54), (0.475, 0.36)], 0.005, Paint("#c23b2e", rim=0.0))
    layer.fill(ellipse((0.5, 0.5), (0.014, 0.014)), ink)


SEGMENTS = {
    "a": (0, 0, 1, 0),
    "b": (1, 0, 1, 1),
    "c": (1, 1, 1, 2),
    "d": (0, 2, 1, 2),
    "e": (0, 1, 0, 2),
    "f": (0, 0, 0, 1),
    "g": (0, 1, 1, 1),
}
DIGITS = {"1": "bc", "0": "abcdef", "8": "abcdefg", "4": "bcfg"}


def _digits(layer: Layer) -> None:
    layer.fill(box(0.315, 0.38, 0.685, 0.6, 0.02), Paint("#b9c4a8", "down", rim=0.3))
    for digit, x in (("1", 0.32), ("0", 0.41), ("4", 0.52), ("8", 0.61)):
        for name in DIGITS[digit]:
            x0, y0, x1, y1 = SEGMENTS[name]
            layer.stroke(
                [(x + x0 * 0.05, 0.425 + y0 * 0.065), (x + x1 * 0.05, 0.425 + y1 * 0.065)],
                0.014,
                Paint("#23291f", rim=0.0),
            )
    for y in (0.46, 0.52):
        layer.fill(ellipse((0.491, y), (0.009, 0.009)), Paint("#23291f", rim=0.0))
