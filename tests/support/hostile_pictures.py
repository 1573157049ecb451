"""Picture files, sound and hostile, and what a decoder of pictures must make of each: made in memory, always the same."""

import gzip
import struct
import zlib
from base64 import b64encode
from functools import cache
from typing import Any

import pillow_heif

from schemas.failures import FailureReason
from tests.support.hostile_jpegs import jpeg_cases
from tests.support.picture_files import (
    BROWN,
    GREEN,
    LIMIT,
    Colour,
    PictureCase,
    encoded,
    exif,
    noise,
    padded,
    plain,
    profiled,
    quarters,
    refused,
    sound,
    turned,
)

WHITE, GREY, BLUE = (255, 255, 255), (128, 128, 128), (0, 0, 255)
HALF_BLACK, HALF_BLUE = (127, 127, 127), (127, 127, 255)
MAGIC, END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
SIDE = 16
SMALL = (SIDE, SIDE)
ROW = b"\0" + bytes(BROWN) * SIDE
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of an interlaced PNG: the first column and row of each, and the steps between columns and rows."""

KINDS: dict[str, dict[str, Any]] = {"PNG": {}, "WEBP": {"lossless": True}, "HEIC": {"quality": 95, "chroma": 444}}
"""Kinds, each with options of its encoder."""


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _header(width: int = SIDE, height: int = SIDE, depth: int = 8, kind: int = 2, rest: bytes = bytes(3)) -> bytes:
    return MAGIC + _chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, kind) + rest)


def _rows(rows: bytes) -> bytes:
    return _chunk(b"IDAT", zlib.compress(rows, 9))


def _png(*chunks: bytes) -> bytes:
    """Return a small PNG of BROWN with these chunks before its pixels."""
    return _header() + b"".join(chunks) + _rows(ROW * SIDE) + END


def _grey_png(width: int, height: int, shown: int) -> bytes:
    """Return a PNG of GREY, of which this number of rows is there."""
    return _header(width, height, kind=0) + _rows((b"\0" + b"\x80" * width) * shown) + END


def _of(kind: int, depth: int, pixel: bytes, *chunks: bytes) -> bytes:
    """Return a small PNG of this colour type and depth, each row of which repeats a pixel, or a byte of pixels."""
    rows = (b"\0" + pixel * (SIDE * min(depth, 8) // 8)) * SIDE
    return _header(depth=depth, kind=kind) + b"".join(chunks) + _rows(rows) + END


def _interlaced(passes: int) -> bytes:
    """Return an interlaced PNG of BROWN, of which this number of passes is there."""
    counts = [(-((column - SIDE) // across), -((row - SIDE) // down)) for column, row, across, down in PASSES[:passes]]
    rows = b"".join((b"\0" + bytes(BROWN) * columns) * lines for columns, lines in counts)
    return _header(rest=b"\0\0\1") + _rows(rows) + END


@cache
def _zeros() -> bytes:
    """Return 200 MB of zeros, compressed to 200 kB."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()


def _png_sound() -> list[PictureCase]:
    png, pixels, quarter = _png(), zlib.compress(ROW * SIDE), quarters().tobytes()
    split = b"".join(_chunk(b"IDAT", pixels[at : at + 1]) + _chunk(b"IDAT") for at in range(len(pixels)))
    rows = b"".join(b"\0" + quarter[at : at + 192] for at in range(0, len(quarter), 192))
    late = _header(64, 32) + _rows(rows) + _chunk(b"eXIf", exif()) + END
    contents = {
        "PNG": png,
        "PNG, interlaced": _interlaced(7),
        "PNG whose pixels are in many chunks": _header() + split + END,
        "PNG without its end": png[: -len(END)],
        "PNG with more rows than it claims": _header() + _rows(ROW * 500) + END,
        "PNG with 10,000 chunks of an unknown kind": _png(_chunk(b"quQQ") * 10_000),
        "PNG with EXIF that is damaged": _png(_chunk(b"eXIf", b"junk")),
        "PNG with a profile that does not decompress": _png(_chunk(b"iCCP", b"icc\0\0junk")),
        "PNG that claims an animation of nothing": _png(_chunk(b"acTL", bytes(8))),
        "PNG and a page": png + b"<html><script>alert(1)</script></html>",
        "PNG and a zip": png + b"PK\3\4" + bytes(40),
    }
    return sound(contents, SMALL) + sound({"PNG with EXIF after its pixels": late}, (32, 64), GREEN)


