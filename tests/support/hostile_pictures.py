"""Picture files, sound and hostile, and what a decoder of pictures must make of each: made in memory, the same each time.

A file is judged by its content alone: it has no name.
"""

import struct
import zlib
from functools import cache

from tests.support.hostile_jpegs import (
    BROWN,
    GREEN,
    LIMIT,
    Colour,
    PictureCase,
    Size,
    encoded,
    exif,
    noise,
    plain,
    quarters,
    refused,
    sound,
)

__all__ = ["PictureCase", "picture_cases"]

WHITE: Colour = (255, 255, 255)
GREY: Colour = (128, 128, 128)
MAGIC = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"
SIDE = 16
SMALL: Size = (SIDE, SIDE)

GREY_KIND, RGB_KIND, PALETTE_KIND, GREY_ALPHA_KIND, RGBA_KIND = 0, 2, 3, 4, 6
"""The colour types of PNG."""

ROW = b"\0" + bytes(BROWN) * SIDE
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of an interlaced PNG: the first column and row of each, and the steps between columns and rows."""


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _header(
    width: int = SIDE, height: int = SIDE, depth: int = 8, kind: int = RGB_KIND, rest: bytes = bytes(3)
) -> bytes:
    return MAGIC + _chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, kind) + rest)


def _rows(rows: bytes) -> bytes:
    return _chunk(b"IDAT", zlib.compress(rows, 9))


def _png(*chunks: bytes) -> bytes:
    """Return a small PNG of BROWN with these chunks before its pixels."""
    return _header() + b"".join(chunks) + _rows(ROW * SIDE) + END


def _grey_png(width: int, height: int, shown: int | None = None) -> bytes:
    """Return a PNG of GREY, of which only these rows are there if a number is given."""
    return (
        _header(width, height, 8, GREY_KIND)
        + _rows((b"\0" + b"\x80" * width) * (height if shown is None else shown))
        + END
    )


def _deep_png(depth: int, kind: int, pixel: bytes, *chunks: bytes) -> bytes:
    """Return a small PNG of this depth and kind; the pixel is repeated over each row."""
    rows = (b"\0" + pixel * (SIDE * depth // 8 if depth < 8 else SIDE)) * SIDE
    return _header(depth=depth, kind=kind) + b"".join(chunks) + _rows(rows) + END


def _interlaced(passes: int = 7) -> bytes:
    """Return an interlaced PNG, of which this number of passes is there."""
    rows = b"".join(
        (b"\0" + bytes(BROWN) * ((SIDE - column + across - 1) // across)) * ((SIDE - row + down - 1) // down)
        for column, row, across, down in PASSES[:passes]
    )
    return _header(rest=b"\0\0\1") + _rows(rows) + END


@cache
def _zeros() -> bytes:
    """Return 200 MB of zeros, compressed to 200 kB."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()


def _png_sound() -> list[PictureCase]:
    png, pixels = _png(), zlib.compress(ROW * SIDE)
    single = b"".join(_chunk(b"IDAT", pixels[at : at + 1]) + _chunk(b"IDAT") for at in range(len(pixels)))
    contents = {
        "PNG": png,
        "PNG, interlaced": _interlaced(),
        "PNG whose pixels are in many chunks": _header() + single + END,
        "PNG without its end": png[: -len(END)],
        "PNG with more rows than it claims": _header() + _rows(ROW * 500) + END,
        "PNG with 10,000 chunks of an unknown kind": _png(_chunk(b"quQQ") * 10_000),
        "PNG with EXIF that is damaged": _png(_chunk(b"eXIf", b"junk")),
        "PNG with a profile that does not decompress": _png(_chunk(b"iCCP", b"icc\0\0junk")),
        "PNG that claims an animation of nothing": _png(_chunk(b"acTL", bytes(8))),
        "PNG and a page": png + b"<html><script>alert(1)</script></html>",
        "PNG and a zip": png + b"PK\3\4" + bytes(40),
        "PNG and half a PNG": png + png[:50],
        "PNG and a JPEG": png + encoded(plain(), "JPEG"),
        "PNG that contains a page": _png(_chunk(b"tEXt", b"Comment\0<script>alert(1)</script>")),
    }
    quarter = quarters().tobytes()
    rows = b"".join(b"\0" + quarter[at : at + 192] for at in range(0, len(quarter), 192))
    late = _header(64, 32) + _rows(rows) + _chunk(b"eXIf", exif()) + END
    return sound(contents, SMALL) + sound({"PNG with EXIF after its pixels": late}, (32, 64), GREEN)


