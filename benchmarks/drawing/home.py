"""Drawings of things for the home: mugs, lamps, chairs and books; and a landscape, which is no product."""

from benchmarks.drawing.layer import Layer, Look, Paint
from benchmarks.drawing.outlines import Point, Points, arc, box, curve, ellipse, turned_on_a_lathe

MUGS: dict[str, list[Point]] = {
    "straight": [(0.255, 0.24), (0.255, 0.5), (0.25, 0.8)],
    "tapered": [(0.3, 0.26), (0.265, 0.52), (0.19, 0.8)],
    "tall": [(0.2, 0.12), (0.2, 0.5), (0.195, 0.86)],
    "round": [(0.235, 0.26), (0.3, 0.45), (0.295, 0.62), (0.215, 0.8)],
    "enamel": [(0.285, 0.3), (0.27, 0.5), (0.265, 0.76)],
}
METAL = "#b9bec4"


def draw_mug(layer: Layer, look: Look) -> None:
    """Draw a mug: one of `MUGS`, with its handle on the right; `second` is the colour of what is in it and of its rim."""
    profile, axis = MUGS[look.style], 0.43
    half, top = profile[0]
    side, bottom = profile[len(profile) // 2][0], profile[-1][1]
    middle = (top + bottom) / 2 + 0.01
    handle = arc((axis + side - 0.02, middle), (0.2, (bottom - top) * 0.31), (-82, 82))
    layer.stroke(handle, 0.062, Paint(look.colour, "round", rim=0.5))
    layer.fill(turned_on_a_lathe(axis, profile), Paint(look.colour, "round", look.second, look.pattern, 0.15, 0.45))
    flat = half * 0.2
    rim = "#27374d" if look.style == "enamel" else look.colour
    layer.fill(ellipse((axis, top), (half, flat)), Paint(rim, "down", rim=0.0))
    layer.fill(ellipse((axis, top), (half - 0.018, flat - 0.009)), Paint("#ded9cf", "flat", rim=0.75))
    if look.style in ("round", "tapered"):
        layer.fill(ellipse((axis, top + 0.012), (half - 0.04, flat - 0.018)), Paint("#4a2c17", "down", rim=0.3))
    if look.style == "tall":
        layer.stroke(arc((axis, top + 0.1), (half - 0.004, flat), (4, 176)), 0.018, Paint(look.second, rim=0.0))


def draw_lamp(layer: Layer, look: Look) -> None:
    """Draw a lamp that is switched on: `table`, `globe`, `mushroom`, `floor` or `desk`; `second` colours its foot."""
    foot = Paint(look.second, "round", rim=0.25, gloss=0.3)
    if look.style == "desk":
        _desk_lamp(layer, look)
        return
    shade_bottom = {"table": 0.5, "globe": 0.62, "mushroom": 0.5, "floor": 0.34}[look.style]
    if look.style == "table":
        body = [(0.035, shade_bottom - 0.02), (0.05, 0.58), (0.13, 0.72), (0.1, 0.84), (0.12, 0.9)]
        layer.fill(turned_on_a_lathe(0.5, body), foot)
        shade: Points = [(0.37, 0.1), (0.63, 0.1), *arc((0.5, 0.48), (0.28, 0.045), (0, 180))]
    elif look.style == "globe":
        layer.fill(turned_on_a_lathe(0.5, [(0.13, shade_bottom - 0.06), (0.15, 0.75), (0.2, 0.88)]), foot)
        shade = ellipse((0.5, 0.37), (0.28, 0.28))
    elif look.style == "mushroom":
        layer.fill(turned_on_a_lathe(0.5, [(0.07, 0.42), (0.075, 0.6), (0.11, 0.8), (0.19, 0.9)]), foot)
        shade = [*arc((0.5, 0.46), (0.34, 0.32), (180, 360)), *arc((0.5, 0.46), (0.34, 0.05), (0, 180))]
    else:
        layer.fill(turned_on_a_lathe(0.5, [(0.012, 0.28), (0.012, 0.92)]), foot)
        layer.fill(ellipse((0.5, 0.93), (0.15, 0.028)), Paint(look.second, "round", gloss=0.2))
        shade = [(0.42, 0.06), (0.58, 0.06), *arc((0.5, 0.33), (0.2, 0.03), (0, 180))]
    layer.fill(shade, Paint(look.colour, "glow", "#fffaf0", look.pattern, 0.22))
    if look.style in ("table", "floor"):
        top = shade[0][1]
        layer.fill(ellipse((0.5, top), (shade[1][0] - 0.5, 0.018)), Paint("#fff6dc", "glow", rim=0.1))


def _desk_lamp(layer: Layer, look: Look) -> None:
    arm = Paint(look.second, "down", rim=0.4)
    layer.fill(turned_on_a_lathe(0.36, [(0.17, 0.87), (0.19, 0.92)], 0.15), Paint(look.colour, "round", gloss=0.3))
    layer.stroke([(0.36, 0.87), (0.24, 0.52)], 0.026, arm)
    layer.stroke([(0.24, 0.52), (0.56, 0.25)], 0.026, arm)
    for joint in ((0.24, 0.52), (0.36, 0.87), (0.56, 0.25)):
        layer.fill(ellipse(joint, (0.028, 0.028)), Paint(METAL, "ball"))
    layer.fill([(0.62, 0.45), *arc((0.74, 0.4), (0.16, 0.06), (160, 20)), (0.9, 0.44)], Paint("#fff1c4", "glow"))
    head: Points = [(0.53, 0.19), (0.64, 0.16), *curve([(0.78, 0.22), (0.9, 0.42)], closed=False)]
    layer.fill(
        [*head, *arc((0.745, 0.43), (0.16, 0.045), (-10, -170)), (0.585, 0.42)], Paint(look.colour, "round", gloss=0.35)
    )
    layer.fill(ellipse((0.742, 0.432), (0.15, 0.035)), Paint("#ffe9a8", "glow", rim=0.1))


def draw_chair(layer: Layer, look: Look) -> None:
    """Draw a chair: `slats`, `panel`, `ladder`, `round` or `arms` at its back; `second` colours its seat."""
    wood = Paint(look.colour, "down", rim=0.45)
    for top, foot in (((0.36, 0.55), (0.39, 0.83)), ((0.69, 0.54), (0.74, 0.82))):
        layer.stroke([top, foot], 0.032, Paint(look.colour, "down", rim=0.6))
    layer.stroke([(0.36, 0.72), (0.72, 0.71)], 0.018, wood)
    _chair_back(layer, look, wood)
    seat = curve([(0.2, 0.59), (0.33, 0.5), (0.7, 0.49), (0.79, 0.53), (0.7, 0.6), (0.3, 0.615)])
    layer.fill([(x, y + 0.028) for x, y in seat], Paint(look.colour, "down", rim=0.5))
    layer.fill(seat, Paint(look.second, "flat", look.colour, look.pattern, 0.3, grain=0.02))
    for top, foot in (((0.245, 0.62), (0.2, 0.95)), ((0.71, 0.61), (0.72, 0.95))):
        layer.stroke([top, foot], 0.036, wood)
    if look.style == "arms":
        for points in ([(0.3, 0.36), (0.21, 0.39), (0.23, 0.58)], [(0.7, 0.36), (0.79, 0.39), (0.76, 0.56)]):
            layer.stroke(curve(points, closed=False), 0.032, wood)


def _chair_back(layer: Layer, look: Look, wood: Paint) -> None:
    if look.style == "round":
        layer.fill(ellipse((0.505, 0.25), (0.225, 0.2)), wood)
        layer.fill(ellipse((0.505, 0.25), (0.185, 0.16)), Paint(look.second, "down", look.colour, look.pattern))
    elif look.style in ("panel", "arms"):
        back = box(0.3, 0.06, 0.71, 0.42, 0.07)
        layer.fill(back, Paint(look.second, "down", look.colour, look.pattern, 0.4, grain=0.02))
    elif look.style == "slats":
        for x in (0.38, 0.46, 0.54, 0.62):
            layer.stroke([(x, 0.12), (x, 0.52)], 0.022, wood)
        layer.stroke(curve([(0.3, 0.12), (0.5, 0.07), (0.71, 0.12)], closed=False), 0.065, wood)
    else:
        for y in (0.12, 0.24, 0.36):
            layer.stroke(curve([(0.31, y), (0.5, y - 0.03), (0.7, y)], closed=False), 0.055, wood)
    for top, foot in (((0.3, 0.09), (0.33, 0.56)), ((0.71, 0.09), (0.69, 0.55))):
        layer.stroke([top, foot], 0.034, wood)


def draw_book(layer: Layer, look: Look) -> None:
    """Draw a book: `standing`, `lying`, `stack` or `open`; `second` colours what is printed on its cover."""
    if look.style == "open":
        _open_book(layer, look)
    elif look.style == "stack":
        colours = (look.colour, look.second, "#7b3f3a", "#d9b75b")
        for place, colour in enumerate(colours[:3]):
            _lying_book(
                layer, Look("lying", colour, colours[place + 1]), 0.72 - 0.16 * place, (0.02, -0.03, 0.04)[place]
            )
    elif look.style == "lying":
        _lying_book(layer, look, 0.6, 0.0)
    else:
        layer.fill(
            [(0.74, 0.1), (0.83, 0.15), (0.83, 0.88), (0.74, 0.93)],
            Paint("#efe8d6", second="#cfc6b0", pattern="pinstripes"),
        )
        layer.fill(box(0.22, 0.08, 0.76, 0.93, 0.01), Paint(look.colour, "flat", rim=0.2))
        layer.fill(box(0.22, 0.08, 0.275, 0.93), Paint(look.colour, "round", rim=0.2))
        layer.crease([(0.282, 0.09), (0.282, 0.92)], 0.008, 0.5)
        _cover(layer, look)


def _cover(layer: Layer, look: Look) -> None:
    """Print title, picture and author on a cover, as bars."""
    ink = Paint(look.second, rim=0.0)
    for left, right, y, height in ((0.34, 0.7, 0.17, 0.05), (0.34, 0.6, 0.25, 0.05), (0.34, 0.54, 0.86, 0.022)):
        layer.fill(box(left, y, right, y + height, 0.006), ink)
    if look.pattern == "dots":
        for x, y, radius in ((0.45, 0.52, 0.1), (0.58, 0.62, 0.07), (0.6, 0.45, 0.045)):
            layer.fill(ellipse((x, y), (radius, radius)), ink)
    elif look.pattern == "zigzag":
        layer.fill([(0.3, 0.76), (0.42, 0.5), (0.5, 0.63), (0.6, 0.42), (0.74, 0.76)], ink)
        layer.fill(ellipse((0.4, 0.43), (0.045, 0.045)), ink)
    else:
        layer.fill(box(0.33, 0.36, 0.71, 0.76), Paint(look.second, "down", look.colour, look.pattern, 0.0))


def _lying_book(layer: Layer, look: Look, y: float, shift: float) -> None:
    """Draw a book that lies on its back, seen from the front and above; its cover begins at height `y`."""
    near_left, near_right = (0.12 + shift, y + 0.03), (0.83 + shift, y + 0.09)
    far_right, far_left = (0.9 + shift, y - 0.14), (0.3 + shift, y - 0.18)
    deep = 0.12
    under = [(x, height + deep) for x, height in (near_left, near_right, far_right)]
    layer.fill([near_left, *under, far_right], Paint(look.colour, "down", rim=0.3))
    pages = [(near_left[0] + 0.02, near_left[1] + 0.015), (near_right[0] - 0.005, near_right[1] + 0.01)]
    layer.fill(
        [*pages, (near_right[0] - 0.005, near_right[1] + 0.1), (near_left[0] + 0.02, near_left[1] + 0.105)],
        Paint("#f1ead9", "down", rim=0.3),
    )
    for line in (0.03, 0.055, 0.08):
        layer.crease(
            [(near_left[0] + 0.03, near_left[1] + line), (near_right[0] - 0.01, near_right[1] + line)], 0.003, 0.5
        )
    side = [(near_right[0], near_right[1] + 0.01), (far_right[0] - 0.005, far_right[1] + 0.012)]
    layer.fill(
        [*side, (far_right[0] - 0.005, far_right[1] + 0.1), (near_right[0], near_right[1] + 0.1)],
        Paint("#ddd4bf", "down"),
    )
    layer.fill(
        [near_left, near_right, far_right, far_left], Paint(look.colour, "flat", look.second, look.pattern, 0.15)
    )
    layer.stroke([(0.4 + shift, y - 0.085), (0.74 + shift, y - 0.06)], 0.024, Paint(look.second, rim=0.0))
    layer.stroke([(0.37 + shift, y - 0.04), (0.6 + shift, y - 0.022)], 0.018, Paint(look.second, rim=0.0))


def _open_book(layer: Layer, look: Look) -> None:
    layer.fill(box(0.04, 0.22, 0.96, 0.83, 0.015), Paint(look.colour, "flat", rim=0.3))
    left = [(0.07, 0.24), *curve([(0.07, 0.235), (0.28, 0.2), (0.5, 0.26)], closed=False)]
    left += [*curve([(0.5, 0.82), (0.28, 0.765), (0.07, 0.8)], closed=False)]
    for page in (left, [(1 - x, y) for x, y in left]):
        layer.fill(page, Paint("#f6f1e4", "flat", rim=0.25))
    for row in range(13):
        y = 0.3 + row * 0.034
        for begin, end in ((0.12, 0.45), (0.55, 0.88)):
            short = end - 0.12 if row % 5 == 4 else end
            if begin < 0.5 or row > 5:
                layer.stroke(
                    [(begin, y), (short, y + (0.01 if begin < 0.5 else -0.01))], 0.008, Paint("#77716a", rim=0.0)
                )
    layer.fill(box(0.57, 0.28, 0.86, 0.47), Paint(look.second, "down", look.colour, look.pattern, 0.1))
    layer.crease([(0.5, 0.26), (0.5, 0.82)], 0.04, 0.45)


def draw_hills(layer: Layer, look: Look) -> None:
    """Draw a landscape that fills the layer: a sun and a cloud above hills."""
    layer.fill(box(0, 0, 1, 1), Paint(look.second, "down", rim=0.0))
    layer.fill(ellipse((0.68, 0.27), (0.11, 0.11)), Paint("#ffe7a0", "glow", rim=0.0))
    for x, y in ((0.2, 0.2), (0.27, 0.17), (0.34, 0.2)):
        layer.fill(ellipse((x, y), (0.08, 0.04)), Paint("#e6eef3", "down", rim=0.0))
    for height, colour in ((0.48, "#8fb0b8"), (0.6, "#5f9180"), (0.74, look.colour)):
        ridge = curve(
            [(-0.05, height), (0.2, height - 0.1), (0.45, height + 0.04), (0.75, height - 0.07), (1.05, height)], False
        )
        layer.fill([*ridge, (1, 1), (0, 1)], Paint(colour, "down", rim=0.0, grain=0.03))
