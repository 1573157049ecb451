"""Which kind of file a content is, by its first bytes alone; a name or a declared type is never asked."""

from enum import StrEnum

MP3_HEADER_BYTES = 4
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
OTHER_BRANDS = {b"avif": "an AVIF picture", b"avis": "an AVIF picture", b"crx ": "a Canon raw picture"}


class Kind(StrEnum):
    """A kind of file that can be decoded."""

    WAV = "wav"
    FLAC = "flac"
    OGG = "ogg"
    MP3 = "mp3"
    M4A = "m4a"
    AIFF = "aiff"
    AU = "au"
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    HEIC = "heic"


SOUNDS = (Kind.WAV, Kind.FLAC, Kind.OGG, Kind.MP3, Kind.M4A, Kind.AIFF, Kind.AU)
PICTURES = (Kind.JPEG, Kind.PNG, Kind.WEBP, Kind.HEIC)

START_BYTES = 64
"""The first bytes of a content, which show its kind."""

_PREFIXES = {
    b"fLaC": Kind.FLAC,
    b"OggS": Kind.OGG,
    b"ID3": Kind.MP3,
    b".snd": Kind.AU,
    b"\xff\xd8\xff": Kind.JPEG,
    b"\x89PNG\r\n\x1a\n": Kind.PNG,
}

_RIFF = {b"WAVE": Kind.WAV, b"WEBP": Kind.WEBP}

_REFUSED_PREFIXES = {
    b"PK\x03\x04": "a zip archive, or an office document",
    b"PK\x05\x06": "an empty zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"%PDF": "a PDF document",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"II*\x00": "a TIFF picture",
    b"MM\x00*": "a TIFF picture",
    b"\x00\x00\x01\x00": "an icon",
    b"8BPS": "a Photoshop picture",
    b"\x00\x00\x00\x0cJXL ": "a JPEG XL picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"\x1aE\xdf\xa3": "a Matroska or WebM file",
    b"#!AMR": "an AMR sound",
    b"caff": "a CAF sound",
    b"0&\xb2u": "a Windows Media file",
    b"MThd": "a MIDI file",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"#EXTM3U": "a playlist",
    b"[playlist]": "a playlist",
    b"ffconcat": "a playlist",
    b"<": "HTML, SVG or XML",
    b"{": "JSON",
}
_UNKNOWN = "of an unknown kind"


def kind_of(content: bytes) -> Kind | None:
    """Return the kind of a content; None if it is of no kind that can be decoded."""
    for prefix, kind in _PREFIXES.items():
        if content.startswith(prefix):
            return kind
    if content[:4] in (b"RIFF", b"RF64", b"BW64"):
        return _RIFF.get(content[8:12])
    if content[:4] == b"FORM" and content[8:12] in (b"AIFF", b"AIFC"):
        return Kind.AIFF
    if content[4:8] == b"ftyp":
        return _kind_of_brand(content[8:12])
    return Kind.MP3 if _is_mp3_frame(content[:MP3_HEADER_BYTES]) else None


def looks_like(content: bytes) -> str:
    """Return what a content seems to be, for the detail of an error: `a zip archive`."""
    kind = kind_of(content)
    if kind is not None:
        return f"a {kind.upper()} file"
    if content[4:8] == b"ftyp":
        return OTHER_BRANDS.get(content[8:12], _UNKNOWN)
    start = content[:START_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    for each in (content, start):
        for prefix, found in _REFUSED_PREFIXES.items():
            if each.startswith(prefix):
                return found
    is_text = start.isascii() and "".join(start.decode("ascii").split()).isprintable()
    return "text" if start and is_text else _UNKNOWN


def _kind_of_brand(brand: bytes) -> Kind | None:
    """Return the kind of an ISO base media file by its major brand (ISO/IEC 14496-12, section 4.3)."""
    if brand in HEIC_BRANDS:
        return Kind.HEIC
    return None if brand in OTHER_BRANDS else Kind.M4A


def _is_mp3_frame(header: bytes) -> bool:
    """Return whether these four bytes are the header of an MPEG audio layer III frame (ISO/IEC 11172-3, 2.4.1.3)."""
    if len(header) < MP3_HEADER_BYTES or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return False
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    return version != 1 and layer == 1 and bitrate != 15 and rate != 3
