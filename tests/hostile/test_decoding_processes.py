"""The children that decode: what they cannot do even if they are taken over, what ends them, and who pays for it.

A green run does not prove the filter on a machine of another architecture.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from schemas.failures import FailureReason
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.errors import Fatal, Rejected
from shared.media.decoding import children as children_module
from shared.media.decoding import decoder as decoder_module
from shared.media.decoding.decoder import Decoder
from shared.media.decoding.process import DecodingProcess
from shared.media.decoding.replies import Window
from shared.media.decoding.wire import Failed, Ready, Tag, packed
from tests.support.hostile_sounds import long_mulaw_wav
from tests.support.media import PIXEL
from tests.support.waiting import wait_until

LIMIT_BYTES = 256 << 20
TIMEOUT_S = 30.0
SECCOMP_FILTER = "2"

ATTACKS = {
    "open a file": "open('/etc/passwd')",
    "write a file": "open('/tmp/millrace-attack', 'w')",
    "list a folder": "__import__('os').listdir('/')",
    "open a socket": "__import__('_socket').socket()",
    "make a pair of sockets": "__import__('_socket').socketpair()",
    "fork": "__import__('os').fork()",
    "start a program": "__import__('os').execv('/bin/true', ['true'])",
    "signal its worker": "__import__('os').kill(__import__('os').getppid(), 0)",
    "trace a process": "libc.ptrace(16, 1, 0, 0)",
    "write into another process": "libc.process_vm_writev(1, 0, 0, 0, 0, 0)",
    "raise its limits": "__import__('resource').setrlimit(9, (-1, -1))",
    "map a program by memfd": "__import__('os').memfd_create('x')",
    "look at the name of the machine": "__import__('os').uname()",
    "use io_uring": "libc.syscall(425, 1, 0)",
}
ATTACKER = """
import ctypes, sys, os, resource, _socket
from shared.media.decoding.confinement import confine
libc = ctypes.CDLL(None)
libc.ptrace, libc.process_vm_writev, libc.syscall
assert confine(1 << 28)
sys.stdout.write('confined'); sys.stdout.flush()
{attack}
sys.stdout.write(' and free'); sys.stdout.flush()
"""


def settings(**changes: float) -> DecodingSettings:
    return DecodingSettings.model_validate({"processes": 1, **changes})


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with closing(Decoder(settings(), LIMIT_BYTES, SystemClock())) as decoder:
        decoder.start()
        yield decoder


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
def test_a_confined_process_that_asks_for_more_is_ended_by_the_kernel(attack: str) -> None:
    code = ATTACKER.format(attack=attack)
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=False, timeout=TIMEOUT_S)
    assert (run.stdout, run.returncode) == (b"confined", -signal.SIGSYS), run.stderr.decode()


def test_a_confined_process_can_use_memory_only_within_its_limit() -> None:
    code = ATTACKER.format(attack="try:\n    bytes(1 << 29)\nexcept MemoryError:\n    os._exit(7)")
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=False, timeout=TIMEOUT_S)
    assert run.returncode == 7


def test_a_confined_process_may_start_threads_and_they_are_confined() -> None:
    code = ATTACKER.format(
        attack="import _thread, time\n_thread.start_new_thread(open, ('/etc/passwd',))\ntime.sleep(9)"
    )
    code = "import _thread, time\n" + code
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=False, timeout=TIMEOUT_S)
    assert run.returncode == -signal.SIGSYS


def test_a_child_is_filtered_has_only_its_pipes_and_no_secret(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    [pid] = decoder.children.pids
    status = status_of(pid)
    assert (status["Seccomp"], status["NoNewPrivs"]) == (SECCOMP_FILTER, "1")
    targets = {each.name: str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    assert targets.keys() == {"0", "1", "2"}
    assert targets["0"].startswith("pipe:")
    assert targets["1"].startswith("pipe:")
    assert targets["2"] == os.devnull
    names = {entry.partition(b"=")[0] for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if entry}
    assert names <= {b"LD_LIBRARY_PATH", b"MALLOC_MMAP_THRESHOLD_", b"MALLOC_TRIM_THRESHOLD_"}


def test_a_child_that_is_killed_costs_nothing_if_another_one_succeeds(decoder: Decoder) -> None:
    [pid] = decoder.children.pids
    os.kill(pid, signal.SIGKILL)
    assert decoder.picture(PIXEL, "picture").pixels.shape == (1, 1, 3)
    assert decoder.children.pids != [pid]


def test_a_medium_that_ends_two_children_is_refused_and_its_neighbours_are_not() -> None:
    class Murderous(DecodingProcess):
        def send(self, request: object, content: object, time_s: float) -> None:
            if content != PIXEL:
                self.stop()
            super().send(request, content, time_s)  # type: ignore[arg-type]  # passed on as it is

    with pytest.MonkeyPatch.context() as patched, closing(Decoder(settings(processes=2), 0, SystemClock())) as decoder:
        patched.setattr(children_module, "DecodingProcess", Murderous)
        contents = [PIXEL, PIXEL + b"murderous", PIXEL, PIXEL]
        with ThreadPoolExecutor(4) as threads:
            tasks = [threads.submit(decoder.picture, content, "picture") for content in contents]
        failures = [task.exception() for task in tasks]
        assert [failure is None for failure in failures] == [True, False, True, True]
        assert isinstance(failures[1], Rejected)
        assert failures[1].reason == FailureReason.MEDIA_DECODING_LIMIT
        assert "signal 9" in failures[1].detail
        assert decoder.picture(PIXEL, "picture").pixels.shape == (1, 1, 3)


def test_a_medium_that_takes_too_much_processor_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_module, "TIMES_CPU", 100)  # other processes may keep both cores busy
    with closing(Decoder(settings(cpu_s=0.3), LIMIT_BYTES, SystemClock())) as decoder:
        refused = _refused(lambda: decoder.sound(long_mulaw_wav(20_000), "recording", lambda window: None))
        assert (refused.reason, refused.field) == (FailureReason.MEDIA_DECODING_LIMIT, "recording")
        assert "0.3 s of processor time" in refused.detail
        assert decoder.picture(PIXEL, "picture").kind == "png"


def test_a_child_that_does_not_answer_is_given_up() -> None:
    with closing(Decoder(settings(cpu_s=0.2), LIMIT_BYTES, SystemClock())) as decoder:
        decoder.start()
        os.kill(decoder.children.pids[0], signal.SIGSTOP)
        refused = _refused(lambda: decoder.picture(PIXEL, "picture"))
        assert refused.reason == FailureReason.MEDIA_DECODING_LIMIT
        assert decoder.picture(PIXEL, "picture").kind == "png"


def test_time_that_the_worker_takes_between_windows_is_not_the_childs() -> None:
    with closing(Decoder(settings(cpu_s=0.5), LIMIT_BYTES, SystemClock())) as decoder:
        decoder.start()
        never = threading.Event()

        def take(window: object) -> None:
            never.wait(1.0)

        sound = decoder.sound(long_mulaw_wav(90), "recording", take)
        assert sound.duration_s == 90


def test_a_stage_that_fails_between_windows_leaves_a_usable_decoder(decoder: Decoder) -> None:
    def fail(window: object) -> None:
        raise ArithmeticError("the stage failed")

    with pytest.raises(ArithmeticError):
        decoder.sound(long_mulaw_wav(90), "recording", fail)
    assert decoder.picture(PIXEL, "picture").kind == "png"


def test_a_sound_whose_child_ends_goes_on_in_another_one_and_no_window_is_passed_on_twice(decoder: Decoder) -> None:
    windows: list[bytes] = []

    def take(window: Window) -> None:
        windows.append(window.tobytes())
        if len(windows) == 3:
            os.kill(decoder.children.pids[0], signal.SIGKILL)

    content, expected = long_mulaw_wav(900), []
    sound = decoder.sound(content, "recording", take)
    decoder.sound(content, "recording", lambda window: expected.append(window.tobytes()))
    assert sound.duration_s == 900
    assert windows == expected


def test_a_sound_that_ends_two_children_is_refused(decoder: Decoder) -> None:
    def take(window: Window) -> None:
        os.kill(decoder.children.pids[0], signal.SIGKILL)

    refused = _refused(lambda: decoder.sound(long_mulaw_wav(900), "recording", take))
    assert "signal 9" in refused.detail


def _frame(tag: bytes, body: bytes) -> bytes:
    return tag + len(body).to_bytes(8, "big") + body


LIES = {
    "a frame of an unknown kind": b"?" + (0).to_bytes(8, "big"),
    "a frame that is too long": b"P" + (1 << 40).to_bytes(8, "big"),
    "a picture of another size": _frame(b"P", b"abcd")
    + _frame(b".", b'{"width_px": 1, "height_px": 1, "original_width_px": 1, "original_height_px": 1, "frames": 1}'),
    "a window with half a sample": _frame(b"W", b"a"),
    "a second description": _frame(
        b"S",
        b'{"codec": "x", "original_rate_hz": 1, "original_channels": 2, "channels": 2, '
        b'"damaged_packets": 0, "claimed_s": null}',
    )
    * 2,
    "text for a terminal": _frame(b"!", b'{"\\u001b]0;x": 1}'),
    "a lone surrogate": _frame(b"!", b'{"\\ud800": 1}'),
    "a message that is no object": _frame(b"!", b"[]"),
    "a message with a text for a number": _frame(b"P", b"abc")
    + _frame(b".", b'{"width_px": "1", "height_px": 1, "original_width_px": 1, "original_height_px": 1, "frames": 1}'),
    "a message with deep brackets": _frame(b"!", b"[" * 4_000),
    "nothing": b"",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=list(LIES))
def test_a_child_that_was_taken_over_and_lies_is_killed(lie: bytes) -> None:
    class Lying(DecodingProcess):
        """A child whose replies are replaced."""

        left = b""

        def send(self, request: object, content: object, time_s: float) -> None:
            self.left = lie

        def _read(self, size: int) -> bytearray:
            if not self.left:
                raise self.mistrusted("ended")
            found, self.left = self.left[:size], self.left[size:]
            return bytearray(found)

        def ready(self) -> Ready:
            return Ready(True, True)

    with pytest.MonkeyPatch.context() as patched, closing(Decoder(settings(), 0, SystemClock())) as decoder:
        patched.setattr(children_module, "DecodingProcess", Lying)
        for decode in (
            lambda: decoder.picture(PIXEL, "picture"),
            lambda: decoder.sound(long_mulaw_wav(1), "recording", lambda window: None),
        ):
            refused = _refused(decode)
            assert refused.reason == FailureReason.MEDIA_DECODING_LIMIT
            assert refused.detail.isprintable()
            assert refused.detail.encode()


def test_closing_ends_what_is_being_decoded() -> None:
    decoder = Decoder(settings(), LIMIT_BYTES, SystemClock())
    decoder.start()
    pids, entered = decoder.children.pids, threading.Event()
    with ThreadPoolExecutor(3) as threads:
        tasks = [threads.submit(decoder.sound, long_mulaw_wav(20_000), "r", lambda _: entered.set()) for _ in range(3)]
        assert entered.wait(TIMEOUT_S)
        decoder.close()
        assert [type(task.exception(TIMEOUT_S)) for task in tasks] == [CancelledError] * 3
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists()
    decoder.close()


def test_children_end_when_their_worker_is_killed() -> None:
    code = (
        "import time\nfrom shared.clock import SystemClock\nfrom shared.decoding_settings import DecodingSettings\n"
        "from shared.media.decoding.decoder import Decoder\n"
        "decoder = Decoder(DecodingSettings(), 0, SystemClock())\ndecoder.start()\n"
        "print(*decoder.children.pids, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        pids = [int(pid) for pid in worker.stdout.readline().split()]
        worker.kill()
    assert len(pids) == 2
    wait_until(lambda: not any(_runs(pid) for pid in pids), TIMEOUT_S, "the children have ended")


def test_a_child_that_cannot_start_stops_the_worker_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children_module, "LIBRARIES", ("a_library_that_is_missing",))
    with pytest.raises(Fatal, match=r"needs a_library_that_is_missing: install millrace\[media\]"):
        Decoder(settings(), 0, SystemClock()).start()
    monkeypatch.undo()

    class Unconfined(DecodingProcess):
        def _read(self, size: int) -> bytearray:
            reply = packed(Failed(False, "seccomp failed: it is forbidden"))
            return bytearray(Tag.FAILED.value + len(reply).to_bytes(8, "big")) if size == 9 else bytearray(reply)

    monkeypatch.setattr(children_module, "DecodingProcess", Unconfined)
    with pytest.raises(Fatal, match="cannot start: seccomp failed: it is forbidden"):
        Decoder(settings(), 0, SystemClock()).start()

    def refuse(memory_bytes: int, clock: object) -> DecodingProcess:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(children_module, "DecodingProcess", refuse)
    with pytest.raises(Fatal, match="no process for decoding media can be started"):
        Decoder(settings(), 0, SystemClock()).start()


def _refused(decode: Callable[[], object]) -> Rejected:
    with pytest.raises(Rejected) as refused:
        decode()
    return refused.value


def _runs(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return not status_of(pid)["State"].startswith("Z")
    return False