def _png_colours() -> list[PictureCase]:
    palette = _chunk(b"PLTE", bytes((*BROWN, 0, 0, 255)))
    colours: dict[str, tuple[bytes, Colour | None]] = {
        "of one bit": (_deep_png(1, GREY_KIND, b"\xff"), WHITE),
        "of two bits": (_deep_png(2, GREY_KIND, b"\x55"), (85, 85, 85)),
        "of four bits": (_deep_png(4, GREY_KIND, b"\x88"), (136, 136, 136)),
        "of grey": (_deep_png(8, GREY_KIND, b"\x80"), GREY),
        "of 16-bit grey": (_deep_png(16, GREY_KIND, b"\x80\0"), GREY),
        "of 16-bit grey, nearly black": (_deep_png(16, GREY_KIND, b"\x01\0"), (1, 1, 1)),
        "of 16-bit grey, white": (_deep_png(16, GREY_KIND, b"\xff\xff"), WHITE),
        "of 16-bit colours": (_deep_png(16, RGB_KIND, b"\xc8\0\x64\0\x32\0"), BROWN),
        "of 16-bit colours, opaque": (_deep_png(16, RGBA_KIND, b"\xc8\0\x64\0\x32\0\xff\xff"), BROWN),
        "of 16-bit colours, transparent": (_deep_png(16, RGBA_KIND, bytes(8)), WHITE),
        "of 16-bit grey, transparent": (_deep_png(16, GREY_ALPHA_KIND, bytes(4)), WHITE),
        "of 16-bit grey, half transparent": (_deep_png(16, GREY_ALPHA_KIND, b"\0\0\x80\0"), (127, 127, 127)),
        "of grey, transparent": (_deep_png(8, GREY_ALPHA_KIND, bytes(2)), WHITE),
        "of grey, half transparent": (_deep_png(8, GREY_ALPHA_KIND, b"\0\x80"), (127, 127, 127)),
        "of colours, opaque": (_deep_png(8, RGBA_KIND, bytes((*BROWN, 255))), BROWN),
        "of colours, transparent": (_deep_png(8, RGBA_KIND, bytes((*BROWN, 0))), WHITE),
        "of colours, half transparent": (_deep_png(8, RGBA_KIND, b"\0\0\xff\x80"), (127, 127, 255)),
        "of a palette": (_deep_png(8, PALETTE_KIND, b"\0", palette), BROWN),
        "of a palette of one bit": (_deep_png(1, PALETTE_KIND, b"\xff", palette), (0, 0, 255)),
        "of a palette of four bits": (_deep_png(4, PALETTE_KIND, b"\x11", palette), (0, 0, 255)),
        "of a palette, transparent": (_deep_png(8, PALETTE_KIND, b"\0", palette, _chunk(b"tRNS", b"\0")), WHITE),
        "of a palette, half": (_deep_png(8, PALETTE_KIND, b"\1", palette, _chunk(b"tRNS", b"\0\x80")), (127, 127, 255)),
        "of a palette, partly": (_deep_png(8, PALETTE_KIND, b"\1", palette, _chunk(b"tRNS", b"\0")), (0, 0, 255)),
        "of a palette, outside": (_deep_png(8, PALETTE_KIND, b"\7", palette), None),
        "of grey that is transparent": (_deep_png(8, GREY_KIND, b"\x40", _chunk(b"tRNS", b"\0\x40")), WHITE),
        "of a colour that is transparent": (_png(_chunk(b"tRNS", b"\0\xc8\0\x64\0\x32")), WHITE),
        "of another transparent colour": (_png(_chunk(b"tRNS", bytes(6))), BROWN),
        "of black that is transparent": (_deep_png(1, GREY_KIND, b"\0", _chunk(b"tRNS", bytes(2))), WHITE),
        "of 16-bit grey, black is transparent": (_deep_png(16, GREY_KIND, b"\x80\0", _chunk(b"tRNS", bytes(2))), GREY),
    }
    return [PictureCase(f"PNG {name}", content, None, SMALL, colour) for name, (content, colour) in colours.items()]


