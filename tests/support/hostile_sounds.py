"""Makes sound files in memory, sound and hostile, with which the decoder of sounds is tested: all kinds of them.

This module makes the WAV files, the MP3 files and those that are no sound for the decoder; the other kinds are in
`tests.support.hostile_containers`.
"""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from struct import pack

import numpy as np

from tests.support.hostile_containers import container_cases
from tests.support.sound_files import (
    PNG,
    RATE,
    U32,
    UNREADABLE,
    WRONG_KIND,
    SoundCase,
    encoded,
    noise,
    patched,
    tone,
)

PCM, MS_ADPCM, FLOAT, A_LAW, MU_LAW, GSM, EXTENSIBLE = 1, 2, 3, 6, 7, 0x31, 0xFFFE
GUID_TAIL = bytes.fromhex("00001000800000aa00389b71")
PLAYLIST = b"#EXTM3U\n#EXTINF:1,x\nhttp://127.0.0.1:9/x.ts\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


def sound_cases() -> list[SoundCase]:
    """Return all the cases, the same ones each time; no two have the same name."""
    makers: list[Callable[[], Iterator[SoundCase]]] = [
        _wav_formats,
        _wav_contents,
        _wav_rates,
        _wav_channels,
        _wav_sizes,
    ]
    makers += [_wav_chunks, _wav_formats_refused, _mp3_cases, _mp3_damage, _mp3_tags]
    makers += [_playlists, _aiff_and_au, _other_sounds, _other_files, container_cases]
    return [case for maker in makers for case in maker()]


def long_mulaw_wav(seconds: int) -> bytes:
    """Return a mu-law WAV file of noise at 8 kHz, of which a second is repeated."""
    second = np.random.default_rng(7).integers(0, 256, 8000, np.uint8).tobytes()
    return wav(second * seconds, form(MU_LAW, 8000, 8))


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """Return a chunk, padded to an even length; its size is the true one unless another is given."""
    return name + pack("<I", len(body) if size is None else size) + body + bytes(len(body) % 2)


def form(tag: int = PCM, rate: int = 8000, bits: int = 16, channels: int = 1, align: int | None = None) -> bytes:
    """Return the body of a `fmt ` chunk without an extension."""
    bytes_each = channels * bits // 8 if align is None else align
    return pack("<HHIIHH", tag, channels & 0xFFFF, rate, rate * bytes_each & U32, bytes_each & 0xFFFF, bits)


def riff(*chunks: bytes) -> bytes:
    """Return a WAV file of chunks."""
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + pack("<I", len(body)) + body


def wav(data: bytes, fmt: bytes | None = None, size: int | None = None) -> bytes:
    """Return a WAV file of a format and samples, whose data chunk claims a size if one is given."""
    return riff(chunk(b"fmt ", fmt or form()), chunk(b"data", data, size))


def _wave(rate: int = 8000, seconds: float = 0.5, kind: str = "<i2") -> bytes:
    wave = tone(seconds, rate)[0]
    return bytes((wave if kind[1] == "i" else wave / 32768).astype(kind).tobytes())


def _wav_formats() -> Iterator[SoundCase]:
    sound = tone(1, 8000)
    bits_24 = (tone(0.5, 8000)[0].astype("<i4") << 8).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    law = noise(2000).tobytes()
    gsm = form(GSM, 8000, 0, 1, 65) + pack("<HH", 2, 320)
    yield SoundCase("wav 8 bits", wav(law, form(PCM, 8000, 8)), None, 0.5, False)
    yield SoundCase("wav 16 bits", wav(_wave()), None, 0.5, False)
    yield SoundCase("wav 24 bits", wav(bits_24, form(bits=24)), None, 0.5, False)
    yield SoundCase("wav 32 bits", wav(_wave(kind="<i4"), form(bits=32)), None, 0.5, False)
    yield SoundCase("wav float 32", wav(_wave(kind="<f4"), form(FLOAT, bits=32)), None, 0.5, False)
    yield SoundCase("wav float 64", wav(_wave(kind="<f8"), form(FLOAT, bits=64)), None, 0.5, False)
    yield SoundCase("wav mu-law", wav(law, form(MU_LAW, 8000, 8)), None, 0.5, False)
    yield SoundCase("wav a-law", wav(law, form(A_LAW, 8000, 8)), None, 0.5, False)
    yield SoundCase("wav ima adpcm", encoded(sound, "adpcm_ima_wav", "wav", 8000), None, 1, False)
    yield SoundCase("wav ms adpcm", encoded(sound, "adpcm_ms", "wav", 8000), None, 1, False)
    yield SoundCase("wav gsm 6.10", wav(noise(1625).tobytes(), gsm), None, 2, False)
    yield SoundCase("wav of mp3", encoded(tone(1), "libmp3lame", "wav"), None, 1)
    for tag, kind, bits in ((PCM, "<i2", 16), (FLOAT, "<f4", 32)):
        more = form(EXTENSIBLE, bits=bits) + pack("<HHI", 22, bits, 4) + pack("<I", tag) + GUID_TAIL
        yield SoundCase(f"wav extensible {kind}", wav(_wave(kind=kind), more), None, 0.5, False)


