"""The canaries of a model: when it is looked at, what counts as wrong, and what is stored of it.

A green run does not prove anything about a real model or a device that really fails: the vectors are spoiled by the test.
`tests/contract/test_canaries.py` looks at real models.
"""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from shared.embedding import canary_inputs
from shared.embedding.canaries import AGAIN_S, CANARY, DOUBT_EVERY_S
from shared.embedding.canary_answers import read_answers
from shared.embedding.port import IMAGE, Matrix
from shared.errors import DeviceLost, Fatal, Unavailable
from tests.support.canaries import (
    EVERY_S,
    INPUTS,
    Spoil,
    Watched,
    constant,
    longer,
    nowhere,
    one_for_all,
    rotated,
)
from tests.support.fakes import DIM

ALL = len(INPUTS)
SPOILT = [constant, nowhere, longer, one_for_all, rotated]


def failing(_: Matrix) -> Matrix:
    """Raise an error that says nothing about the device."""
    raise KeyError("layer")


def reason_of(watched: Watched) -> str:
    """Return why the model cannot be used, by a look that must find it."""
    with pytest.raises(Unavailable) as outage:
        watched.canaries.keep()
    assert outage.value.dependency == CANARY
    return outage.value.detail


def test_the_first_look_stores_the_answers_and_a_restart_compares_with_them(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "canaries" / "answers")
    watched.canaries.keep()
    assert read_answers(tmp_path / "canaries" / "answers", (ALL, DIM)) is not None
    again = watched.made(watched.clock)
    again.keep()
    watched.model.spoil = rotated
    with pytest.raises(Unavailable, match=r"model fake \(text\).*lowest cosine to .*answers is -?0\.\d+, expected"):
        watched.made(watched.clock).keep()
    assert watched.checked[:2] == [(1.0, False), (1.0, False)]
    assert float(str(watched.checked[2][0])) < 0.9
    assert [each.name for each in (tmp_path / "canaries").iterdir()] == ["answers"]


def test_a_model_is_looked_at_in_intervals_and_not_between() -> None:
    watched = Watched()
    for _ in range(3):
        watched.canaries.keep()
    watched.clock.seconds += EVERY_S - 1
    watched.canaries.keep()
    assert watched.looks == [ALL]
    watched.clock.seconds += 1
    watched.canaries.keep()
    assert watched.looks == [ALL, ALL]


def test_without_an_interval_only_the_start_is_looked_at() -> None:
    watched = Watched(every_s=0)
    for _ in range(3):
        watched.canaries.keep()
        watched.clock.seconds += 1e6
    assert watched.looks == [ALL]
    assert watched.reported.named("canary_checked")[-1][-1] == 0, "the alert about an overdue check reads the interval"


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_model_that_goes_bad_is_found_and_used_again_once_it_is_right(spoil: Spoil) -> None:
    watched = Watched()
    watched.canaries.keep()
    watched.model.spoil = spoil
    watched.clock.seconds += EVERY_S
    reasons = {reason_of(watched) for _ in range(5)}
    assert len(reasons) == 1
    assert watched.looks == [ALL, ALL]
    watched.clock.seconds += AGAIN_S
    reason_of(watched)
    assert watched.looks == [ALL] * 3
    watched.model.spoil = None
    reason_of(watched)
    watched.clock.seconds += AGAIN_S
    watched.canaries.keep()
    cosines = [float(str(cosine)) for cosine, _ in watched.checked]
    assert (cosines[0], cosines[3]) == (1.0, 1.0)
    assert max(cosines[1:3]) < 0.999


@pytest.mark.parametrize("spoil", [constant, nowhere, longer, one_for_all])
def test_answers_that_cannot_be_right_are_not_stored(spoil: Spoil, tmp_path: Path) -> None:
    watched = Watched(tmp_path / "answers")
    watched.model.spoil = spoil
    reason_of(watched)
    assert not (tmp_path / "answers").exists()
    assert watched.checked == [(0.0, False)]


def test_a_model_that_fails_on_a_canary_is_not_used() -> None:
    watched = Watched()
    watched.canaries.keep()
    watched.model.spoil = failing
    watched.clock.seconds += EVERY_S
    assert "fails on a canary input: KeyError" in reason_of(watched)


def test_a_dead_device_ends_the_worker() -> None:
    watched = Watched()
    watched.model.dead = DeviceLost("no longer there")
    with pytest.raises(DeviceLost):
        watched.canaries.keep()