def _png_damaged() -> list[PictureCase]:
    png, pixels = _png(), zlib.compress(ROW * SIDE)
    text = _chunk(b"tEXt", b"Comment\0text")
    other = bytes([pixels[12] ^ 0xFF])
    contents = {
        "of its first bytes": MAGIC,
        "cut in its header": png[:30],
        "cut in its pixels": png[:54],
        "with a wrong checksum of its header": png[:29] + b"\0\0\0\0" + png[33:],
        "with a wrong checksum before its pixels": _png(text[:-4] + b"\0\0\0\0"),
        "with a chunk that claims two billion bytes": _png(b"\x7f\xff\xff\xff" + text[4:]),
        "that does not start with a header": MAGIC + text + png[8:],
        "with a header that is cut": MAGIC + _chunk(b"IHDR", bytes(5)) + png[33:],
        "of no width": _header(0) + png[33:],
        "of no height": _header(SIDE, 0) + png[33:],
        "of three bits": _header(depth=3) + png[33:],
        "of an unknown kind of colours": _header(kind=5) + png[33:],
        "of an unknown compression": _header(rest=b"\1\0\0") + png[33:],
        "without pixels": _header() + END,
        "with an empty chunk of pixels": _header() + _chunk(b"IDAT") + END,
        "with other pixels than its checksum": _header() + _chunk(b"IDAT", pixels[:-4] + bytes(4)) + END,
        "with pixels that do not decompress": _header() + _chunk(b"IDAT", b"junk" * 9) + END,
        "with a pixel that is damaged": _header() + _chunk(b"IDAT", pixels[:12] + other + pixels[13:]) + END,
        "with rows of an unknown filter": _header() + _rows((b"\7" + ROW[1:]) * SIDE) + END,
        "that is not interlaced as it claims": _header(rest=b"\0\0\1") + png[33:],
        "whose pixels end in a row": _header() + _rows(ROW * 7 + ROW[:20]) + END,
        "whose pixels end after half of its rows": _header() + _rows(ROW * 8) + END,
        "whose pixels end after three of seven passes": _interlaced(3),
        "with a palette of 257 colours": _deep_png(8, PALETTE_KIND, b"\0", _chunk(b"PLTE", bytes(771))),
        "with a transparent colour that is cut": _png(_chunk(b"tRNS")),
        "with a resolution that is cut": _png(_chunk(b"pHYs")),
        "with an animation that is cut": _png(_chunk(b"acTL", bytes(4))),
        "that claims 8,000 x 8,000 and ends": _header(8_000, 8_000) + _chunk(b"IDAT", pixels[:20]),
        "of 8,000 x 8,000 with half of its rows": _grey_png(8_000, 8_000, 4_000),
        "with a text of 200 MB": _png(_chunk(b"zTXt", b"Comment\0\0" + _zeros())),
        "with a text of 200 MB in Unicode": _png(_chunk(b"iTXt", b"Comment\0\1\0\0\0" + _zeros())),
        "with a text of 200 MB at its end": png[:-12] + _chunk(b"zTXt", b"Comment\0\0" + _zeros()) + END,
        "with a profile of 200 MB": _png(_chunk(b"iCCP", b"icc\0\0" + _zeros())),
        "with 100 texts of 1 MB": _png(_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_000_000))) * 100),
    }
    return refused({f"PNG {name}": content for name, content in contents.items()})


def _png_large() -> list[PictureCase]:
    sizes = {
        (65_535, 1): (2_048, 1),
        (1, 65_535): (1, 2_048),
        (30_000, 1): (2_048, 1),
        (1, 30_000): (1, 2_048),
        (5_000, 4_000): (2_048, 1_638),
        (2_048, 2_048): (2_048, 2_048),
        (8_192, 8_192): (2_048, 2_048),
    }
    cases = []
    for (width, height), size in sizes.items():
        cases += sound({f"PNG of {width:,} x {height:,}": _grey_png(width, height)}, size, GREY)
    over = ((65_536, 1), (1, 65_536), (8_193, 8_192))
    claims = ((50_000, 50_000), (100_000, 100_000), (0x7FFFFFFF, 1), (0x80000010, SIDE), (0xFFFFFFFF, 0xFFFFFFFF))
    limits = {f"PNG of {width:,} x {height:,}": _grey_png(width, height) for width, height in over}
    limits |= {f"PNG that claims {w:,} x {h:,}": _header(w, h) + _rows(ROW) + END for w, h in claims}
    return cases + refused(limits, LIMIT)