def _png_colours() -> list[PictureCase]:
    palette = _chunk(b"PLTE", bytes((*BROWN, *BLUE)))
    colours: dict[str, tuple[bytes, Colour | None]] = {
        "of one bit": (_of(0, 1, b"\xff"), WHITE),
        "of two bits": (_of(0, 2, b"\x55"), (85, 85, 85)),
        "of four bits": (_of(0, 4, b"\x88"), (136, 136, 136)),
        "of 16-bit grey": (_of(0, 16, b"\x80\0"), GREY),
        "of 16-bit grey, nearly black": (_of(0, 16, b"\x01\0"), (1, 1, 1)),
        "of 16-bit colours": (_of(2, 16, b"\xc8\0\x64\0\x32\0"), BROWN),
        "of 16-bit colours, transparent": (_of(6, 16, bytes(8)), WHITE),
        "of 16-bit grey, half transparent": (_of(4, 16, b"\0\0\x80\0"), HALF_BLACK),
        "of grey, half transparent": (_of(4, 8, b"\0\x80"), HALF_BLACK),
        "of colours, transparent": (_of(6, 8, bytes((*BROWN, 0))), WHITE),
        "of colours, half transparent": (_of(6, 8, b"\0\0\xff\x80"), HALF_BLUE),
        "of a palette": (_of(3, 8, b"\0", palette), BROWN),
        "of a palette of one bit": (_of(3, 1, b"\xff", palette), BLUE),
        "of a palette, transparent": (_of(3, 8, b"\0", palette, _chunk(b"tRNS", b"\0")), WHITE),
        "of a palette, half transparent": (_of(3, 8, b"\1", palette, _chunk(b"tRNS", b"\0\x80")), HALF_BLUE),
        "of a palette, transparent elsewhere": (_of(3, 8, b"\1", palette, _chunk(b"tRNS", b"\0")), BLUE),
        "of a colour that its palette lacks": (_of(3, 8, b"\7", palette), None),
        "of grey that is transparent": (_of(0, 8, b"\x40", _chunk(b"tRNS", b"\0\x40")), WHITE),
        "of a colour that is transparent": (_png(_chunk(b"tRNS", b"\0\xc8\0\x64\0\x32")), WHITE),
        "of one bit, black, which is transparent": (_of(0, 1, b"\0", _chunk(b"tRNS", bytes(2))), WHITE),
        "of 16-bit grey, transparent elsewhere": (_of(0, 16, b"\x80\0", _chunk(b"tRNS", bytes(2))), GREY),
    }
    return [PictureCase(f"PNG {name}", content, None, SMALL, colour) for name, (content, colour) in colours.items()]


def _png_damaged() -> list[PictureCase]:
    png, pixels, text = _png(), zlib.compress(ROW * SIDE), _chunk(b"tEXt", b"Comment\0text")
    changed = pixels[:12] + bytes([pixels[12] ^ 0xFF]) + pixels[13:]
    contents = {
        "of its first bytes": MAGIC,
        "cut in its header": png[:30],
        "cut in its pixels": png[:54],
        "with a wrong checksum of its header": png[:29] + bytes(4) + png[33:],
        "with a wrong checksum before its pixels": _png(text[:-4] + bytes(4)),
        "with a chunk that claims two billion bytes": _png(b"\x7f\xff\xff\xff" + text[4:]),
        "of no width": _header(0) + png[33:],
        "of no height": _header(SIDE, 0) + png[33:],
        "of an unknown kind of colours": _header(kind=5) + png[33:],
        "without pixels": _header() + END,
        "with other pixels than its checksum": _header() + _chunk(b"IDAT", pixels[:-4] + bytes(4)) + END,
        "with pixels that are damaged": _header() + _chunk(b"IDAT", changed) + END,
        "with rows of an unknown filter": _header() + _rows((b"\7" + ROW[1:]) * SIDE) + END,
        "that is not interlaced as it claims": _header(rest=b"\0\0\1") + png[33:],
        "whose pixels end after half of a row": _header() + _rows(ROW * 7 + ROW[:20]) + END,
        "with a palette of 257 colours": _of(3, 8, b"\0", _chunk(b"PLTE", bytes(771))),
        "with an animation that is cut": _png(_chunk(b"acTL", bytes(4))),
        "that claims 8,000 x 8,000 and ends": _header(8_000, 8_000) + _chunk(b"IDAT", pixels[:20]),
        "with a text of 200 MB": _png(_chunk(b"zTXt", b"Comment\0\0" + _zeros())),
        "with a text of 200 MB in Unicode": _png(_chunk(b"iTXt", b"Comment\0\1\0\0\0" + _zeros())),
        "with a text of 200 MB at its end": png[:-12] + _chunk(b"zTXt", b"Comment\0\0" + _zeros()) + END,
        "with a profile of 200 MB": _png(_chunk(b"iCCP", b"icc\0\0" + _zeros())),
        "with 100 texts of 1 MB": _png(_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_000_000))) * 100),
    }
    early = {
        "PNG whose pixels end after half of its rows": _header() + _rows(ROW * 8) + END,
        "PNG whose pixels end after three of seven passes": _interlaced(3),
        "PNG of 8,000 x 8,000 with half of its rows": _grey_png(8_000, 8_000, 4_000),
    }
    return padded(early) + refused({f"PNG {name}": content for name, content in contents.items()})


