"""Makes FLAC, OGG, MP3 and M4A files in memory, sound and hostile, with which the decoder of sounds is tested."""

import zlib
from collections.abc import Iterator
from struct import pack, unpack_from

import numpy as np

from schemas.failures import FailureReason
from tests.support.sound_files import (
    FILE_ADDRESS,
    PNG,
    RATE,
    U32,
    UNREADABLE,
    WEB_ADDRESS,
    WRONG_KIND,
    SoundCase,
    encoded,
    movie,
    noise,
    patched,
    tone,
)


def container_cases() -> Iterator[SoundCase]:
    """Yield the cases of FLAC, OGG and M4A."""
    yield from _flac_cases()
    yield from _flac_headers()
    yield from _ogg_cases()
    yield from _ogg_damage()
    yield from _m4a_cases()
    yield from _m4a_tables()
    yield from _m4a_references()
    yield from _m4a_damage()


def _flac_cases() -> Iterator[SoundCase]:
    whole = encoded(noise(RATE), "flac", "flac")
    frames = whole.index(b"\xff\xf8", 42)
    middle = (frames + len(whole)) // 2
    yield SoundCase("flac mono", whole, None, 1, False)
    yield SoundCase("flac stereo 44.1 kHz", encoded(tone(0.3, 44_100, 2), "flac", "flac", 44_100), None, 0.3, False)
    yield SoundCase("flac of 5.1 channels", encoded(tone(0.3, channels=6), "flac", "flac"), None, 0.3, False)
    yield SoundCase("flac of silence", encoded(np.zeros((1, RATE), np.int16), "flac", "flac"), None, 1, False)
    yield SoundCase("flac of one sample", encoded(noise(1), "flac", "flac"), None, 0, False)
    yield SoundCase("flac cut in the middle", whole[:middle], None, 0.43, True)
    yield SoundCase("flac damaged in the middle", patched(whole, middle, bytes(300)), None, 0.93)
    yield SoundCase("flac with a zip after it", whole + b"PK\x03\x04" + bytes(500), None, 1)
    yield SoundCase("flac with garbage for frames", whole[:frames] + noise(2000).tobytes(), UNREADABLE)
    yield SoundCase("flac without frames", whole[:frames], UNREADABLE)
    yield SoundCase("flac cut in its first block", whole[:20], UNREADABLE)
    yield SoundCase("flac of four bytes", b"fLaC", UNREADABLE)


def _flac_headers() -> Iterator[SoundCase]:
    """Change the first block: 4 bytes of header and 34 of body, after 4 bytes of magic (RFC 9639, section 8.2)."""
    whole = encoded(noise(RATE), "flac", "flac")
    word = unpack_from(">Q", whole, 18)[0]  # 20 bits of rate, 3 of channels, 5 of sample size, 36 of total samples
    total = 2**36 - 1

    def with_word(new: int) -> bytes:
        return patched(whole, 18, pack(">Q", new))

    yield SoundCase("flac that claims 2^36 samples", with_word(word | total), None, 1, True)
    yield SoundCase("flac that claims twice its samples", with_word((word & ~total) | 2 * RATE), None, 1, True)
    yield SoundCase("flac of unknown length", with_word(word & ~total), None, 1)
    # The frames say their rate again, so only the length is lost.
    yield SoundCase("flac of 0 Hz", with_word(word & (2**44 - 1)), None, 1)
    cover = b"image/png"
    picture = pack(">II", 3, len(cover)) + cover + pack(">IIIIII", 0, 1, 1, 24, 0, len(PNG)) + PNG
    block = b"\x06" + pack(">I", len(picture))[1:] + picture
    yield SoundCase("flac with a picture", whole[:42] + block + whole[42:], None, 1)
    huge = b"\x06\xff\xff\xff" + picture
    yield SoundCase("flac with a picture of 16 MB that is not there", whole[:42] + huge + whole[42:], UNREADABLE)
    yield SoundCase("flac with a wrong sum of its samples", patched(whole, 26, bytes(range(16))), None, 1, False)


