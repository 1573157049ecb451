"""`millrace models fetch` against a hub on loopback that breaks, lies and stalls, with real files, locks and processes.

A green run does not prove that the real hub, its storage and proxies behave as this server does.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.fetched_models import DIGESTS, FILES, HALF, PLACE, WEIGHTS, content, environment, row, run
from tests.support.hub_server import HubServer, breaks, stalls, states, status, unstated, whole
from tests.support.sources import ROOT

TOKEN = "hf_not_to_be_shown"  # noqa: S105  (made for this test)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """Yield a hub with the model."""
    with HubServer(FILES) as serving:
        yield serving


def partial(folder: Path) -> int:
    """Return the bytes of the weights that wait to be continued."""
    file = folder / "models" / f".{PLACE}.partial" / "model.safetensors"
    return file.stat().st_size if file.exists() else 0


def asked(hub: HubServer) -> list[int]:
    """Return the positions of the weights that were asked for."""
    return [start for name, start in hub.gets if name == "model.safetensors"]


# --- what works ---


def test_the_models_of_a_stream_are_fetched_once_and_then_only_verified(tmp_path: Path, hub: HubServer) -> None:
    first = run(tmp_path, hub)
    assert (first.returncode, first.report["state"]) == (0, "fetched"), first.said
    assert first.report["folder"] == str(tmp_path / "models" / PLACE)
    assert first.report["size_bytes"] == sum(map(len, FILES.values()))
    assert content(tmp_path) == FILES
    assert asked(hub) == [0]
    again = run(tmp_path, hub)
    assert (again.returncode, again.report["state"], len(hub.gets)) == (0, "present", len(FILES))
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [f".{PLACE}.lock", PLACE]


def test_lines_are_logged_where_there_is_no_terminal(tmp_path: Path, hub: HubServer) -> None:
    lines = [json.loads(line) for line in run(tmp_path, hub).stderr.splitlines()]
    total = sum(map(len, FILES.values()))
    assert [(line["event"], line.get("total_bytes", line.get("done_bytes"))) for line in lines] == [
        ("fetching", total),
        ("fetched", total),
    ]


def test_a_token_is_sent_and_never_shown(tmp_path: Path, hub: HubServer) -> None:
    hub.token = TOKEN
    refused = run(tmp_path, hub, HF_TOKEN="hf_wrong_one")  # noqa: S106  (made for this test)
    assert (refused.returncode, refused.report["state"]) == (1, "failed")
    assert "status 401: the hub asks for a token: set HF_TOKEN" in refused.said
    done = run(tmp_path, hub, HF_TOKEN=TOKEN, MILLRACE_OPERATION__LOG_LEVEL="debug")
    assert (done.returncode, hub.authorizations[-1]) == (0, f"Bearer {TOKEN}")
    assert TOKEN not in done.said
    assert "hf_wrong_one" not in refused.said


# --- connections that break ---


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_connection_that_breaks_is_continued_where_it_broke(tmp_path: Path, hub: HubServer, is_reset: bool) -> None:
    hub.faults["model.safetensors"] = [breaks(100_000, is_reset=is_reset), breaks(300_000, is_reset=is_reset)]
    done = run(tmp_path, hub)
    assert (done.returncode, content(tmp_path)) == (0, FILES), done.said
    starts = asked(hub)
    assert starts[0] == 0
    assert starts[1:] == [100_000, 300_000] if not is_reset else starts[1] <= 100_000 and starts[2] <= 300_000
    assert done.stderr.count("download_interrupted") == 2


def test_without_ranges_it_begins_again(tmp_path: Path, hub: HubServer) -> None:
    hub.faults["model.safetensors"] = [breaks(HALF), whole]
    done = run(tmp_path, hub)
    assert (done.returncode, content(tmp_path), asked(hub)) == (0, FILES, [0, HALF]), done.said


def test_a_server_that_always_breaks_at_one_place_is_given_up(tmp_path: Path, hub: HubServer) -> None:
    hub.faults["model.safetensors"] = [breaks(HALF, ranged=False)] * 100
    done = run(tmp_path, hub, "--timeout", "2")
    assert (done.returncode, done.report["state"]) == (3, "unavailable")
    assert "Run the command again" in done.said


def test_a_killed_process_is_continued_by_the_next(tmp_path: Path, hub: HubServer) -> None:
    row(tmp_path)
    hub.pause_s = 0.05
    killed = started(tmp_path, hub)
    wait_for_half(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=10)
    there = partial(tmp_path)
    assert not (tmp_path / "models" / PLACE).exists()
    hub.pause_s = 0.0
    done = run(tmp_path, hub)
    assert (done.returncode, content(tmp_path), asked(hub)) == (0, FILES, [0, there]), done.said
    assert HALF <= there < len(WEIGHTS)


def test_two_at_once_fetch_once(tmp_path: Path, hub: HubServer) -> None:
    row(tmp_path)
    hub.pause_s = 0.05
    both = [started(tmp_path, hub) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted(json.loads(out)["models"][0]["state"] for out, _ in said) == ["fetched", "present"]
    assert (asked(hub), content(tmp_path)) == ([0], FILES)
    assert sum("another_process_fetches" in err for _, err in said) == 1


def started(folder: Path, hub: HubServer) -> "subprocess.Popen[str]":
    """Start a fetch."""
    command = [sys.executable, "-m", "millrace", "models", "fetch", "--stream", "tickets", "--json"]
    given = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin", "HOME": str(folder)} | environment(folder, hub)
    return subprocess.Popen(
        command, env=given, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def wait_for_half(folder: Path) -> None:
    """Wait until half of the weights are on the disk."""
    until_s = time.monotonic() + 60
    while partial(folder) < HALF:
        assert time.monotonic() < until_s
        time.sleep(0.01)


# --- lies ---


def test_other_content_is_refused_and_not_left_there(tmp_path: Path, hub: HubServer) -> None:
    other = WEIGHTS[:-1] + b"x"
    hub.files["model.safetensors"] = other
    done = run(tmp_path, hub)
    assert (done.returncode, done.report["state"]) == (1, "failed")
    [problem] = done.report["problems"]
    assert f"model.safetensors was sent with SHA-256 {sha256(other).hexdigest()}, " in problem
    assert f"the model's card states {DIGESTS['model.safetensors']}" in problem
    assert (content(tmp_path), partial(tmp_path)) == ({}, 0)
    assert not list((tmp_path / "models").rglob("model.safetensors"))
    hub.files["model.safetensors"] = WEIGHTS
    assert run(tmp_path, hub).returncode == 0


def test_a_damaged_beginning_is_dropped_and_fetched_again(tmp_path: Path, hub: HubServer) -> None:
    hub.faults["model.safetensors"] = [stalls(HALF)]
    assert run(tmp_path, hub, "--timeout", "1").returncode == 3
    file = tmp_path / "models" / f".{PLACE}.partial" / "model.safetensors"
    file.write_bytes(b"x" * HALF)
    done = run(tmp_path, hub)
    assert (done.returncode, content(tmp_path), asked(hub)) == (0, FILES, [0, HALF, 0]), done.said


@pytest.mark.parametrize(("said_bytes", "code"), [(len(WEIGHTS) + 1_000, 0), (HALF, 1)])
def test_a_wrong_length_changes_no_file(tmp_path: Path, hub: HubServer, said_bytes: int, code: int) -> None:
    """A server that states too much only breaks at the end; one that states too little sends another file."""
    hub.faults["model.safetensors"] = [states(said_bytes)] * 100
    done = run(tmp_path, hub)
    assert done.returncode == code, done.said
    assert content(tmp_path) == (FILES if code == 0 else {})


def test_an_endless_answer_without_a_length_is_ended(tmp_path: Path, hub: HubServer) -> None:
    hub.faults["model.safetensors"] = [unstated(100)]
    hub.states_sizes = False
    done = run(tmp_path, hub)
    assert (done.returncode, content(tmp_path)) == (1, {})
    assert "more than the 67,108,864 bytes arrived" in done.said


# --- servers that do not answer ---


def test_a_stall_ends_after_the_stated_time_and_the_next_run_continues(tmp_path: Path, hub: HubServer) -> None:
    hub.faults["model.safetensors"] = [stalls(HALF)] * 3
    begun_s = time.monotonic()
    done = run(tmp_path, hub, "--timeout", "2")
    assert (done.returncode, done.report["state"]) == (3, "unavailable")
    assert time.monotonic() - begun_s < 30
    assert f"it continues after {HALF:,} bytes" in done.said
    hub.faults.clear()
    again = run(tmp_path, hub)
    assert (again.returncode, content(tmp_path), asked(hub)) == (0, FILES, [0, HALF]), again.said


@pytest.mark.parametrize(
    ("code", "said"), [(404, "it does not exist there"), (403, "refuses access"), (410, "not send")]
)
def test_a_refusal_ends_at_once(tmp_path: Path, hub: HubServer, code: int, said: str) -> None:
    hub.faults["model.safetensors"] = [status(code)]
    done = run(tmp_path, hub)
    assert (done.returncode, done.report["state"], asked(hub)) == (1, "failed", [0])
    assert f"status {code}: " in done.said
    assert said in done.said


@pytest.mark.parametrize("code", [429, 503])
def test_a_server_that_asks_to_wait_is_waited_for(tmp_path: Path, hub: HubServer, code: int) -> None:
    hub.faults["model.safetensors"] = [status(code, Retry_After="1")]
    done = run(tmp_path, hub)
    assert (done.returncode, content(tmp_path)) == (0, FILES), done.said
    assert '"wait_s": 1.0' in done.stderr


def test_a_server_that_asks_to_wait_longer_than_allowed_is_unavailable(tmp_path: Path, hub: HubServer) -> None:
    hub.faults["model.safetensors"] = [status(429, Retry_After="3600")]
    done = run(tmp_path, hub)
    assert (done.returncode, asked(hub)) == (3, [0])
    assert "it asks to wait 3,600 s" in done.said


def test_a_hub_that_is_down_is_unavailable(tmp_path: Path) -> None:
    with HubServer(FILES) as ended:
        pass
    done = run(tmp_path, ended, "--timeout", "1")
    assert (done.returncode, done.report["state"]) == (3, "unavailable")
