"""The range of Python versions is in pyproject.toml; the Makefile refuses any other before it installs anything.

A green run does not prove that each dependency has a wheel for each version of the range: no index is asked.
"""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.sources import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RANGE = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PYPROJECT["project"]["requires-python"])
assert RANGE, "requires-python is not of the form that the Makefile reads"
FIRST, END = int(RANGE[1]), int(RANGE[2])
WORDS = f"Python 3.{FIRST} to 3.{END - 1}"


def make(folder: Path, version: str) -> tuple[int, str, str]:
    """Run `make demo` with a Python that reports a version; return exit code, errors and the requested arguments."""
    asked, python = folder / "asked", folder / "python3"
    asked.touch()
    python.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{version}" || echo "$@" >> {asked}\n')
    python.chmod(0o755)
    return run_make(folder, python), (folder / "errors").read_text(), asked.read_text()


def run_make(folder: Path, python: Path) -> int:
    """Run `make demo` with a virtual environment in `folder`, keeping its errors; return its exit code."""
    outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # variables of the make that runs the tests
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    command = ["make", "demo", f"PYTHON={python}", f"VENV={folder / 'venv'}"]
    with (folder / "errors").open("w") as errors:
        return subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=errors, check=False
        ).returncode


@pytest.mark.parametrize("version", [f"3.{FIRST - 1}.14", f"3.{END}.0", f"3.{END}.0a1", "3.9.2", "2.7.18", "12.1.0"])
def test_another_python_is_refused_in_one_line_before_anything_is_installed(tmp_path: Path, version: str) -> None:
    code, errors, asked = make(tmp_path, f"Python {version}")
    [line] = [line for line in errors.splitlines() if not line.startswith("make")]
    assert code != 0
    assert WORDS in line
    assert f"{tmp_path / 'python3'} is Python {version}." in line
    assert re.search(r"make PYTHON=python3\.(\d+)", line)
    assert (asked, (tmp_path / "venv").exists()) == ("", False)


def test_a_python_that_does_not_exist_is_reported_as_missing(tmp_path: Path) -> None:
    assert run_make(tmp_path, tmp_path / "none") != 0
    [line] = [line for line in (tmp_path / "errors").read_text().splitlines() if not line.startswith("make")]
    assert f"{tmp_path / 'none'} is missing." in line


@pytest.mark.parametrize("version", [f"3.{FIRST}.0", f"3.{END - 1}.2", f"3.{END - 1}.0rc1"])
def test_a_python_of_the_range_is_used(tmp_path: Path, version: str) -> None:
    _, errors, asked = make(tmp_path, f"Python {version}")
    assert "needs" not in errors
    assert asked.startswith(f"-m venv {tmp_path / 'venv'}")


def test_other_files_that_name_a_python_version_agree() -> None:
    readme, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile"))
    assert f"With {WORDS} on Linux:" in readme
    suggested = [int(minor) for minor in re.findall(r"PYTHON=python3\.(\d+)", makefile)]
    image = re.findall(r"^ARG PYTHON_IMAGE=python:3\.(\d+)\.", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert [FIRST <= minor < END for minor in (*suggested, *map(int, image))] == [True, True]
    tools = PYPROJECT["tool"]
    assert (tools["ruff"]["target-version"], tools["mypy"]["python_version"]) == (f"py3{FIRST}", f"3.{FIRST}")