def test_a_doubt_soon_after_a_look_costs_one_canary_and_later_a_whole_look() -> None:
    watched = Watched()
    watched.canaries.keep()
    for _ in range(3):
        watched.canaries.doubt()
    watched.clock.seconds += DOUBT_EVERY_S
    watched.canaries.doubt()
    assert watched.looks == [ALL, 1, 1, 1, ALL]


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("later_s", [0, DOUBT_EVERY_S])
def test_a_doubt_finds_a_model_that_has_just_gone_bad(spoil: Spoil, later_s: float) -> None:
    watched = Watched()
    watched.canaries.keep()
    watched.model.spoil = spoil
    watched.clock.seconds += later_s
    with pytest.raises(Unavailable):
        watched.canaries.doubt()
    reason_of(watched)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:],
        lambda content: b"",
        lambda content: b"\xff" * 64 + b"\n",
    ],
)
def test_damaged_answers_are_reported_kept_and_replaced(damage: object, tmp_path: Path) -> None:
    assert callable(damage)
    watched, path = Watched(tmp_path / "answers"), tmp_path / "answers"
    watched.canaries.keep()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with capture_logs() as logs:
        watched.made(watched.clock).keep()
    [line] = [each for each in logs if each["log_level"] == "error"]
    assert line["file"] == str(path)
    assert path.read_bytes() == whole
    assert (tmp_path / "answers.damaged").read_bytes() == damage(whole)


def test_answers_of_another_shape_are_damaged(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "answers")
    watched.subject = type(watched.subject)("text", "fake", DIM, INPUTS[:3], watched.subject.embed, watched.model.probe)
    watched.made(watched.clock).keep()
    with capture_logs() as logs:
        watched.canaries.keep()
    assert any(each["log_level"] == "error" for each in logs)


def test_answers_that_cannot_be_read_are_neither_replaced_nor_taken_for_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched, path = Watched(tmp_path / "answers"), tmp_path / "answers"
    watched.canaries.keep()
    whole = path.read_bytes()
    watched.model.spoil = rotated
    with monkeypatch.context() as failing_disk:
        failing_disk.setattr(Path, "read_bytes", _raise_eio)
        spoilt = watched.made(watched.clock)
        spoilt.keep()
    assert path.read_bytes() == whole
    watched.clock.seconds += EVERY_S
    with pytest.raises(Unavailable):
        spoilt.keep()  # the file can be read again, and its answers count
    assert path.read_bytes() == whole


def _raise_eio(_: Path) -> bytes:
    raise OSError(5, "Input/output error")


def test_other_users_can_read_the_answers(tmp_path: Path) -> None:
    Watched(tmp_path / "answers").canaries.keep()
    assert (tmp_path / "answers").stat().st_mode & 0o777 == 0o644


def test_doubts_do_not_compare_the_files_and_do_not_delay_the_next_look() -> None:
    compared: list[float] = []
    watched = Watched()
    watched.check = lambda: compared.append(watched.clock.monotonic_s())
    watched.canaries.keep()
    for _ in range(int(EVERY_S / 10)):
        watched.clock.seconds += 10
        watched.canaries.doubt()
        watched.canaries.keep()
        watched.files.wait()
    assert len(compared) == 1
    whole = [count for count in watched.looks if count == ALL]
    assert len(whole) <= 2 + EVERY_S / DOUBT_EVERY_S


def test_a_folder_that_cannot_be_written_leaves_the_answers_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    watched = Watched(tmp_path / "file" / "answers")
    with capture_logs() as logs:
        watched.canaries.keep()
    assert any(each["log_level"] == "warning" for each in logs)
    watched.model.spoil = rotated
    watched.clock.seconds += EVERY_S
    assert "the lowest cosine to" in reason_of(watched)


def test_changed_files_are_reported_while_the_model_works_on() -> None:
    def changed() -> None:
        raise Fatal("model.safetensors differs")

    watched = Watched()
    watched.canaries.keep()
    watched.check = changed
    watched.clock.seconds += EVERY_S
    watched.canaries.keep()
    watched.files.wait()
    watched.canaries.keep()
    assert watched.files.fault == "the files of the model changed since they were loaded: model.safetensors differs"
    assert watched.checked[-1] == (1.0, True)
    watched.check = lambda: None
    watched.clock.seconds += AGAIN_S
    watched.canaries.keep()
    watched.files.wait()
    watched.canaries.keep()
    assert watched.checked[-1] == (1.0, False)
    assert watched.files.fault is None


def test_a_comparison_that_fails_is_not_taken_for_unchanged_files() -> None:
    watched = Watched()
    watched.check = lambda: failing(np.empty(0, np.float32))
    watched.files.start()
    watched.files.wait()
    assert watched.files.fault == "the files of the model cannot be compared with its card: KeyError"


def test_the_canary_inputs_are_those_of_their_version() -> None:
    pictures, sounds = canary_inputs.pictures(64), canary_inputs.sounds()
    content = "\n".join(canary_inputs.TEXTS).encode() + b"".join(each.tobytes() for each in pictures)
    assert (canary_inputs.VERSION, sha256(content).hexdigest()[:16]) == (1, "fde95d2bd429009d")
    assert len(set(canary_inputs.TEXTS)) == len(canary_inputs.TEXTS)
    assert {"text": len(canary_inputs.TEXTS), "image": len(pictures), "audio": len(sounds)} == canary_inputs.COUNTS
    assert min(canary_inputs.TEXTS, key=len) == canary_inputs.TEXTS[0]
    assert [each.shape for each in pictures] == [(64, 64, 3)] * 5
    assert len({IMAGE.content(each) for each in pictures}) == 5
    assert [len(each.samples) for each in sounds] == [48_000] * 3
    assert all(0.1 < abs(each.samples).max() < 1.5 for each in sounds)