def _png_large() -> list[PictureCase]:
    cases = []
    for (width, height), size in {
        (65_535, 1): (2_048, 1),
        (1, 65_535): (1, 2_048),
        (30_000, 1): (2_048, 1),
        (1, 30_000): (1, 2_048),
        (5_000, 4_000): (2_048, 1_638),
        (8_192, 8_192): (2_048, 2_048),
    }.items():
        cases += sound({f"PNG of {width:,} x {height:,}": _grey_png(width, height, height)}, size, GREY)
    claims = ((50_000, 50_000), (100_000, 100_000), (0x7FFFFFFF, 1), (0x80000010, SIDE), (0xFFFFFFFF, 0xFFFFFFFF))
    limits = {f"PNG that claims {w:,} x {h:,}": _header(w, h) + _rows(ROW) + END for w, h in claims}
    over = ((65_536, 1), (1, 65_536), (8_193, 8_192))
    return cases + refused(limits | {f"PNG of {w:,} x {h:,}": _grey_png(w, h, h) for w, h in over}, LIMIT)


def _png_animated() -> list[PictureCase]:
    frames = [plain(SMALL, (n, 255 - n, n)) for n in range(256)]
    two, most, more = (encoded(plain(SMALL), "PNG", save_all=True, append_images=frames[:n]) for n in (1, 255, 256))
    outside = _chunk(b"acTL", b"\0\0\0\2" + bytes(4)) + _chunk(b"fcTL", struct.pack(">7I", 0, 4_000, 4_000, 9, 9, 0, 0))
    contents = {"PNG of two frames": two, "PNG of two frames, the second one cut": two[:-30], "PNG of 256 frames": most}
    limits = {"PNG of 257 frames": more, "PNG that claims 300 frames": _png(_chunk(b"acTL", b"\0\0\1\x2c" + bytes(4)))}
    return sound(contents, SMALL) + refused(limits, LIMIT) + refused({"PNG of a frame outside": _png(outside)})


def _part(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) & 1)


def _webp(*parts: bytes) -> bytes:
    return _part(b"RIFF", b"WEBP" + b"".join(parts))


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


def _canvas(flags: int, width: int, height: int) -> bytes:
    return _part(b"VP8X", bytes([flags, 0, 0, 0]) + _three(width - 1) + _three(height - 1))


def _animated(width: int, height: int, frames: int, at: int = 0) -> bytes:
    """Return a WebP with a number of frames of 64 x 64, each at twice this column and row, on a canvas of this size."""
    frame = _part(b"ANMF", _three(at) * 2 + _three(63) * 2 + bytes(4) + encoded(plain(), "WEBP")[12:])
    return _webp(_canvas(2, width, height), _part(b"ANIM", bytes(6)), frame * frames)


