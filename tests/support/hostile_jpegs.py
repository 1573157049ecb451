"""JPEG files, sound and hostile, and what a decoder of pictures must make of each."""

import struct
from typing import Any

from PIL import Image, ImageChops

from tests.support.picture_files import (
    BROWN,
    GREEN,
    LIMIT,
    SRGB,
    SWAPPED,
    YELLOW,
    PictureCase,
    Size,
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

START, SCAN, END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"


def _jpeg(picture: Image.Image, **options: Any) -> bytes:
    return encoded(picture, "JPEG", **({"quality": 95, "subsampling": 0} | options))


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def _with(jpeg: bytes, *segments: bytes) -> bytes:
    """Return a JPEG with these segments before all others."""
    return START + b"".join(segments) + jpeg[2:]


def _without(jpeg: bytes, marker: bytes) -> bytes:
    """Return a JPEG without the segments of this marker."""
    while (at := jpeg.find(marker, 0, jpeg.find(SCAN))) >= 0:
        jpeg = jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") :]
    return jpeg


def _frame(jpeg: bytes, at: int, data: bytes) -> bytes:
    """Return a JPEG of three colours with other bytes in its frame header, from this byte after its marker on."""
    start = jpeg.index(b"\0\x11\x08") + at
    return jpeg[:start] + data + jpeg[start + len(data) :]


def _claiming(width: int, height: int) -> bytes:
    """Return a JPEG whose header claims another size than its pixels have."""
    return _frame(_jpeg(noise()), 3, struct.pack(">HH", height, width))


def _sound() -> list[PictureCase]:
    flat = _jpeg(plain())
    contents = {
        "JPEG": flat,
        "JPEG, progressive": _jpeg(plain(), progressive=True),
        "JPEG with its own Huffman tables": _jpeg(plain(), optimize=True),
        "JPEG with restart markers": _jpeg(plain(), restart_marker_blocks=1),
        "JPEG with less colour than light": _jpeg(plain(), subsampling=2),
        "JPEG without Huffman tables, which are then the usual ones": _without(flat, b"\xff\xc4"),
        "JPEG with a comment of 60 kB": _with(flat, _segment(0xFE, b"x" * 60_000)),
        "JPEG with 5,000 application segments": _with(flat, *[_segment(0xE5, b"%d" % n) for n in range(5_000)]),
        "JPEG with 5,000 EXIF segments": _with(flat, _segment(0xE1, b"Exif\0\0" + bytes(9)) * 5_000),
        "JPEG with fill bytes between segments": _with(flat, b"\xff" * 500),
        "JPEG with a picture index that is damaged": _with(flat, _segment(0xE2, b"MPF\0junk")),
        "JPEG with print settings that are cut": _with(flat, _segment(0xED, b"Photoshop 3.0\x008BIM\3\xed" + bytes(6))),
        "JPEG and a zip": flat + b"PK\3\4" + bytes(40),
        "JPEG and a page": flat + b"<html><script>alert(1)</script></html>",
        "JPEG and zeros": flat + bytes(100_000),
        "JPEG and half a JPEG": flat + _jpeg(noise())[:1_000],
    }
    noisy = {
        "JPEG of noise": _jpeg(noise()),
        "JPEG of noise, progressive": _jpeg(noise(), progressive=True),
        "JPEG of noise with restart markers": _jpeg(noise(), restart_marker_blocks=1),
    }
    return sound(contents) + sound(noisy, colour=None)


def _exif() -> list[PictureCase]:
    two = b"MM\0*\0\0\0\x08\0\2" + exif()[10:22]
    thumbnail = b"\0\2\2\1\0\4\0\0\0\1\0\0\0\x38\2\2\0\4\0\0\0\1" + struct.pack(">I", len(_jpeg(plain()))) + bytes(4)
    applied = {
        "whose directory is followed by itself": exif(following=8),
        "whose directory contains itself": two + b"\x87\x69\0\4\0\0\0\1\0\0\0\x08" + bytes(4),
        "in the other byte order": b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0",
        "with a thumbnail": exif(following=26) + thumbnail + _jpeg(plain()),
        "with a resolution of nothing": two + b"\1\x1a\0\5\0\0\0\1\0\0\0\x26" + bytes(12),
    }
    ignored = {
        "that is empty": b"",
        "that is cut": exif()[:4],
        "of an unknown byte order": b"XX" + exif()[2:],
        "whose directory is outside": exif()[:4] + b"\x7f\xff\xff\xff",
        "that claims two billion values": exif(count=0x7FFFFFFF),
        "without a value": exif(count=0),
        "whose orientation is a text": exif(kind=2, count=2, value=b"6\0\0\0"),
        "whose orientation is of an unknown type": exif(kind=99),
        "whose orientation is a fraction outside": exif(kind=5, value=b"\0\0\xff\0"),
        "whose orientation is not a number": exif(kind=11, value=b"\x7f\xc0\0\0"),
        "that claims 65,535 entries": b"MM\0*\0\0\0\x08\xff\xff" + exif(1)[10:],
        "without an entry, followed by itself": b"MM\0*\0\0\0\x08\0\0\0\0\0\x08",
    }
    jpeg = _jpeg(quarters())
    groups = [
        {f"JPEG with EXIF {name}": _with(jpeg, _segment(0xE1, b"Exif\0\0" + data)) for name, data in group.items()}
        for group in (applied, ignored)
    ]
    return sound(groups[0], (32, 64), GREEN) + sound(groups[1], (64, 32), YELLOW)


def _ycck() -> bytes:
    """Return a JPEG of BROWN in YCCK: as Pillow writes no such file, a CMYK file whose planes are YCbCr of CMY."""
    light, *colours = plain(colour=tuple(255 - part for part in BROWN)).convert("YCbCr").split()
    planes = [ImageChops.invert(plane) for plane in (light, *colours)]
    jpeg = _jpeg(Image.merge("CMYK", [*planes, plain(colour=0, mode="L")]))
    at = jpeg.index(b"Adobe") + 11
    return jpeg[:at] + b"\2" + jpeg[at + 1 :]


def _colours() -> list[PictureCase]:
    cmyk, grey = plain().convert("CMYK"), plain(colour=77, mode="L")
    first = _segment(0xE2, b"ICC_PROFILE\0\1\2" + SWAPPED[:300])
    second = _segment(0xE2, b"ICC_PROFILE\0\2\2" + SWAPPED[300:])
    contents = {
        "JPEG in CMYK of Adobe": _jpeg(cmyk),
        "JPEG in YCCK": _ycck(),
        "JPEG in RGB": _jpeg(plain(), keep_rgb=True),
        "JPEG in CMYK with a profile of RGB": _jpeg(cmyk, icc_profile=SRGB),
        "JPEG with one of two parts of a profile": _with(_jpeg(plain()), first),
    }
    greys = {"JPEG of grey": _jpeg(grey), "JPEG of grey with a profile of RGB": _jpeg(grey, icc_profile=SRGB)}
    disordered = {"JPEG with a profile in two parts, the second first": _with(_jpeg(plain()), second, first)}
    unmarked = {"JPEG in CMYK without a mark of Adobe": _without(_jpeg(cmyk), b"\xff\xee")}
    swapped = sound(disordered, colour=(100, 200, 50))
    return sound(contents) + sound(greys, colour=(77, 77, 77)) + sound(unmarked, colour=None) + swapped


def _cut() -> list[PictureCase]:
    jpeg, progressive = _jpeg(noise()), _jpeg(noise(), progressive=True)
    scan, half = jpeg.index(SCAN), len(jpeg) // 2
    second = progressive.index(SCAN, progressive.index(SCAN) + 2)
    closed = padded(
        {
            "JPEG cut in its pixels, with an end": jpeg[:half] + END,
            "JPEG with restart markers, cut, with an end": _jpeg(noise(), restart_marker_blocks=3)[: half - 9] + END,
            "JPEG, progressive, cut in its first scan, with an end": progressive[: second - 40] + END,
            "JPEG with an end amid its pixels": jpeg[:half] + END + jpeg[half + 2 :],
            "JPEG with another segment amid its pixels": jpeg[:half] + b"\xff\xe5" + jpeg[half + 2 :],
        }
    )
    return closed + refused(
        {
            "JPEG of three bytes": jpeg[:3],
            "JPEG of a start and an end": START + END,
            "JPEG cut in its tables": jpeg[: scan - 100],
            "JPEG cut before its pixels": jpeg[:scan],
            "JPEG cut in its pixels": jpeg[:half],
            "JPEG cut in its last row": jpeg[:-100],
            "JPEG without its end": jpeg[:-2],
            "JPEG, progressive, cut after its first scan": progressive[:second],
            "JPEG, progressive, cut in its second scan": progressive[: second + 60],
            "JPEG, progressive, cut in its last scan": progressive[:-40],
        }
    )


def _inconsistent() -> list[PictureCase]:
    jpeg, progressive = _jpeg(noise()), _jpeg(noise(), progressive=True)
    codes, steps, frame = jpeg.index(b"\xff\xc4"), jpeg.index(b"\xff\xdb"), jpeg.index(b"\xff\xc0")
    larger = padded(
        {
            "JPEG that claims 4,096 rows": _claiming(64, 4_096),
            "JPEG that claims 128 columns": _claiming(128, 64),
        }
    )
    return larger + refused(
        {
            "JPEG of no width": _claiming(0, 64),
            "JPEG of no height": _claiming(64, 0),
            "JPEG that claims 8,000 x 8,000 and has no end": _claiming(8_000, 8_000)[:-2],
            "JPEG of 12 bits": _frame(jpeg, 2, b"\x0c"),
            "JPEG without colours": _frame(jpeg, 7, b"\0"),
            "JPEG of two colours": _frame(jpeg, 7, b"\2"),
            "JPEG, progressive, marked as arithmetic": _frame(progressive, -1, b"\xc9"),
            "JPEG marked as arithmetic and progressive": _frame(jpeg, -1, b"\xca"),
            "JPEG marked as lossless": _frame(jpeg, -1, b"\xc3"),
            "JPEG marked as progressive": _frame(jpeg, -1, b"\xc2"),
            "JPEG without quantization tables": _without(jpeg, b"\xff\xdb"),
            "JPEG with a quantization table that is cut": jpeg[: steps + 2] + b"\0\x20" + jpeg[steps + 4 :],
            "JPEG with codes that do not exist": jpeg[: codes + 5] + b"\xff" * 16 + jpeg[codes + 21 :],
            "JPEG without a frame": _without(jpeg, b"\xff\xc0"),
            "JPEG with two frames": jpeg[:frame] + jpeg[frame : frame + 19] + jpeg[frame:],
            "JPEG that starts twice": START + jpeg,
            "JPEG that ends before its pixels": _with(jpeg, END),
        }
    )


def _large() -> list[PictureCase]:
    scaled: list[tuple[Size, Size, dict[str, Any]]] = [
        ((1, 1), (1, 1), {}),
        ((17, 9), (17, 9), {}),
        ((2_048, 8), (2_048, 8), {}),
        ((2_049, 1), (2_048, 1), {}),
        ((30_000, 1), (2_048, 1), {}),
        ((1, 30_000), (1, 2_048), {}),
        ((65_500, 1), (2_048, 1), {}),
        ((5_000, 4_000), (2_048, 1_638), {"optimize": True}),
        ((4_100, 3_000), (2_048, 1_499), {"progressive": True}),
        ((3_000, 1_000), (683, 2_048), {"exif": b"Exif\0\0" + exif()}),
    ]
    cases = []
    for (width, height), size, options in scaled:
        cases += sound({f"JPEG of {width:,} x {height:,}": _jpeg(plain((width, height)), **options)}, size)
    claims = ((65_535, 65_535), (65_500, 65_500), (9_000, 9_000), (8_193, 8_192), (1_100, 65_500))
    return cases + refused({f"JPEG that claims {w:,} x {h:,}": _claiming(w, h) for w, h in claims}, LIMIT)


def _several() -> list[PictureCase]:
    pictures = [plain()] * 256
    two, most, more = (encoded(plain(), "MPO", save_all=True, append_images=pictures[:n]) for n in (1, 255, 256))
    contents = {"JPEG of two pictures": two, "JPEG of two pictures, the second one cut": two[:-500]}
    contents["JPEG that claims 256 pictures and has one"] = most[: most.index(END) + 2]
    return sound(contents) + refused({"JPEG that claims 257 pictures": more[: more.index(END) + 2]}, LIMIT)


def slow_jpeg(scans: int) -> bytes:
    """Return a sound JPEG of 8,000 x 8,000 with this many scans, each of 95 bytes and some milliseconds of decoding.

    Only a limit of time ends its decoding early, so it is not among the cases.
    """
    table = _segment(0xDB, b"\0" + b"\1" * 64)
    frame = _segment(0xC2, b"\x08" + struct.pack(">HH", 8_000, 8_000) + b"\1\1\x11\0")
    codes = _segment(0xC4, b"\0\1" + bytes(16)) + _segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0")
    grey = _segment(0xDA, b"\1\1\0\0\0\0") + bytes(1_000 * 1_000 // 8)
    runs = int(("0" + "1" * 14) * 32, 2).to_bytes(60, "big").replace(b"\xff", b"\xff\0")
    return START + table + frame + codes + grey + (_segment(0xDA, b"\1\1\0\1\x3f\0") + runs) * scans + END


def jpeg_cases() -> list[PictureCase]:
    """Return the cases of JPEG."""
    groups = (_sound, _exif, _colours, _cut, _inconsistent, _large, _several)
    shared = (*turned("JPEG", quality=95, subsampling=0), *profiled("JPEG", quality=95, subsampling=0))
    return [*shared, *(case for group in groups for case in group())]
