"""Sets a drawn product into a scene, as a photographer would: turned, before a backdrop, with its shadow and some noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFilter

from benchmarks.drawing.layer import SIDE_PX

SUPERSAMPLING = 3
HORIZON = 0.66
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scene:
    """What surrounds a product.

    Attributes:
        width_px: Width of the finished picture.
        height_px: Its height.
        backdrop: `white`, `studio`, `table`, `wood`, `cloth`, `tiles` or `transparent`.
        ground: The colour of the backdrop.
        wall: The colour behind a table.
        angle: How far the product is turned, counter-clockwise, in degrees.
        size: Its side, divided by the shorter side of the picture.
        squeeze: Its width, divided by what it is seen straight on.
        lean: How far its top is moved to the left, divided by its height.
        flip: Whether it is mirrored.
        at: Where its centre is, divided by width and height of the picture.
        is_standing: Whether it stands on the ground; otherwise it lies on it.
        noise: Standard deviation of the camera's noise, of 255.
    """

    width_px: int = 360
    height_px: int = 360
    backdrop: str = "studio"
    ground: str = "#e8e6e1"
    wall: str = "#dfe5e8"
    angle: float = 0.0
    size: float = 0.92
    squeeze: float = 1.0
    lean: float = 0.0
    flip: bool = False
    at: tuple[float, float] = (0.5, 0.5)
    is_standing: bool = True
    noise: float = 2.0


def photograph(product: Image.Image, scene: Scene, random: np.random.Generator) -> Image.Image:
    """Return the finished picture: RGB, or RGBA if its backdrop is transparent."""
    size = (scene.width_px * SUPERSAMPLING, scene.height_px * SUPERSAMPLING)
    placed = Image.new("RGBA", size)
    turned = _turned(product, scene, round(scene.size * min(size)))
    corner = (round(scene.at[0] * size[0] - turned.width / 2), round(scene.at[1] * size[1] - turned.height / 2))
    placed.paste(turned, corner)
    finished = (scene.width_px, scene.height_px)
    if scene.backdrop == "transparent":
        return placed.resize(finished, Image.Resampling.LANCZOS)
    ground = Image.fromarray((np.clip(_backdrop(scene, size, random), 0, 1) * 255).astype(np.uint8))
    _cast_shadow(ground, placed, scene)
    ground.paste(placed, mask=placed.getchannel("A"))
    return _developed(ground.resize(finished, Image.Resampling.LANCZOS), scene, random)


def _turned(product: Image.Image, scene: Scene, side_px: int) -> Image.Image:
    if scene.flip:
        product = product.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    middle = SIDE_PX / 2
    across = (1 / scene.squeeze, -scene.lean, middle - middle / scene.squeeze + scene.lean * middle, 0, 1, 0)
    product = product.transform(product.size, Image.Transform.AFFINE, across, Image.Resampling.BICUBIC)
    product = product.rotate(scene.angle, Image.Resampling.BICUBIC, expand=True)
    scale = side_px / SIDE_PX
    return product.resize((round(product.width * scale), round(product.height * scale)), Image.Resampling.LANCZOS)


def _cast_shadow(ground: Image.Image, placed: Image.Image, scene: Scene) -> None:
    """Darken the ground behind the product."""
    alpha, unit = placed.getchannel("A"), min(placed.size)
    frame = alpha.getbbox()
    if frame is None:
        return
    shadow = Image.new("L", placed.size)
    if scene.is_standing:
        deep = (frame[2] - frame[0]) * 0.07
        bottom = frame[3] - deep * 0.3
        where = (frame[0] - deep * 0.2, bottom - deep, frame[2] + deep * 1.6, bottom + deep)
        ImageDraw.Draw(shadow).ellipse(where, fill=150)
        shadow = shadow.filter(ImageFilter.GaussianBlur(unit * 0.018))
    else:
        shadow.paste(alpha.point(lambda value: round(value * 0.5)), (round(unit * 0.018), round(unit * 0.026)))
        shadow = shadow.filter(ImageFilter.GaussianBlur(unit * 0.016))
    ground.paste(Image.new("RGB", ground.size, "#15130f"), mask=shadow)


def _backdrop(scene: Scene, size: tuple[int, int], random: np.random.Generator) -> Floats:
    """Return the picture without the product, shape (height, width, 3), from 0 to 1."""
    ground = np.array(ImageColor.getrgb(scene.ground)[:3]) / 255
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    if scene.backdrop == "white":
        return np.ones((size[1], size[0], 3))
    if scene.backdrop == "table":
        wall = np.array(ImageColor.getrgb(scene.wall)[:3]) / 255
        share = np.clip((y - HORIZON) * 60 + 0.5, 0, 1)[..., None]
        tone = np.where(y < HORIZON, 1.04 - 0.22 * x, 1.08 - 0.5 * (y - HORIZON) - 0.1 * x)[..., None]
        return np.asarray((wall * (1 - share) + ground * share) * tone)
    if scene.backdrop == "wood":
        tone = _wood(x, y, size, random)
    elif scene.backdrop == "cloth":
        tone = 0.97 + 0.05 * _smooth(random, size, (9, 9)) + 0.05 * _smooth(random, size, (160, 160))
    elif scene.backdrop == "tiles":
        joint = np.minimum(abs(x * 4 % 1 - 0.5), abs(y * 4 % 1 - 0.5))
        tone = np.where(joint < 0.02, 0.86, 1.0) + 0.04 * _smooth(random, size, (4, 4))
    else:
        tone = 1.05 - 0.55 * ((x - 0.45) ** 2 + (y - 0.45) ** 2)
    return np.asarray(ground * (tone * (1.03 - 0.08 * x))[..., None])


def _wood(x: Floats, y: Floats, size: tuple[int, int], random: np.random.Generator) -> Floats:
    planks = y * 5
    tone = 0.96 + 0.07 * _smooth(random, size, (4, 90)) + 0.03 * np.sin(y * 260 + 9 * _smooth(random, size, (3, 5)))
    tone += 0.05 * np.sin(np.floor(planks) * 12.9 + np.round(x * 0))
    return np.asarray(np.where(planks % 1 < 0.025, tone * 0.72, tone))


def _smooth(random: np.random.Generator, size: tuple[int, int], cells: tuple[int, int]) -> Floats:
    """Return smooth noise from -1 to 1, shape (height, width), of this many cells across and down."""
    coarse = Image.fromarray(random.integers(0, 256, (cells[1], cells[0]), np.uint8))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), float) / 127.5 - 1


def _developed(picture: Image.Image, scene: Scene, random: np.random.Generator) -> Image.Image:
    """Return a picture with darker corners and the noise of a camera."""
    pixels = np.asarray(picture, float)
    if scene.backdrop == "white":
        return picture
    down, across = np.meshgrid(*(np.linspace(-1, 1, each) for each in pixels.shape[:2]), indexing="ij")
    pixels = pixels * (1 - 0.07 * (down**2 + across**2))[..., None]
    pixels = pixels + random.normal(0, scene.noise, pixels.shape)
    return Image.fromarray(np.clip(pixels.round(), 0, 255).astype(np.uint8))