def _wav_contents() -> Iterator[SoundCase]:
    square = np.where(np.arange(4000) % 20 < 10, 32767, -32768).astype("<i2").tobytes()
    odd = np.frombuffer(_wave(kind="<f4"), "<f4").copy()
    odd[::7], odd[1::7], odd[2::7], odd[3::7] = np.nan, np.inf, -np.inf, 3e38
    yield SoundCase("wav of silence", wav(bytes(8000)), None, 0.5, False)
    yield SoundCase("wav of noise", wav(noise(4000).tobytes()), None, 0.5, False)
    yield SoundCase("wav of a clipped square wave", wav(square), None, 0.5, False)
    yield SoundCase("wav of direct current", wav(b"\xff\x7f" * 4000), None, 0.5, False)
    yield SoundCase("wav of nan and infinity", wav(odd.tobytes(), form(FLOAT, bits=32)), None, 0.5, False)
    for rate in (8000, 16_000):
        yield SoundCase(f"wav of one sample at {rate} Hz", wav(b"\x10\x20", form(rate=rate)), None, 0, False)
    yield SoundCase("wav of no samples", wav(b""), UNREADABLE)
    yield SoundCase("wav of half a sample", wav(b"\x10"), UNREADABLE)
    yield SoundCase("wav with an odd byte at its end", wav(_wave() + b"\x10"), None, 0.5, False)


def _wav_rates() -> Iterator[SoundCase]:
    for rate in (4000, 11_025, 44_100, 48_000, 96_000, 192_000):
        yield SoundCase(f"wav of {rate} Hz", wav(_wave(rate, 0.25), form(rate=rate)), None, 0.25, False)
    yield SoundCase("wav of 1 Hz", wav(noise(40).tobytes(), form(rate=1)), None, 40)
    yield SoundCase("wav of 0 Hz", wav(_wave(), form(rate=0)), UNREADABLE)
    yield SoundCase("wav of 2^31 - 1 Hz", wav(_wave(), form(rate=2**31 - 1)), UNREADABLE)
    yield SoundCase("wav of 2^32 - 1 Hz", wav(_wave(), form(rate=U32)), UNREADABLE)


def _wav_channels() -> Iterator[SoundCase]:
    for channels in (2, 6, 8, 16):
        data = tone(0.5, 8000, channels).T.tobytes()
        yield SoundCase(f"wav of {channels} channels", wav(data, form(channels=channels)), None, 0.5, False)
    for channels in (0, 17, 65, 512, 513, 65_535):
        data = noise(max(channels, 4000)).tobytes()
        yield SoundCase(f"wav of {channels} channels", wav(data, form(channels=channels)), UNREADABLE)


