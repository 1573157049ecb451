"""The lock file names no index, pins every package by version and hash, and covers every declared dependency.

A green run does not prove that the pinned packages are sound, nor that the lock was resolved from today's
pyproject.toml beyond its direct dependencies; `make lock` does that.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from sysconfig import get_path

import pytest

from tests.support.sources import ROOT

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
ADDRESS = re.compile(r"https?:|git\+|\bfile:", re.IGNORECASE)
UNLOCKED = {"millrace", "pip", "uv"}
INDEX = re.compile(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--no-index|--trusted-host|--default-index|--index)\b")


def normal(name: str) -> str:
    """Return a package's name in the normal form that indexes compare."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(lock: str) -> Iterator[str]:
    """Yield each requirement with its continuation lines; comments are left out."""
    kept = "\n".join(line for line in lock.splitlines() if not line.lstrip().startswith("#"))
    yield from (line.strip() for line in kept.replace("\\\n", " ").splitlines() if line.strip())


def faults(lock: str) -> list[str]:
    """Return the faults in the text of a lock file."""
    found = [f"names an address: {line}" for line in lock.splitlines() if ADDRESS.search(line)]
    found += [f"names an index: {line}" for line in lock.splitlines() if INDEX.search(line)]
    for requirement in requirements(lock):
        if requirement.startswith("-"):
            continue
        if not PIN.match(requirement):
            found.append(f"not pinned: {requirement[:60]}")
        if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", requirement):
            found.append(f"no hash: {requirement[:60]}")
    return found


def declared(pyproject: str) -> set[str]:
    """Return the normal names of all dependencies in the text of a pyproject.toml, including those of extras."""
    project = tomllib.loads(pyproject)["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return {normal(found[0]) for each in lists for line in each if (found := NAME.match(line))}


def pins(lock: str) -> set[tuple[str, str]]:
    """Return the normal names that a lock file pins, with the versions: several if the platform decides."""
    return {(normal(found[1]), found[2]) for line in requirements(lock) if (found := PIN.match(line))}


def locked(lock: str) -> set[str]:
    """Return the normal names that a lock file pins."""
    return {name for name, _ in pins(lock)}


def test_the_lock_is_sound() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert len(locked(text)) > 1
    assert faults(text) == []


def test_every_declared_dependency_is_locked() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert declared((ROOT / "pyproject.toml").read_text(encoding="utf-8")) - locked(lock) == set()


def test_everything_installed_is_locked() -> None:
    # uv verifies the hash of each package in the lock and installs any other package without a message.
    pinned = pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    # Not all of the import path: setuptools puts the packages that it brings there, once something imports it.
    folders = sorted({get_path("purelib"), get_path("platlib")})
    installed = {(normal(each.name), each.version) for each in distributions(path=folders)}
    assert {each for each in installed - pinned if each[0] not in UNLOCKED} == set()


HASH = "--hash=sha256:" + "0" * 64


@pytest.mark.parametrize(
    "lock",
    [
        f"--index-url simple\na==1 \\\n    {HASH}\n",
        f"# from https://example.org\na==1 \\\n    {HASH}\n",
        f"a==1 \\\n    {HASH}\n    # via git+ssh\n",
        f"a>=1 \\\n    {HASH}\n",
        "a==1 ; python_version > '3'\n    # via b\n",
        f"a==1 \\\n    {HASH}\nb==2 \\\n    --hash=md5:00\n",
    ],
)
def test_a_planted_fault_is_found(lock: str) -> None:
    assert len(faults(lock)) == 1


def test_a_missing_dependency_is_found() -> None:
    pyproject = '[project]\ndependencies = ["Rich_Text>=1"]\n[project.optional-dependencies]\nx = ["b[extra]>=2"]\n'
    assert declared(pyproject) - locked(f"rich-text==1 {HASH}") == {"b"}