def _png_animated() -> list[PictureCase]:
    frames = [plain(SMALL, (n, 255 - n, n)) for n in range(256)]
    two, most, more = (
        encoded(plain(SMALL), "PNG", save_all=True, append_images=frames[:others]) for others in (1, 255, 256)
    )
    outside = _chunk(b"acTL", b"\0\0\0\2\0\0\0\0") + _chunk(
        b"fcTL", struct.pack(">IIIIIIH", 0, 4_000, 4_000, 9, 9, 0, 0)
    )
    return [
        *sound(
            {"PNG of two frames": two, "PNG of two frames, cut in the second": two[:-30], "PNG of 256 frames": most},
            SMALL,
        ),
        *refused(
            {"PNG of 257 frames": more, "PNG that claims 300 frames": _png(_chunk(b"acTL", b"\0\0\1\x2c" + bytes(4)))},
            LIMIT,
        ),
        *refused({"PNG of a frame outside the picture": _png(outside)}),
    ]


def _riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _part(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) & 1)


def _canvas(flags: int, width: int, height: int) -> bytes:
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return _part(b"VP8X", bytes([flags, 0, 0, 0]) + sides)


def _animated(width: int, height: int, frames: int, at: int = 0) -> bytes:
    """Return an animated WebP: frames of 64 x 64 on a canvas of this size."""
    place = struct.pack("<I", at)[:3] * 2 + b"\x3f\0\0" * 2 + b"\x64\0\0\0"
    frame = _part(b"ANMF", place + encoded(plain(), "WEBP")[12:])
    return _riff(_canvas(2, width, height), _part(b"ANIM", bytes(6)), frame * frames)


def _webp_sound() -> list[PictureCase]:
    webp, lossless = encoded(plain(), "WEBP", quality=90), encoded(plain(), "WEBP", lossless=True)
    contents = {
        "WebP": webp,
        "WebP, lossless": lossless,
        "WebP and a zip": webp + b"PK\3\4" + bytes(40),
        "WebP with a canvas": _riff(_canvas(0, 64, 64), webp[12:]),
        "WebP with an unknown chunk": _riff(_canvas(0, 64, 64), _part(b"QQQQ", b"junk"), webp[12:]),
        "WebP with a profile that is absent": _riff(_canvas(0x20, 64, 64), webp[12:]),
        "WebP with EXIF that is damaged": _riff(_canvas(8, 64, 64), webp[12:], _part(b"EXIF", b"junk")),
        "WebP of two frames": encoded(plain(), "WEBP", save_all=True, append_images=[noise()], lossless=True),
        "WebP of 256 frames": _animated(64, 64, 256),
    }
    clear, half = plain(colour=(*BROWN, 0), mode="RGBA"), plain(colour=(0, 0, 255, 128), mode="RGBA")
    transparent = {
        "WebP, transparent": encoded(clear, "WEBP"),
        "WebP, lossless and transparent": encoded(clear, "WEBP", lossless=True, exact=True),
    }
    return [
        *sound(contents),
        *sound(transparent, colour=WHITE),
        *sound({"WebP, half transparent": encoded(half, "WEBP", lossless=True)}, colour=(127, 127, 255)),
        *sound({"WebP of noise": encoded(noise(), "WEBP")}, colour=None),
        *sound({"WebP of 16,383 x 1": encoded(plain((16_383, 1)), "WEBP", lossless=True)}, (2_048, 1)),
        *sound({"WebP of 1 x 1": encoded(plain((1, 1)), "WEBP", lossless=True)}, (1, 1)),
    ]


