"""Hostile, damaged and unusual pictures and sounds: each has one clear outcome, and no child ends.

The files are made by `tests.support`; real ones of the development data are among them. A green run does not prove that the
libraries have no other faults: `test_decoding_processes.py` shows what a child can do if it is taken over.
"""

import os
from collections.abc import Iterator
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest

from schemas.failures import FailureReason
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.errors import Rejected
from shared.media.decoding.decoder import Decoder
from shared.media.decoding.kinds import kind_of, looks_like
from shared.media.decoding.replies import Window
from shared.media.decoding.wire import RATE_HZ
from shared.media.spooling import spooled
from tests.support.hostile_pictures import picture_cases
from tests.support.hostile_sounds import long_mulaw_wav, sound_cases
from tests.support.picture_files import PictureCase
from tests.support.sound_files import SoundCase

LIMIT_BYTES = 256 << 20
TOLERANCE = 12
GROWTH_MIB = 400
HOURS_6_S = 6 * 3600


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(DecodingSettings(), LIMIT_BYTES, SystemClock())
    decoder.start()
    children = decoder.children.pids
    yield decoder
    still = decoder.children.pids
    decoder.close()
    assert still == children, "no case has ended a child"


def check_refusal(refused: Rejected, reason: FailureReason) -> None:
    assert refused.reason == reason, refused.detail
    assert refused.detail.isprintable()
    assert "0x" not in refused.detail, "an address of memory says nothing"


@pytest.mark.parametrize("case", picture_cases(), ids=lambda case: case.name)
def test_pictures(case: PictureCase, decoder: Decoder) -> None:
    if case.reason is not None:
        with pytest.raises(Rejected) as refused:
            decoder.picture(case.content, "picture")
        check_refusal(refused.value, case.reason)
        return
    picture = decoder.picture(case.content, "picture")
    height_px, width_px, channels = picture.pixels.shape
    assert channels == 3
    assert case.size is None or (width_px, height_px) == case.size
    if case.colour is not None:
        centre = picture.pixels[height_px // 2, width_px // 2].astype(int)
        assert np.abs(centre - case.colour).max() <= TOLERANCE


@pytest.mark.parametrize("case", sound_cases(), ids=lambda case: case.name)
def test_sounds(case: SoundCase, decoder: Decoder) -> None:
    windows: list[Window] = []
    if case.reason is not None:
        with pytest.raises(Rejected) as refused:
            decoder.sound(case.content, "recording", windows.append)
        check_refusal(refused.value, case.reason)
        return
    sound = decoder.sound(case.content, "recording", windows.append)
    assert sum(map(len, windows)) == round(sound.duration_s * RATE_HZ)
    assert case.seconds is None or sound.duration_s == pytest.approx(case.seconds, abs=case.tolerance_s)
    assert case.truncated in (None, sound.is_truncated)


def test_the_cases_are_many_and_of_every_outcome() -> None:
    pictures, sounds = picture_cases(), sound_cases()
    assert len({case.name for case in pictures}) == len(pictures) >= 100
    assert len({case.name for case in sounds}) == len(sounds) >= 100
    expected = {
        None,
        FailureReason.MEDIA_UNREADABLE,
        FailureReason.MEDIA_WRONG_KIND,
        FailureReason.MEDIA_DECODING_LIMIT,
    }
    assert {case.reason for case in pictures} == {case.reason for case in sounds} == expected


def test_a_recording_of_six_hours_takes_little_memory() -> None:
    decoder = Decoder(DecodingSettings(processes=1), LIMIT_BYTES, SystemClock())
    content, samples = long_mulaw_wav(HOURS_6_S), []
    decoder.start()
    before = _peak_mib(os.getpid())
    sound = decoder.sound(content, "recording", lambda window: samples.append(len(window)))
    worker, child = _peak_mib(os.getpid()) - before, _peak_mib(decoder.children.pids[0])
    decoder.close()
    assert (sound.duration_s, sum(samples)) == (HOURS_6_S, HOURS_6_S * RATE_HZ)
    assert worker <= GROWTH_MIB
    assert child <= GROWTH_MIB, "the child holds the content and little more"


def test_a_sound_that_waits_in_a_file_is_decoded_like_one_in_memory(decoder: Decoder, tmp_path: Path) -> None:
    content, found = long_mulaw_wav(600), []
    for each in (content, spooled(content, tmp_path)):
        windows: list[Window] = []
        sound = decoder.sound(each, "recording", windows.append)
        found.append((sound, b"".join(window.tobytes() for window in windows)))
    assert found[0] == found[1]
    assert isinstance(each, mmap)


def test_a_sound_beyond_its_longest_duration_is_refused() -> None:
    decoder = Decoder(DecodingSettings(max_sound_s=10), LIMIT_BYTES, SystemClock())
    with pytest.raises(Rejected, match="longer than 10 seconds") as refused:
        decoder.sound(long_mulaw_wav(100), "recording", lambda window: None)
    decoder.close()
    assert refused.value.reason == FailureReason.MEDIA_DECODING_LIMIT


def test_stereo_is_kept_apart_if_wanted(decoder: Decoder) -> None:
    [case] = [case for case in sound_cases() if case.name == "wav of 2 channels"]
    for channels in (1, 2):
        windows: list[Window] = []
        sound = decoder.sound(case.content, "recording", windows.append, channels)
        assert {window.shape[1] for window in windows} == {channels}
        assert sound.original_channels == 2


def test_a_picture_turned_in_every_way_stands_upright(decoder: Decoder, data_dir: Path) -> None:
    folder = data_dir / "images" / "exif_orientation"
    for kind in ("Landscape", "Portrait"):
        [first, *others] = [_thumbnail(decoder, folder / f"{kind}_{number}.jpg") for number in range(9)]
        for other in others:
            assert np.abs(first - other).mean() < 5


def test_the_real_photos_and_recordings_are_decoded(decoder: Decoder, data_dir: Path) -> None:
    photos = sorted((data_dir / "images" / "clothing").rglob("*.jpg"))[::7]
    recordings = [path for path in (data_dir / "speech").rglob("*") if path.suffix in (".wav", ".flac", ".aiff")]
    assert len(photos) > 40
    assert len(recordings) > 300
    for path in photos:
        assert decoder.picture(path.read_bytes(), "picture").pixels.std() > 5
    for path in recordings:
        assert decoder.sound(path.read_bytes(), "recording", lambda window: None).duration_s > 0.1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "of an unknown kind"),
        (b"hello", "text"),
        (b"\xef\xbb\xbf#EXTM3U\n", "a playlist"),
        (b"  <html>", "HTML, SVG or XML"),
        (b"PK\x03\x04....", "a zip archive, or an office document"),
        (b"\x00\x00\x00\x1cftypavif", "an AVIF picture"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "of an unknown kind"),
        (bytes(64), "of an unknown kind"),
    ],
)
def test_content_of_no_known_kind_is_described(content: bytes, found: str) -> None:
    assert kind_of(content) is None
    assert looks_like(content) == found


def _thumbnail(decoder: Decoder, path: Path) -> np.ndarray:
    pixels = decoder.picture(path.read_bytes(), "picture").pixels
    return pixels[::50, ::50].astype(float)


def _peak_mib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))
