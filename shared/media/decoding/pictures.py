"""Decoding of pictures by Pillow, within the child: header before pixels, upright, in the colours of sRGB."""

import warnings
from contextlib import suppress
from dataclasses import replace
from io import BytesIO

from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from shared.media.decoding.kinds import Kind
from shared.media.decoding.refusals import TooMuch, Unreadable
from shared.media.decoding.webp import webp_size
from shared.media.decoding.wire import PictureDone, Request

FORMATS = {Kind.JPEG: ("JPEG",), Kind.PNG: ("PNG",), Kind.WEBP: ("WEBP",), Kind.HEIC: ("HEIF",)}
SIDE_LIMIT_PX = 65_535
TRANSPARENT_MODES = ("RGBA", "LA", "PA", "La", "RGBa")
DEPTH_16_SCALE = 255 / 65_535
REDUCING_GAP = 2.0
"""Pillow first reduces a picture in cheap whole steps to at least this many times the wanted size."""

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def prepare_pictures() -> bool:
    """Decode a picture of each kind, because nothing can be loaded later; return whether HEIC can be decoded."""
    Image.MAX_IMAGE_PIXELS = None  # `_check` judges the size
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("ignore")
    Image.init()
    has_heic = _load_heic()
    request = Request(Kind.JPEG, cpu_s=0, pixels=1_024, frames=1, side_px=8, sound_s=0)
    for kind in (Kind.JPEG, Kind.PNG, Kind.WEBP, *([Kind.HEIC] if has_heic else [])):
        written = BytesIO()
        Image.new("RGB", (32, 32), "grey").save(written, FORMATS[kind][0], icc_profile=_SRGB.tobytes())
        decode_picture(written.getvalue(), replace(request, kind=kind))
    return has_heic


def _load_heic() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.register_heif_opener(thumbnails=False)
    return True


def decode_picture(content: bytes, request: Request) -> tuple[PictureDone, bytes]:
    """Return a picture as rows of RGB: of an animated one the first frame, in place of transparency white.

    Raises:
        Unreadable: its header cannot be read.
        TooMuch: its header states more pixels or frames than are allowed.
        Exception: the content is damaged or incomplete; the libraries raise errors of many classes.
    """
    if request.kind == Kind.WEBP and (size := webp_size(content)) is not None:
        _check_size(*size, request)
    with _opened(content, Kind(request.kind)) as image:
        _check_size(*image.size, request)
        frames = _checked_frames(image, request)
        original = image.size
        upright = _upright(_small(image, request.side_px))
        return PictureDone(*upright.size, *original, frames), _rgb(upright).tobytes()


def _opened(content: bytes, kind: Kind) -> Image.Image:
    try:
        return Image.open(BytesIO(content), formats=FORMATS[kind])
    except UnidentifiedImageError as error:
        raise Unreadable("its header cannot be read") from error


def _check_size(width: int, height: int, request: Request) -> None:
    if width * height > request.pixels or max(width, height) > SIDE_LIMIT_PX:
        raise TooMuch(f"it has {width} x {height} pixels; at most {request.pixels} are allowed")


def _checked_frames(image: Image.Image, request: Request) -> int:
    frames: int = getattr(image, "n_frames", 1)
    if frames > request.frames:
        raise TooMuch(f"it has {frames} frames; at most {request.frames} are allowed")
    return frames


def _small(image: Image.Image, side_px: int) -> Image.Image:
    """Return a picture whose longer side has at most `side_px` pixels; a JPEG is not even decoded at its full size."""
    if image.mode in ("P", "1") or image.mode.startswith("I"):
        image = _plain(image)
    if max(image.size) > side_px:
        image.thumbnail((side_px, side_px), Image.Resampling.BICUBIC, REDUCING_GAP)
    else:
        image.load()
    return image


def _plain(image: Image.Image) -> Image.Image:
    """Return a picture in a mode whose values can be averaged: no palette, 8 bits a channel."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    return image.point(lambda value: value * DEPTH_16_SCALE + 0).convert("L")


def _upright(image: Image.Image) -> Image.Image:
    """Return a picture turned as its EXIF data say; damaged EXIF data are ignored."""
    with suppress(Exception):
        return ImageOps.exif_transpose(image)
    return image


def _rgb(image: Image.Image) -> Image.Image:
    """Return a picture in sRGB without transparency. A profile that is damaged or does not fit is ignored."""
    profile = image.info.get("icc_profile")
    if "transparency" in image.info and image.mode in ("L", "RGB"):
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    alpha = image.getchannel("A") if image.mode in TRANSPARENT_MODES and "A" in image.getbands() else None
    opaque = image.convert(image.mode[:-1]) if alpha is not None else image
    coloured = _in_srgb(opaque, profile) or opaque.convert("RGB")
    if alpha is None:
        return coloured
    white = Image.new("RGB", image.size, "white")
    white.paste(coloured, mask=alpha)
    return white


def _in_srgb(image: Image.Image, profile: object) -> Image.Image | None:
    if not isinstance(profile, bytes) or not profile:
        return None
    with suppress(Exception):
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        return ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    return None
