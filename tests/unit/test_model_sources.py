"""Where a model's files come from: packages, parts of several packages joined once, folders, the Hugging Face cache.

A green run does not prove that a file can be fetched: `tests/contract/test_models_fetch.py` shows it.
"""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from shared.embedding import sources
from shared.embedding.registry import TextCard
from shared.embedding.sources import models_folder
from shared.errors import Fatal
from tests.unit.test_registry import card

FIRST, SECOND = bytes(range(256)) * 5_000, b"the rest"
WHOLE = FIRST + SECOND
FILES = {
    "model.safetensors": sha256(WHOLE).hexdigest(),
    "config.json": sha256(b"{}").hexdigest(),
    "inner/vocab.txt": sha256(b"words").hexdigest(),
}
PARTS = {
    "model.safetensors": ("wheel_one/data/model.part1", "wheel_two/data/model.part2"),
    "config.json": ("wheel_one/data/config.json",),
}
JOINED: dict[str, Any] = {"source": "package:wheel_one+wheel_two", "files": FILES, "parts": PARTS}


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay out two data packages, as wheels that share one model have them, and a package with a MODEL_DIR."""
    site = tmp_path / "site"
    contents = {
        "wheel_one/__init__.py": b"raise RuntimeError('a package of data is not run')",
        "wheel_one/data/model.part1": FIRST,
        "wheel_one/data/config.json": b"{}",
        "wheel_two/__init__.py": b"",
        "wheel_two/data/model.part2": SECOND,
        "wheel_two/inner/vocab.txt": b"words",
        "with_folder/__init__.py": b"import pathlib\nMODEL_DIR = pathlib.Path(__file__).parent / 'model'\n",
        "with_folder/model/config.json": b"{}",
        "plain/__init__.py": b"",
        "plain/config.json": b"{}",
    }
    for name, content in contents.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)
    monkeypatch.syspath_prepend(site)
    for name in ("wheel_one", "wheel_two", "with_folder", "plain"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return site


def joined_card(**changes: Any) -> TextCard:
    """Return a card of the joined model."""
    return card(**(JOINED | changes))


# --- one package ---


def test_the_folder_is_the_package_s_model_dir_if_set_else_the_package_itself(packages: Path) -> None:
    files = {"config.json": FILES["config.json"]}
    assert card(source="package:with_folder", files=files).check_files() == packages / "with_folder" / "model"
    assert card(source="package:plain", files=files).check_files() == packages / "plain"


# --- parts of several ---


def test_parts_are_joined_in_order_and_checked(tmp_path: Path) -> None:
    folder = joined_card().check_files(tmp_path / "cache")
    assert folder.parent == tmp_path / "cache"
    assert {name: (folder / name).read_bytes() for name in FILES} == {
        "model.safetensors": WHOLE,
        "config.json": b"{}",
        "inner/vocab.txt": b"words",
    }


def test_they_are_joined_once(tmp_path: Path, packages: Path) -> None:
    first = joined_card().locate(tmp_path / "cache")
    (packages / "wheel_one/data/model.part1").unlink()
    assert joined_card().check_files(tmp_path / "cache") == first
    assert list((tmp_path / "cache").iterdir()) == [first]


def test_other_files_have_their_own_folder(tmp_path: Path, packages: Path) -> None:
    first = joined_card().locate(tmp_path)
    (packages / "wheel_two/inner/vocab.txt").write_bytes(b"others")
    changed = joined_card(files=FILES | {"inner/vocab.txt": sha256(b"others").hexdigest()})
    assert changed.locate(tmp_path) != first
    assert joined_card().check_files(tmp_path) == first


def test_parts_of_another_file_are_fatal_and_leave_nothing_behind(tmp_path: Path) -> None:
    wrong = joined_card(parts=PARTS | {"model.safetensors": tuple(reversed(PARTS["model.safetensors"]))})
    reported = (
        f"^model m: model.safetensors joined from .*part2 .*part1 has SHA-256 {sha256(SECOND + FIRST).hexdigest()}, "
    )
    with pytest.raises(Fatal, match=reported + f"but the model's card states {FILES['model.safetensors']}"):
        wrong.locate(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_joined_file_is_fatal_and_the_error_states_how_to_replace_it(tmp_path: Path) -> None:
    folder = joined_card().locate(tmp_path / "cache")
    (folder / "model.safetensors").write_bytes(WHOLE[:-1])
    with pytest.raises(Fatal, match="Either replace them with: millrace models fetch m, or"):
        joined_card().check_files(tmp_path / "cache")


def test_a_missing_part_is_fatal(tmp_path: Path, packages: Path) -> None:
    (packages / "wheel_two/data/model.part2").unlink()
    with pytest.raises(
        Fatal, match=r"package wheel_two does not contain data/model\.part2, a part of model\.safetensors"
    ):
        joined_card().locate(tmp_path / "cache")


def test_a_file_without_parts_is_in_exactly_one_package(tmp_path: Path, packages: Path) -> None:
    (packages / "wheel_one/inner").mkdir()
    (packages / "wheel_one/inner/vocab.txt").write_bytes(b"words")
    with pytest.raises(Fatal, match=r"2 of the packages wheel_one\+wheel_two contain inner/vocab\.txt"):
        joined_card().locate(tmp_path / "cache")


def test_a_missing_package_is_fatal_and_the_error_states_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"model m: package no_such_package is not installed; install millrace\[text\]"):
        card(source="package:plain+no_such_package").locate(tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(Fatal, match=r"wheel_one\+wheel_two cannot be joined in .*cache"):
        joined_card().locate(tmp_path / "cache")


def test_the_second_process_to_join_uses_the_files_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several processes are released at the same moment, each with its files joined and about to be moved into place."""
    together, put, folders = Barrier(4), sources._move, list[Path]()

    def at_once(temporary: Path, folder: Path) -> None:
        together.wait(10)
        put(temporary, folder)

    monkeypatch.setattr(sources, "_move", at_once)
    threads = [Thread(target=lambda: folders.append(joined_card().check_files(tmp_path / "cache"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 4
    assert list((tmp_path / "cache").iterdir()) == [folders[0]]


JOIN = """
import sys
from pathlib import Path
from shared.embedding.sources import locate
from tests.unit.test_model_sources import FILES, PARTS
print(locate("package:wheel_one+wheel_two", FILES, PARTS, Path(sys.argv[1])))
"""


def test_two_processes_at_once_do_not_disturb_each_other(tmp_path: Path, packages: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(packages)!r})\n{JOIN}"
    command = [sys.executable, "-c", code, str(tmp_path / "cache")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=60)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert said == {str(joined_card().check_files(tmp_path / "cache"))}


def test_the_cache_is_where_xdg_cache_home_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert models_folder() == tmp_path / "xdg/millrace/models"
    for unusable in ("", "relative/folder"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert models_folder() == tmp_path / ".cache/millrace/models"
    assert joined_card().folder.parent == tmp_path / ".cache/millrace/models"


def test_the_folder_of_the_settings_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("MILLRACE_OPERATION__MODELS_DIR", str(tmp_path / "models"))
    assert joined_card().folder.parent == models_folder() == tmp_path / "models"


# --- the Hugging Face cache ---

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay out one snapshot in a Hugging Face cache that is empty otherwise."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "hub/models--org--name/snapshots" / REVISION
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{}")
    return folder


def test_a_snapshot_of_the_hub_is_found_by_its_revision(hub: Path) -> None:
    files = {"config.json": FILES["config.json"]}
    assert card(source=f"hub:org/name@{REVISION}", files=files).check_files() == hub


@pytest.mark.parametrize("where", ["org/other@" + REVISION, "org/name@" + "f" * 40])
def test_a_snapshot_that_does_not_exist_is_fatal_and_the_error_states_how_to_fetch_it(hub: Path, where: str) -> None:
    with pytest.raises(
        Fatal, match=f"^model m: {where} is not on this machine; fetch it with: millrace models fetch m$"
    ):
        card(source=f"hub:{where}").check_files()


def test_a_folder_that_does_not_exist_is_fatal_and_the_error_states_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"does not exist; fetch it with: millrace models fetch m --from FOLDER$"):
        card(source=f"path:{tmp_path / 'none'}").check_files()
