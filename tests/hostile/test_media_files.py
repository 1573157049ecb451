"""`file:` references that try to leave their folder. A green run does not prove anything of hard links and mounts in it."""

import os
import socket
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from schemas.failures import FailureReason as Reason
from shared.clock import SystemClock
from shared.media.fetching.fetcher import MediaFetcher
from tests.support.fetching import LIMIT_BYTES, ending, quick_settings

CONTENT = b"inside"
OUTSIDE = b"outside"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder that is allowed, with files and traps in it, beside a file that is not allowed."""
    root = tmp_path / "root"
    (root / "calls" / "deep").mkdir(parents=True)
    (root / "calls" / "a b#c%2e?.wav").write_bytes(CONTENT)
    (root / "calls" / "deep" / "ü.wav").write_bytes(CONTENT)
    (root / "large.wav").write_bytes(b"x" * (LIMIT_BYTES + 1))
    (root / "fits.wav").write_bytes(b"x" * LIMIT_BYTES)
    os.truncate(_touched(root / "sparse.wav"), 1 << 40)
    (root / "empty.wav").touch()
    (tmp_path / "secret").write_bytes(OUTSIDE)
    (tmp_path / "root-beside").mkdir()
    (tmp_path / "root-beside" / "secret").write_bytes(OUTSIDE)
    (root / "link-out").symlink_to(tmp_path / "secret")
    (root / "link-in").symlink_to(root / "fits.wav")
    (root / "link-up").symlink_to("..")
    (root / "link-folder").symlink_to(root / "calls")
    (root / "link-loop").symlink_to("link-loop")
    (root / "link-proc").symlink_to("/proc/self/root")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(root / "socket"))
    return root


def _touched(path: Path) -> Path:
    path.touch()
    return path


def fetch(root: Path | None, uri: str) -> bytes | Reason:
    return ending(MediaFetcher(quick_settings(file_root=root), SystemClock()), uri)


def test_files_in_the_folder_are_read(root: Path) -> None:
    name = quote(str(root / "calls" / "a b#c%2e?.wav"))
    for uri in (f"file://{name}", f"file:{name}", f"file://localhost{name}", f"FILE://LOCALHOST{name}"):
        assert fetch(root, uri) == CONTENT
    assert fetch(root, f"file://{quote(str(root / 'calls' / 'deep' / 'ü.wav'))}") == CONTENT
    assert fetch(root, f"file://{root}/calls/deep/ü.wav") == CONTENT
    assert fetch(root, f"file://{root}/fits.wav") == b"x" * LIMIT_BYTES


def test_without_a_folder_every_file_is_refused(root: Path) -> None:
    assert fetch(None, f"file://{root}/fits.wav") == Reason.MEDIA_FORBIDDEN


@pytest.mark.parametrize(
    "path",
    ["/../secret", "/calls/../../secret", "/%2e%2e/secret", "/%2E./secret", "/.%2e/secret", "%2f..%2fsecret",
     "/..%2fsecret", "/%252e%252e/secret", "/./fits.wav", "//fits.wav", "/calls//deep/../../fits.wav",
     "-beside/secret", "/fits.wav%00.png",
     "/fits.wav?x", "/fits.wav#x", "/fits.wav/", "", "/", "/..", "/calls", "/calls/deep", "/link-out", "/link-in",
     "/link-up/secret", "/link-folder/deep/ü.wav", "/link-loop", "/link-proc/etc/passwd", "/pipe", "/socket",
     "/fits.wav/more"],
)  # fmt: skip
def test_nothing_leads_out_of_the_folder(root: Path, path: str) -> None:
    expected = Reason.MEDIA_NOT_FOUND if "%252e" in path else Reason.MEDIA_FORBIDDEN
    assert fetch(root, f"file://{root}{path}") == expected


@pytest.mark.parametrize(
    "uri",
    ["file:///etc/passwd", "file:/etc/passwd", "file:etc/passwd", "file:fits.wav", "file:", "file://", "file:////etc/passwd",
     "file://other.example.com{root}/fits.wav", "file://127.0.0.1{root}/fits.wav", "file://localhost:80{root}/fits.wav",
     "file://user@localhost{root}/fits.wav", "file://{root}", "file:///proc/self/environ", "file:///dev/zero",
     "file://[::1]{root}/fits.wav", "file:\\\\{root}/fits.wav"],
)  # fmt: skip
def test_other_places_are_refused(root: Path, uri: str) -> None:
    assert fetch(root, uri.format(root=root)) == Reason.MEDIA_FORBIDDEN


def test_a_device_is_refused(tmp_path: Path) -> None:
    assert fetch(Path("/dev"), "file:///dev/zero") == Reason.MEDIA_FORBIDDEN


def test_limits_and_absent_files(root: Path) -> None:
    assert fetch(root, f"file://{root}/large.wav") == Reason.MEDIA_TOO_LARGE
    assert fetch(root, f"file://{root}/sparse.wav") == Reason.MEDIA_TOO_LARGE
    assert fetch(root, f"file://{root}/empty.wav") == Reason.MEDIA_UNREADABLE
    assert fetch(root, f"file://{root}/absent.wav") == Reason.MEDIA_NOT_FOUND
    assert fetch(root, f"file://{root}/absent/a.wav") == Reason.MEDIA_NOT_FOUND
    assert fetch(root, f"file://{root}/{'x' * 300}") == Reason.MEDIA_FETCH_FAILED


def test_a_file_that_cannot_be_read_as_promised_is_deferred() -> None:
    # Its size is said to be 0 bytes, as of a file that is still being written.
    assert fetch(Path("/proc/self"), "file:///proc/self/status") == Reason.MEDIA_FETCH_FAILED


def test_swapping_a_folder_for_a_link_never_leads_out(root: Path, tmp_path: Path) -> None:
    """Another process swaps the folder and a link to the outside as fast as it can."""
    (root / "calls" / "secret").write_bytes(CONTENT)
    (root / "trap").symlink_to(tmp_path)
    fetcher = MediaFetcher(quick_settings(file_root=root), SystemClock())
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "calls").rename(root / "aside")
            (root / "trap").rename(root / "calls")
            (root / "calls").rename(root / "trap")
            (root / "aside").rename(root / "calls")

    swapping = threading.Thread(target=swap)
    swapping.start()
    found = {ending(fetcher, f"file://{root}/calls/secret") for _ in range(3_000)}
    stop.set()
    swapping.join()
    assert OUTSIDE not in found
    assert found >= {CONTENT, Reason.MEDIA_FORBIDDEN}, "the race was never met"