def _webp_refused() -> list[PictureCase]:
    webp, lossless = encoded(noise(), "WEBP"), encoded(noise(), "WEBP", lossless=True)
    half = webp[: len(webp) // 2]
    animated, picture = _animated(64, 64, 2), webp[12:]
    contents = {
        "of its first bytes": webp[:12],
        "cut in its header": webp[:30],
        "cut": half,
        "without its last bytes": webp[:-10],
        "cut, with lengths that fit": _riff(_part(b"VP8 ", half[20:])),
        "of an unknown chunk": _riff(_part(b"QQQQ", b"junk"), picture),
        "that claims no bytes": webp[:4] + bytes(4) + webp[8:],
        "that claims four billion bytes": webp[:4] + b"\xf0\xff\xff\xff" + webp[8:],
        "that claims more bytes": webp[:4] + struct.pack("<I", len(webp) + 92) + webp[8:],
        "that claims fewer bytes": webp[:4] + struct.pack("<I", 40) + webp[8:],
        "that claims 128 x 128": webp[:26] + struct.pack("<HH", 128, 128) + webp[30:],
        "that claims 8,000 x 8,000": webp[:26] + struct.pack("<HH", 8_000, 8_000) + webp[30:],
        "of no width": webp[:26] + struct.pack("<HH", 0, 64) + webp[30:],
        "with a canvas of another size": _riff(_canvas(0, 100, 100), picture),
        "with a canvas and no picture": _riff(_canvas(0, 64, 64)),
        "with a transparency that is damaged": _riff(_canvas(0x10, 64, 64), _part(b"ALPH", b"\1junk"), picture),
        "without a frame": _animated(64, 64, 0),
        "of a frame outside the picture": _animated(64, 64, 1, at=16),
        "cut in its first frame": animated[:100],
        "cut in its second frame": animated[:-20],
        ", lossless, cut": lossless[:6_000],
        ", lossless, cut, with lengths that fit": _riff(_part(b"VP8L", lossless[20:6_000])),
        ", lossless, that claims 128 x 128": lossless[:21] + struct.pack("<I", 127 | 127 << 14) + lossless[25:],
    }
    limits = {
        "that claims 16,383 x 16,383": webp[:26] + struct.pack("<HH", 16_383, 16_383) + webp[30:],
        ", lossless, that claims 16,384 x 16,384": lossless[:21] + b"\xff\xff\xff\x0f" + lossless[25:],
        "with a canvas of 16,383 x 16,383": _riff(_canvas(0, 16_383, 16_383), picture),
        "of a frame on a canvas of 16,383 x 16,383": _animated(16_383, 16_383, 1),
        "of a frame on a canvas of 9,000 x 9,000": _animated(9_000, 9_000, 1),
        "of a frame on a canvas of 70,000 x 100": _animated(70_000, 100, 1),
        "of 257 frames": _animated(64, 64, 257),
    }
    named = [{f"WebP {name}".replace(" ,", ","): each for name, each in group.items()} for group in (contents, limits)]
    return refused(named[0]) + refused(named[1], LIMIT)


def _heic_sound() -> list[PictureCase]:
    heic = encoded(plain(), "HEIC", quality=90)
    contents = {
        "HEIC": heic,
        "HEIC and a zip": heic + b"PK\3\4" + bytes(40),
        "HEIC with an unknown box": heic + struct.pack(">I", 12) + b"junkjunk",
        "HEIC of deeper colours": heic[:8] + b"heix" + heic[12:],
        "HEIC of two pictures": encoded(plain(), "HEIC", append_images=list(pillow_heif.from_pillow(noise()))),
        "HEIC with a thumbnail": encoded(plain(), "HEIC", thumbnails=[32]),
        "HEIC of tiles": encoded(plain(), "HEIC", tile_size=32),
    }
    return [
        *sound(contents),
        *sound({"HEIC of noise": encoded(noise(), "HEIC")}, colour=None),
        *sound({"HEIC of grey": encoded(plain(colour=128, mode="L"), "HEIC")}, colour=GREY),
        *sound({"HEIC of 16-bit grey": encoded(plain(colour=32_768, mode="I;16"), "HEIC")}, colour=GREY),
        *sound({"HEIC, transparent": encoded(plain(colour=(*BROWN, 0), mode="RGBA"), "HEIC")}, colour=WHITE),
        *sound({"HEIC of 65 x 33": encoded(plain((65, 33)), "HEIC")}, (65, 33)),
        *sound({"HEIC of 3,000 x 1,000": encoded(plain((3_000, 1_000)), "HEIC")}, (2_048, 683)),
    ]


def _heic_refused() -> list[PictureCase]:
    heic = encoded(noise(), "HEIC")
    item, data, sides = heic.index(b"pitm"), heic.index(b"mdat"), heic.index(b"ispe") + 8
    contents = {
        "of its kind alone": struct.pack(">I", 16) + b"ftypheic" + bytes(4),
        "of its first bytes": heic[:12],
        "cut before its index": heic[:28],
        "cut in its index": heic[:200],
        "cut in its pixels": heic[: len(heic) // 2],
        "without its last byte": heic[:-1],
        "without pixels": heic[: data + 4] + bytes(len(heic) - data - 4),
        "of a picture that does not exist": heic[: item + 8] + b"\0\x63" + heic[item + 10 :],
        "without settings of its decoder": heic.replace(b"hvcC", b"junk"),
        "without places of its pixels": heic.replace(b"iloc", b"junk"),
        "of an index that claims two billion bytes": heic[:28] + b"\x7f\xff\xff\xff" + heic[32:],
    }
    wrong = ((0, 64), (64, 0), (65, 64), (32, 32), (8_000, 8_000))
    limits = ((9_000, 9_000), (16_384, 16_384), (70_000, 64))
    named = [
        {
            f"HEIC that claims {w:,} x {h:,}": heic[: sides + 4] + struct.pack(">II", w, h) + heic[sides + 12 :]
            for w, h in group
        }
        for group in (wrong, limits)
    ]
    album = encoded(plain(SMALL), "HEIC", append_images=list(pillow_heif.from_pillow(plain(SMALL))) * 256)
    cut = refused({f"HEIC {name}": content for name, content in contents.items()})
    return cut + refused(named[0]) + refused(named[1] | {"HEIC of 257 pictures": album}, LIMIT)


def _packed() -> dict[str, bytes]:
    archive, sound_file = BytesIO(), BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(zipfile.ZipInfo("picture.jpg"), encoded(plain(), "JPEG"))
    with wave.open(sound_file, "wb") as samples:
        samples.setparams((1, 2, 8_000, 0, "NONE", ""))
        samples.writeframes(bytes(800))
    return {
        "zip": archive.getvalue(),
        "WAV": sound_file.getvalue(),
        "gzip": gzip.compress(encoded(plain(), "PNG"), mtime=0),
    }


def _wrong_kinds() -> list[PictureCase]:
    jpeg, png, webp = (encoded(plain(), kind) for kind in ("JPEG", "PNG", "WEBP"))
    kinds = {"AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG2000", "PCX", "PDF", "PPM", "SGI", "TGA", "TIFF"}
    contents = (
        {kind: encoded(plain(), kind) for kind in sorted(kinds)}
        | _packed()
        | {
            "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
            "HTML": b"<!DOCTYPE html><title>404</title>",
            "text": b"a picture",
            "one byte": b"\xff",
            "two bytes of a JPEG": jpeg[:2],
            "PSD": b"8BPS\0\1" + bytes(20),
            "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
            "ELF": b"\x7fELF\2\1\1" + bytes(57),
            "MP4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(40),
            "JPEG XL": b"\xff\x0a" + bytes(40),
            "zeros": bytes(1_000),
            "GIF header before a JPEG": b"GIF89a" + jpeg,
            "line end before a JPEG": b"\n" + jpeg,
            "byte order mark before a PNG": b"\xef\xbb\xbf" + png,
            "JPEG in base64": b64encode(jpeg),
            "PNG with other line ends": png.replace(b"\r\n", b"\n"),
            "PNG without its first byte": png[1:],
            "PNG of seven bytes": png[:7],
            "RIFF of an unknown kind": webp[:8] + b"WEBX" + webp[12:],
            "WebP of eleven bytes": webp[:11],
        }
    )
    return refused(
        {f"not a picture, {name}": content for name, content in contents.items()}, FailureReason.MEDIA_WRONG_KIND
    )


def picture_cases() -> list[PictureCase]:
    """Return the cases of all kinds, with files that are not pictures of these kinds."""
    png = (_png_sound, _png_colours, _png_damaged, _png_large, _png_animated)
    groups = (*png, _webp_sound, _webp_refused, _heic_sound, _heic_refused, _wrong_kinds, jpeg_cases)
    shared = [
        case for kind, options in _KINDS.items() for case in (*turned(kind, **options), *profiled(kind, **options))
    ]
    return shared + [case for group in groups for case in group()]