def _webp_sound() -> list[PictureCase]:
    webp, clear = encoded(plain(), "WEBP", quality=90), plain(colour=(*BROWN, 0), mode="RGBA")
    half = plain(colour=(*BLUE, 128), mode="RGBA")
    contents = {
        "WebP": webp,
        "WebP, lossless": encoded(plain(), "WEBP", lossless=True),
        "WebP and a zip": webp + b"PK\3\4" + bytes(40),
        "WebP with a canvas": _webp(_canvas(0, 64, 64), webp[12:]),
        "WebP with an unknown chunk": _webp(_canvas(0, 64, 64), _part(b"QQQQ", b"junk"), webp[12:]),
        "WebP with EXIF that is damaged": _webp(_canvas(8, 64, 64), webp[12:], _part(b"EXIF", b"junk")),
        "WebP of two frames": encoded(plain(), "WEBP", save_all=True, append_images=[noise()], lossless=True),
        "WebP of 256 frames": _animated(64, 64, 256),
    }
    exact = encoded(clear, "WEBP", lossless=True, exact=True)
    return [
        *sound(contents),
        *sound({"WebP, transparent": encoded(clear, "WEBP"), "WebP, lossless, transparent": exact}, colour=WHITE),
        *sound({"WebP, half transparent": encoded(half, "WEBP", lossless=True)}, colour=HALF_BLUE),
        *sound({"WebP of noise": encoded(noise(), "WEBP")}, colour=None),
        *sound({"WebP of 16,383 x 1": encoded(plain((16_383, 1)), "WEBP", lossless=True)}, (2_048, 1)),
    ]