def ogg_page(packets: list[bytes], flags: int, granule: int, number: int, serial: int = 7) -> bytes:
    """Return an OGG page of whole packets: a header with a sum, a table of segments, and the packets (RFC 3533)."""
    table = b"".join(b"\xff" * (len(each) // 255) + bytes([len(each) % 255]) for each in packets)
    head = b"OggS\0" + pack("<BqIII", flags, granule, serial, number, 0) + bytes([len(table)])
    return _summed(head + table + b"".join(packets))


def _summed(page: bytes) -> bytes:
    total, page = 0, patched(page, 22, bytes(4))
    for byte in page:
        total = (total << 8 & U32) ^ OGG_SUMS[total >> 24 ^ byte]
    return patched(page, 22, pack("<I", total))


def _sum_of(byte: int) -> int:
    total = byte << 24
    for _ in range(8):
        total = (total << 1 ^ (0x04C11DB7 if total >> 31 else 0)) & U32
    return total


OGG_SUMS = [_sum_of(byte) for byte in range(256)]


def _pages(content: bytes) -> list[bytes]:
    return [b"OggS\0" + each for each in content.split(b"OggS\0")[1:]]


def _with_serial(content: bytes, serial: int) -> bytes:
    return b"".join(_summed(patched(page, 14, pack("<I", serial))) for page in _pages(content))


def _speex(frames: int) -> bytes:
    """Return a silent Speex sound: a frame of mode 0 is five zero bits."""
    head = b"Speex   " + b"1.2".ljust(20, b"\0") + pack("<13I", 1, 80, 8000, 0, 4, 1, U32, 160, 0, 1, 0, 0, 0)
    pages = [ogg_page([head], 2, 0, 0), ogg_page([pack("<I4sI", 4, b"made", 0)], 0, 0, 1)]
    return b"".join([*pages, ogg_page([b"\0"] * frames, 4, 160 * frames, 2)])


def _ogg_cases() -> Iterator[SoundCase]:
    opus = encoded(tone(1), "libopus", "ogg")
    vorbis = encoded(tone(1, channels=2), "vorbis", "ogg", strict="-2")
    yield SoundCase("ogg opus", opus, None, 1, False)
    yield SoundCase("ogg opus stereo 48 kHz", encoded(tone(0.5, 48_000, 2), "libopus", "ogg", 48_000), None, 0.5, False)
    yield SoundCase("ogg vorbis", vorbis, None, 1, False)
    yield SoundCase("ogg flac", encoded(tone(1), "flac", "ogg"), None, 1, False)
    yield SoundCase("ogg speex", _speex(50), None, 1)
    yield SoundCase("ogg opus chained twice", opus + _with_serial(opus, 99), None, 2)
    # The demuxer itself fails where another codec begins; what came before is kept.
    yield SoundCase("ogg vorbis after opus", opus + _with_serial(vorbis, 99), None, 1)
    mixed = zip(_pages(opus), _pages(_with_serial(opus, 99)), strict=True)
    yield SoundCase("ogg of two sounds at once", b"".join(a + b for a, b in mixed), None, 1)
    theora = b"\x80theora\x03\x02\x01" + pack(">HH", 4, 3) + bytes(3) + b"\x40\0\x30" + bytes(2) + pack(">II", 10, 1)
    only = ogg_page([theora.ljust(42, b"\0")], 2, 0, 0) + ogg_page([b"\x81theora" + bytes(8)], 0, 0, 1)
    yield SoundCase("ogg of theora headers", only + ogg_page([bytes(90)], 4, 5, 2), UNREADABLE)
    strange = ogg_page([b"unknown codec"], 2, 0, 0) + ogg_page([bytes(90)] * 9, 4, 900, 1)
    yield SoundCase("ogg of an unknown codec", strange, UNREADABLE)


def _ogg_damage() -> Iterator[SoundCase]:
    pages = _pages(encoded(tone(3), "libopus", "ogg", _page_duration="200000"))
    opus, head, rest = b"".join(pages), pages[0], b"".join(pages[1:])
    wrong = patched(pages[7], len(pages[7]) // 2, b"damaged")
    yield SoundCase("ogg cut in the middle", opus[: len(opus) // 2], None, 1.4)
    yield SoundCase("ogg with a page of a wrong sum", b"".join([*pages[:7], wrong, *pages[8:]]), None, 2.8)
    yield SoundCase("ogg without its seventh page", b"".join([*pages[:7], *pages[8:]]), None, 2.8)
    yield SoundCase("ogg with garbage between pages", b"".join([*pages[:7], bytes(9000), *pages[7:]]), None, 3)
    late = [_summed(patched(page, 6, pack("<q", 2**63 - 1))) for page in pages[2:]]
    yield SoundCase("ogg that claims 2^63 samples", b"".join([*pages[:2], *late]), UNREADABLE)
    early = [_summed(patched(page, 6, pack("<q", -5))) for page in pages[2:]]
    yield SoundCase("ogg of negative positions", b"".join([*pages[:2], *early]), UNREADABLE)
    skip = head.index(b"OpusHead") + 10
    yield SoundCase("ogg that skips 65535 samples", _summed(patched(head, skip, b"\xff\xff")) + rest, None, 1.64)
    yield SoundCase("ogg opus of 0 channels", _summed(patched(head, skip - 1, b"\0")) + rest, UNREADABLE)
    yield SoundCase("ogg opus of 255 channels", _summed(patched(head, skip - 1, b"\xff")) + rest, UNREADABLE)
    yield SoundCase("ogg of headers only", b"".join(pages[:2]), UNREADABLE)
    yield SoundCase("ogg cut in its first page", opus[:20], UNREADABLE)
    yield SoundCase("ogg with garbage after its first page", head + noise(9000).tobytes(), UNREADABLE)


def box(name: bytes, body: bytes) -> bytes:
    """Return a box of an M4A file: its size, its name and its body, which may be boxes again (ISO/IEC 14496-12)."""
    return pack(">I", 8 + len(body)) + name + body


def _replaced(content: bytes, old: bytes, new: bytes, *parents: bytes) -> bytes:
    """Return a file, whose `moov` is its last box, with something in it replaced, and the sizes of the boxes around."""
    for each in parents:
        at = content.rindex(each) - 4
        size = unpack_from(">I", content, at)[0] + len(new) - len(old)
        content = patched(content, at, pack(">I", size))
    at = content.rindex(old)
    return content[:at] + new + content[at + len(old) :]


def _field(content: bytes, name: bytes, offset: int, new: bytes) -> bytes:
    """Return a file with some bytes after the name of a box replaced."""
    return patched(content, content.rindex(name) + 4 + offset, new)


def _faststart(content: bytes) -> bytes:
    """Return an M4A file with its `moov` in front of the samples, whose positions in the file then grow."""
    moov, mdat = content.rindex(b"moov") - 4, content.index(b"mdat") - 4
    tables, at = content[moov:], content.rindex(b"stco") - moov + 8
    count = unpack_from(">I", tables, at)[0]
    moved = [each + len(tables) for each in unpack_from(f">{count}I", tables, at + 4)]
    return content[:mdat] + patched(tables, at + 4, pack(f">{count}I", *moved)) + content[mdat:moov]


def _m4a_cases() -> Iterator[SoundCase]:
    aac = encoded(tone(1), "aac", "ipod")
    yield SoundCase("m4a aac with moov at its end", aac, None, 1, False)
    yield SoundCase("m4a aac with moov in front", _faststart(aac), None, 1, False)
    yield SoundCase("m4a aac stereo 44.1 kHz", encoded(tone(0.5, 44_100, 2), "aac", "ipod", 44_100), None, 0.5, False)
    yield SoundCase("m4a alac", encoded(tone(1), "alac", "ipod"), None, 1, False)
    fragments = encoded(tone(3), "aac", "mp4", _movflags="empty_moov", _frag_duration="200000")
    yield SoundCase("mp4 in fragments", fragments, None, 3)
    yield SoundCase("mp4 in fragments, cut", fragments[: len(fragments) // 2], None, 1.54)
    yield SoundCase("mp4 of video and sound", movie(tone(1)), None, 1, False)
    yield SoundCase("mp4 of video only", movie(), UNREADABLE)
    yield SoundCase("mp4 of ac-3", encoded(tone(0.5, 48_000, 2), "ac3", "mp4", 48_000), UNREADABLE)
    yield SoundCase("3gp of amr", encoded(tone(1, 8000), "libopencore_amrnb", "3gp", 8000), UNREADABLE)
    cover = box(b"covr", box(b"data", pack(">II", 14, 0) + PNG))
    meta = bytes(4) + box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9)) + box(b"ilst", cover)
    yield SoundCase("m4a with a cover", _replaced(aac, b"", box(b"udta", box(b"meta", meta)), b"moov"), None, 1)
    moov = aac.rindex(b"moov") - 4
    packed = pack(">I", len(aac) - moov) + zlib.compress(aac[moov:])
    small = box(b"moov", box(b"cmov", box(b"dcom", b"zlib") + box(b"cmvd", packed)))
    yield SoundCase("m4a of a compressed moov", aac[:moov] + small, None, 1)


def _m4a_tables() -> Iterator[SoundCase]:
    aac = encoded(tone(1), "aac", "ipod")
    most = pack(">I", U32)
    yield SoundCase("m4a whose stts claims 2^32 samples", _field(aac, b"stts", 8, most), None, 1)
    yield SoundCase(
        "m4a whose stts claims 2^32 entries", _field(aac, b"stts", 4, most), FailureReason.MEDIA_DECODING_LIMIT
    )
    yield SoundCase("m4a of samples that last 2^32 ticks", _field(aac, b"stts", 12, most))
    yield SoundCase("m4a whose stsz claims 2^32 samples", _field(aac, b"stsz", 8, most), UNREADABLE)
    yield SoundCase("m4a of samples of 4 GB", _field(aac, b"stsz", 4, most), UNREADABLE)
    yield SoundCase("m4a whose stsc claims 2^32 samples", _field(aac, b"stsc", 12, most), UNREADABLE)
    yield SoundCase("m4a whose chunks lie beyond its end", _field(aac, b"stco", 8, most), UNREADABLE)
    yield SoundCase("m4a of 0 ticks a second", _field(aac, b"mdhd", 12, bytes(4)))
    yield SoundCase("m4a of 2^32 ticks a second", _field(aac, b"mdhd", 12, most))
    yield SoundCase("m4a that claims 2^32 ticks", _field(aac, b"mdhd", 16, most), None, 1)
    yield SoundCase("m4a with a rate of 0 in its stsd", _field(aac, b"mp4a", 24, bytes(4)), None, 1)
    yield SoundCase("m4a with 65535 channels in its stsd", _field(aac, b"mp4a", 16, b"\xff\xff"), None, 1)
    half = pack(">Ii", 500, RATE // 2 + 1024)
    yield SoundCase("m4a with an edit of its second half", _field(aac, b"elst", 8, half), None, 0.5)
    yield SoundCase("m4a whose elst claims 2^32 edits", _field(aac, b"elst", 4, most), None, 1)
    yield SoundCase("m4a with an edit beyond its end", _field(aac, b"elst", 8, pack(">Ii", U32, 2**31 - 1)), UNREADABLE)
    many = pack(">I", 2**26)  # 24 bytes each in FFmpeg's index: 1.6 GB, and 12 s, if there is no limit
    bomb = _field(_field(aac, b"stsz", 4, pack(">I", 1) + many), b"stsc", 12, many)
    bomb = _field(_field(bomb, b"stts", 8, many), b"edts", -4, b"free")
    yield SoundCase("m4a of 2^26 samples of a byte", bomb, UNREADABLE)


def _m4a_references() -> Iterator[SoundCase]:
    """Yield files whose samples lie elsewhere by their own account; nothing is opened, and what is here decodes."""
    aac = encoded(tone(1), "aac", "ipod")
    here = box(b"url ", pack(">I", 1))
    parents = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")
    for address in (WEB_ADDRESS, FILE_ADDRESS):
        there = box(b"url ", bytes(4) + address + b"\0")
        yield SoundCase(f"m4a of samples at {address.decode()}", _replaced(aac, here, there, *parents), None, 1)
    path = b"/etc/passwd"
    alias = bytes(10) + b"\6volume".ljust(28, b"\0") + bytes(12) + b"\6passwd".ljust(64, b"\0") + bytes(16)
    alias += pack(">hh", 1, 1) + bytes(16) + pack(">hH", 2, len(path)) + path + bytes(1) + pack(">hH", -1, 0)
    there = box(b"alis", bytes(4) + alias.ljust(200, b"\0"))
    yield SoundCase("m4a of samples in an alias", _replaced(aac, here, there, *parents), UNREADABLE)


def _m4a_damage() -> Iterator[SoundCase]:
    aac = encoded(tone(3), "aac", "ipod")
    fast = _faststart(aac)
    start, moov = aac[:28], aac.rindex(b"moov") - 4
    data = fast.rindex(b"mdat") + 4
    half = (data + len(fast)) // 2
    yield SoundCase("m4a cut in the middle", fast[:half], None, 1.5, True)
    yield SoundCase("m4a damaged in the middle", patched(fast, half, noise(300).tobytes()), None, 2.9)
    yield SoundCase("m4a cut after the start of mdat", fast[: data + 10], UNREADABLE)
    yield SoundCase("m4a cut in its moov", fast[:300], UNREADABLE)
    yield SoundCase("m4a without moov", aac[:moov], UNREADABLE)
    yield SoundCase("m4a of moov only", start + aac[moov:], UNREADABLE)
    yield SoundCase("m4a of ftyp only", start, UNREADABLE)
    yield SoundCase("m4a of eight bytes", start[:8] + b"M4A ", UNREADABLE)
    yield SoundCase("m4a of garbage after ftyp", start + noise(9000).tobytes(), UNREADABLE)
    yield SoundCase("m4a of a box of 2^64 bytes", start + b"\0\0\0\1mdat" + b"\xff" * 8 + aac[moov:], UNREADABLE)
    yield SoundCase("m4a whose track is named encrypted", _field(aac, b"mp4a", -4, b"enca"), None, 3)
    nested = b"".join(pack(">I", 8 * left) + b"moov" for left in range(5000, 0, -1))
    yield SoundCase("m4a of 5000 nested boxes", start + nested, UNREADABLE)
    bomb = pack(">I", 2**26) + zlib.compress(bytes(2**26))
    packed = box(b"cmov", box(b"dcom", b"zlib") + box(b"cmvd", bomb))
    yield SoundCase("m4a of a moov of 64 MB of zeros, compressed", start + box(b"moov", packed), UNREADABLE)
    yield SoundCase("m4a of the brand of a heic picture", fast.replace(b"ftypM4A ", b"ftypheic"), WRONG_KIND)
    yield SoundCase("m4a of the brand of an avif picture", fast.replace(b"ftypM4A ", b"ftypavif"), WRONG_KIND)