def _wav_sizes() -> Iterator[SoundCase]:
    data = _wave(seconds=2)
    fmt = chunk(b"fmt ", form())
    streamed, whole = wav(data, size=U32), wav(data)
    yield SoundCase("wav streamed", patched(streamed, 4, pack("<I", U32)), None, 2)
    yield SoundCase("wav that claims 0 bytes of data", wav(data, size=0), None, 2)
    yield SoundCase("wav that claims 4 GB less a byte", wav(data, size=U32 - 1), None, 2, True)
    yield SoundCase("wav cut to a half", whole[: len(whole) // 2], None, 1, True)
    yield SoundCase("wav that claims 10 % more", wav(data, size=len(data) * 11 // 10), None, 2, True)
    yield SoundCase("wav that claims 0.5 % more", wav(data, size=len(data) * 201 // 200), None, 2, False)
    yield SoundCase("wav that claims 1000 of 32000 bytes", wav(data, size=1000), None, 0.06, False)
    yield SoundCase("wav of a riff size of 0", patched(whole, 4, bytes(4)), None, 2, False)
    for name in (b"RF64", b"BW64"):
        sizes = chunk(b"ds64", pack("<QQQI", *[9 * 10**18] * 3, 0))
        body = b"WAVE" + sizes + fmt + chunk(b"data", data, U32)
        yield SoundCase(f"{name.decode()} of 9e18 bytes", name + pack("<I", U32) + body, None, 2, True)
        yield SoundCase(f"{name.decode()} without ds64", name + whole[4:], UNREADABLE)
    lie = chunk(b"fact", pack("<I", U32))
    yield SoundCase("wav with a fact chunk that lies", riff(fmt, lie, chunk(b"data", data)), None, 2)


def _wav_chunks() -> Iterator[SoundCase]:
    fmt, data, whole = chunk(b"fmt ", form()), chunk(b"data", _wave()), wav(_wave())
    info = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"a name"))
    hidden = chunk(b"LIST", b"INFO" + chunk(b"ICMT", PLAYLIST))
    yield SoundCase("wav with a list before its data", riff(fmt, info, data), None, 0.5, False)
    yield SoundCase("wav with a list before its format", riff(info, fmt, data), None, 0.5, False)
    yield SoundCase("wav with a playlist in a list", riff(hidden, fmt, hidden, data), None, 0.5, False)
    yield SoundCase("wav with a playlist in front", riff(chunk(b"#EXT", PLAYLIST), fmt, data), None, 0.5, False)
    huge = chunk(b"LIST", b"INFO", 60_000_000)
    yield SoundCase("wav with a list of 60 MB after its data", riff(fmt, data, huge), None, 0.5)
    yield SoundCase("wav with a list of 60 MB before its data", riff(fmt, huge, data), UNREADABLE)
    yield SoundCase("wav with a list of 4 GB", riff(chunk(b"LIST", b"INFO", U32), fmt, data), UNREADABLE)
    yield SoundCase("wav of 5000 empty chunks", riff(fmt, chunk(b"junk", b"") * 5000, data), None, 0.5, False)
    yield SoundCase("wav in a wav", wav(whole), None, 0.5, False)
    yield SoundCase("wav of two data chunks", riff(fmt, data, data), None, 0.5)
    yield SoundCase("wav with data before its format", riff(data, fmt), None, 0.5)
    yield SoundCase("wav without a format", riff(data), UNREADABLE)
    yield SoundCase("wav without data", riff(fmt), UNREADABLE)
    yield SoundCase("wav of twelve bytes", whole[:12], UNREADABLE)
    yield SoundCase("wav cut in its format", whole[:25], UNREADABLE)
    yield SoundCase("wav of garbage", whole[:12] + noise(4000).tobytes(), UNREADABLE)
    yield SoundCase("wav with a zip after it", whole + _zip(), None, 0.5, False)
    yield SoundCase("wav with a zip in its data", wav(_wave() + _zip()), None, 0.5, False)


def _wav_formats_refused() -> Iterator[SoundCase]:
    data = _wave()
    extensible = form(EXTENSIBLE) + pack("<HHI", 22, 16, 4) + b"\x99" * 16
    fmt = chunk(b"fmt ", form(), U32)
    yield SoundCase("wav of a format of 4 GB", riff(fmt, chunk(b"data", data)), UNREADABLE)
    yield SoundCase("wav of frames of 0 bytes", wav(data, form(align=0)), None, 0.5)
    yield SoundCase("wav of frames of 65535 bytes", wav(data, form(align=65_535)), None, 0.5)
    yield SoundCase("wav of 0 bits", wav(data, form(bits=0, align=2)), UNREADABLE)
    yield SoundCase("wav of 7 bits", wav(data, form(bits=7, align=1)), None, 1)
    yield SoundCase("wav of 65535 bits", wav(data, form(bits=65_535, align=2)), UNREADABLE)
    yield SoundCase("wav of an unknown codec", wav(data, form(0x7777)), UNREADABLE)
    yield SoundCase("wav of an unknown guid", wav(data, extensible), UNREADABLE)
    yield SoundCase("wav of ms adpcm without coefficients", wav(data, form(MS_ADPCM, bits=4, align=0)), UNREADABLE)
    yield SoundCase("wav of mp2", encoded(tone(0.5), "mp2", "wav"), UNREADABLE)
    yield SoundCase("wav of ac-3", encoded(tone(0.2, 48_000, 2), "ac3", "wav", 48_000), UNREADABLE)
    yield SoundCase("wav of dts", wav(b"\x7f\xfe\x80\x01" + data, form(0x2001)), UNREADABLE)
    burst = encoded(tone(0.2, 48_000, 2), "ac3", "spdif", 48_000)
    yield SoundCase("wav of ac-3 disguised as samples", wav(burst, form(rate=48_000, channels=2)), UNREADABLE)


def _bare_mp3() -> bytes:
    """Return a second of MP3 frames of 144 bytes, of 36 ms each, without a tag and without a Xing header."""
    return encoded(tone(1), "libmp3lame", "mp3", b="32000", _write_xing="0", _id3v2_version="0")


def id3(body: bytes, size: int | None = None) -> bytes:
    """Return an ID3v2.3 tag, which claims a size if one is given."""
    total = len(body) if size is None else size
    return b"ID3\x03\0\0" + bytes(total >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def _id3_frame(name: bytes, body: bytes, flags: int = 0) -> bytes:
    return name + pack(">IH", len(body), flags) + body


def _mp3_cases() -> Iterator[SoundCase]:
    one = encoded(tone(0.5, 44_100, 2), "libmp3lame", "mp3", 44_100)
    yield SoundCase("mp3 of mpeg-1 44.1 kHz stereo", one, None, 0.5, False)
    yield SoundCase("mp3 of mpeg-2 16 kHz", encoded(tone(1), "libmp3lame", "mp3"), None, 1, False)
    yield SoundCase("mp3 of mpeg-2.5 8 kHz", encoded(tone(1, 8000), "libmp3lame", "mp3", 8000), None, 1, False)
    variable = encoded(tone(2), "libmp3lame", "mp3", flags="+qscale", global_quality="708")
    yield SoundCase("mp3 of a variable rate", variable, None, 2, False)
    frames = variable.index(b"Xing") + 8
    yield SoundCase("mp3 whose xing header claims 2^32 frames", patched(variable, frames, pack(">I", U32)), None, 2)
    yield SoundCase("mp3 whose xing header claims a frame", patched(variable, frames, pack(">I", 1)), None, 2)
    yield SoundCase("mp3 whose xing header claims 2^32 bytes", patched(variable, frames + 4, pack(">I", U32)), None, 2)


def _mp3_damage() -> Iterator[SoundCase]:
    bare = _bare_mp3()
    free = b"".join(patched(bare[at : at + 144], 2, bytes([bare[2] & 0xF])) for at in range(0, len(bare), 144))
    between = bare[:1440] + noise(500).tobytes() + bare[1440:]
    yield SoundCase("mp3 without any tag", bare, None, 1.08)
    yield SoundCase("mp3 cut in a frame", bare[: 144 * 15 + 70], None, 0.54)
    yield SoundCase("mp3 with garbage between frames", between, None, 1.08, None, 0.2)
    yield SoundCase("mp3 with zeros between frames", bare[:1440] + bytes(3000) + bare[1440:], None, 1.08, None, 0.2)
    yield SoundCase("mp3 with a damaged frame", patched(bare, 1440, noise(70).tobytes()), None, 1.0, None, 0.2)
    yield SoundCase("mp3 with a zip after it", bare + _zip(), None, 1.08, None, 0.2)
    yield SoundCase("mp3 of a free format", free, UNREADABLE)
    yield SoundCase("mp3 of one frame header", bare[:4], UNREADABLE)
    yield SoundCase("mp3 of one frame header and zeros", bare[:4] + bytes(9000), UNREADABLE)


def _mp3_tags() -> Iterator[SoundCase]:
    bare = _bare_mp3()
    cover = _id3_frame(b"APIC", b"\0image/png\0\x03\0" + PNG)
    title = _id3_frame(b"TIT2", b"\0a title")
    yield SoundCase("mp3 with a tag", id3(title) + bare, None, 1.08)
    yield SoundCase("mp3 with a cover", id3(cover) + bare, None, 1.08)
    yield SoundCase("mp3 with a hundred tags", id3(title) * 100 + bare, None, 1.08)
    yield SoundCase("mp3 with a tag that claims 200 MB", id3(title, 200_000_000) + bare, UNREADABLE)
    huge = b"APIC\xff\xff\xff\xff\0\0" + PNG
    squeezed = _id3_frame(b"TIT2", pack(">I", 2**25) + zlib.compress(bytes(2**25)), 0x80)
    yield SoundCase("mp3 with a frame in its tag that claims 4 GB", id3(huge) + bare, None, 1.08)
    yield SoundCase("mp3 with 32 MB of zeros in its tag, compressed", id3(squeezed) + bare, None, 1.08)
    yield SoundCase("mp3 with a tag at its end", bare + b"TAG" + bytes(125), None, 1.08)
    for name, rest in (("nothing", b""), ("a png", PNG), ("a playlist", PLAYLIST), ("a zip", _zip())):
        yield SoundCase(f"id3 tag and {name}", id3(title) + rest, UNREADABLE)
    yield SoundCase("id3 tag and flac", id3(title) + encoded(tone(1), "flac", "flac"), UNREADABLE)


def _zip() -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.txt"), "text " * 20)
    return output.getvalue()


def _playlists() -> Iterator[SoundCase]:
    address = "http://127.0.0.1:9/x.wav"
    texts = {
        "an m3u8 playlist": PLAYLIST.decode(),
        "an m3u8 playlist with a byte order mark": "\ufeff" + PLAYLIST.decode(),
        "an m3u playlist without a header": f"{address}\nfile:///etc/passwd\n",
        "a pls playlist": f"[playlist]\nFile1={address}\nNumberOfEntries=1\n",
        "an xspf playlist": f"<?xml version='1.0'?><playlist><track><location>{address}</location></track></playlist>",
        "a concat list": f"ffconcat version 1.0\nfile '{address}'\nfile 'file:///etc/passwd'\n",
        "a dash manifest": f"<?xml version='1.0'?><MPD><BaseURL>{address}</BaseURL></MPD>",
        "an sdp session": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
        "an html page": f"<!DOCTYPE html><audio src='{address}'></audio>",
        "plain text": "a call about an invoice\n",
    }
    for name, text in texts.items():
        yield SoundCase(name, text.encode(), WRONG_KIND)


def _aiff_and_au() -> Iterator[SoundCase]:
    aiff, au = encoded(tone(2), "pcm_s16be", "aiff"), encoded(tone(2), "pcm_s16be", "au")
    for name, whole in (("aiff", aiff), ("au", au)):
        yield SoundCase(f"{name} of 16 bits", whole, None, 2, False)
        yield SoundCase(f"{name} cut in the middle", whole[: len(whole) // 2], None, 1)
        yield SoundCase(f"{name} cut in its header", whole[:14], UNREADABLE)
        yield SoundCase(f"{name} of garbage", whole[:12] + noise(2000).tobytes(), UNREADABLE)
    yield SoundCase("au streamed", patched(au, 8, pack(">I", U32)), None, 2)
    yield SoundCase("au of 2^32 - 1 Hz", patched(au, 16, pack(">I", U32)), UNREADABLE)
    yield SoundCase("a file of form that is no aiff", patched(aiff, 8, b"8SVX"), WRONG_KIND)


def _other_sounds() -> Iterator[SoundCase]:
    """Yield sounds that FFmpeg could decode, of kinds that are not accepted."""
    sound = tone(0.5)
    made = {
        "webm": ("libopus", RATE),
        "matroska": ("pcm_s16le", RATE),
        "caf": ("alac", RATE),
        "amr": ("libopencore_amrnb", 8000),
        "adts": ("aac", RATE),
        "mp2": ("mp2", RATE),
        "avi": ("pcm_s16le", RATE),
        "w64": ("pcm_s16le", RATE),
        "mpegts": ("aac", RATE),
        "flv": ("aac", 44_100),
    }
    for container, (codec, rate) in made.items():
        yield SoundCase(f"a file of {container}", encoded(sound, codec, container, rate), WRONG_KIND)
    yield SoundCase("a file of asf", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(500), WRONG_KIND)
    yield SoundCase("a file of midi", b"MThd" + pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + bytes(40), WRONG_KIND)
    yield SoundCase("a rifx file", b"RIFX" + wav(_wave())[4:], WRONG_KIND)


def _other_files() -> Iterator[SoundCase]:
    webp = b"RIFF" + pack("<I", 30) + b"WEBPVP8 " + pack("<I", 18) + bytes(18)
    files = {
        "nothing": b"",
        "one byte": b"R",
        "riff alone": b"RIFF",
        "zeros": bytes(5000),
        "noise": b"\x01" + noise(3000).tobytes(),
        "a zip": _zip(),
        "a pdf": b"%PDF-1.7\n" + bytes(300),
        "a jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(300),
        "a png": PNG,
        "a webp": webp,
        "a program": b"\x7fELF\x02\x01\x01" + bytes(300),
        "a gzip": b"\x1f\x8b\x08" + bytes(300),
        "a wav after a space": b" " + wav(_wave()),
    }
    for name, content in files.items():
        yield SoundCase(name, content, WRONG_KIND)