def _webp_refused() -> list[PictureCase]:
    webp, lossless = encoded(noise(), "WEBP"), encoded(noise(), "WEBP", lossless=True)
    half, picture, animated = webp[: len(webp) // 2], webp[12:], _animated(64, 64, 2)
    contents = {
        "of its first bytes": webp[:12],
        "cut in its pixels": half,
        "without its last bytes": webp[:-10],
        "cut, with lengths that fit": _webp(_part(b"VP8 ", half[20:])),
        "cut, lossless, with lengths that fit": _webp(_part(b"VP8L", lossless[20:6_000])),
        "that claims no bytes": webp[:4] + bytes(4) + webp[8:],
        "that claims four billion bytes": webp[:4] + b"\xf0\xff\xff\xff" + webp[8:],
        "that claims 8,000 x 8,000": webp[:26] + struct.pack("<HH", 8_000, 8_000) + webp[30:],
        "of no width": webp[:26] + struct.pack("<HH", 0, 64) + webp[30:],
        "with a canvas of another size": _webp(_canvas(0, 100, 100), picture),
        "with a canvas and no picture": _webp(_canvas(0, 64, 64)),
        "with a transparency that is damaged": _webp(_canvas(0x10, 64, 64), _part(b"ALPH", b"\1junk"), picture),
        "without a frame": _animated(64, 64, 0),
        "of a frame outside the picture": _animated(64, 64, 1, at=16),
        "cut in its second frame": animated[:-20],
    }
    limits = {
        "that claims 16,383 x 16,383": webp[:26] + struct.pack("<HH", 16_383, 16_383) + webp[30:],
        "that claims 16,384 x 16,384, lossless": lossless[:21] + b"\xff\xff\xff\x0f" + lossless[25:],
        "with a canvas of 16,383 x 16,383": _webp(_canvas(0, 16_383, 16_383), picture),
        "of a frame on a canvas of 16,383 x 16,383": _animated(16_383, 16_383, 1),
        "of a frame on a canvas of 9,000 x 9,000": _animated(9_000, 9_000, 1),
        "of a frame on a canvas of 70,000 x 100": _animated(70_000, 100, 1),
        "of 257 frames": _animated(64, 64, 257),
    }
    over = refused({f"WebP {name}": content for name, content in limits.items()}, LIMIT)
    return over + refused({f"WebP {name}": content for name, content in contents.items()})


def _heic_sound() -> list[PictureCase]:
    heic = encoded(plain(), "HEIC", quality=90)
    contents = {
        "HEIC": heic,
        "HEIC and a zip": heic + b"PK\3\4" + bytes(40),
        "HEIC of two pictures": encoded(plain(), "HEIC", append_images=list(pillow_heif.from_pillow(noise()))),
        "HEIC with a thumbnail": encoded(plain(), "HEIC", thumbnails=[32]),
        "HEIC of tiles": encoded(plain(), "HEIC", tile_size=32),
    }
    greys = {"HEIC of grey": plain(colour=128, mode="L"), "HEIC of 16-bit grey": plain(colour=32_768, mode="I;16")}
    return [
        *sound(contents),
        *sound({name: encoded(picture, "HEIC") for name, picture in greys.items()}, colour=GREY),
        *sound({"HEIC, transparent": encoded(plain(colour=(*BROWN, 0), mode="RGBA"), "HEIC")}, colour=WHITE),
        *sound({"HEIC of 65 x 33": encoded(plain((65, 33)), "HEIC")}, (65, 33)),
        *sound({"HEIC of 3,000 x 1,000": encoded(plain((3_000, 1_000)), "HEIC")}, (2_048, 683)),
    ]


def _heic_refused() -> list[PictureCase]:
    heic, album = encoded(noise(), "HEIC"), list(pillow_heif.from_pillow(plain(SMALL))) * 256
    item, data, sides = heic.index(b"pitm") + 8, heic.index(b"mdat") + 4, heic.index(b"ispe") + 8
    contents = {
        "of its kind alone": struct.pack(">I", 16) + b"ftypheic" + bytes(4),
        "of its first bytes": heic[:12],
        "cut in its index": heic[:200],
        "cut in its pixels": heic[: len(heic) // 2],
        "without its last byte": heic[:-1],
        "with zeros for pixels": heic[:data] + bytes(len(heic) - data),
        "of a picture that does not exist": heic[:item] + b"\0\x63" + heic[item + 2 :],
        "without settings of its decoder": heic.replace(b"hvcC", b"junk"),
        "with an index that claims two billion bytes": heic[:28] + b"\x7f\xff\xff\xff" + heic[32:],
    }
    wrong = ((0, 64), (64, 0), (65, 64), (32, 32), (8_000, 8_000))
    over = ((9_000, 9_000), (16_384, 16_384), (70_000, 64))
    claims = {size: heic[:sides] + struct.pack(">II", *size) + heic[sides + 8 :] for size in (*wrong, *over)}
    contents |= {f"that claims {width:,} x {height:,}": claims[width, height] for width, height in wrong}
    limits = {f"HEIC that claims {width:,} x {height:,}": claims[width, height] for width, height in over}
    limits["HEIC of 257 pictures"] = encoded(plain(SMALL), "HEIC", append_images=album)
    return refused(limits, LIMIT) + refused({f"HEIC {name}": content for name, content in contents.items()})


def _wrong_kinds() -> list[PictureCase]:
    jpeg, png, webp = (encoded(plain(), kind) for kind in ("JPEG", "PNG", "WEBP"))
    kinds = ("AVIF", "BMP", "GIF", "ICO", "JPEG2000", "PPM", "TIFF")
    contents = {kind: encoded(plain(), kind) for kind in kinds} | {
        "PDF": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
        "zip": b"PK\3\4\x14" + bytes(25) + jpeg,
        "gzip": gzip.compress(png, mtime=0),
        "WAV": b"RIFF\x24\1\0\0WAVEfmt \x10\0\0\0\1\0\1\0" + bytes(280),
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "HTML": b"<!DOCTYPE html><title>404</title>",
        "text": b"a picture",
        "PSD": b"8BPS\0\1" + bytes(20),
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
        "ELF": b"\x7fELF\2\1\1" + bytes(57),
        "MP4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(40),
        "header of GIF before a JPEG": b"GIF89a" + jpeg,
        "byte order mark before a PNG": b"\xef\xbb\xbf" + png,
        "JPEG in base64": b64encode(jpeg),
        "PNG with other line ends": png.replace(b"\r\n", b"\n"),
        "PNG of seven bytes": png[:7],
        "RIFF of an unknown kind": webp[:8] + b"WEBX" + webp[12:],
    }
    return refused({f"wrong kind: {name}": each for name, each in contents.items()}, FailureReason.MEDIA_WRONG_KIND)


def picture_cases() -> list[PictureCase]:
    """Return the cases of all kinds, and files that are of other kinds."""
    png = (_png_sound, _png_colours, _png_damaged, _png_large, _png_animated)
    others = (_webp_sound, _webp_refused, _heic_sound, _heic_refused, _wrong_kinds, jpeg_cases)
    cases = [case for group in (*png, *others) for case in group()]
    for kind, options in KINDS.items():
        cases += turned(kind, **options) + profiled(kind, **options)
    return cases
