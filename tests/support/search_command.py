"""`millrace search` in this process, over a real embedded store with items of one tenant and fake models."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from millrace.cli import app
from tests.support.findable import fill, small_shop, use_fakes


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Yield the folder of a configured store with items of one tenant."""
    folder = tmp_path / "store"
    use_fakes(monkeypatch, folder)
    fill(folder, **small_shop())
    return folder


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["search", *arguments])


def answered(*arguments: str) -> dict[str, Any]:
    """Return the JSON of a search that succeeds."""
    ended = run(*arguments, "--json")
    assert ended.exit_code == 0, ended.output
    found: dict[str, Any] = json.loads(ended.stdout)
    return found
