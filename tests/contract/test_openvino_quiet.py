"""OpenVINO reports to its makers that it was imported; a process of Millrace must not.

The library that reports writes files into the home folder before it sends anything: a green run shows that there are none,
not that nothing else in OpenVINO uses a network.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.sources import ROOT

LOAD = """
from shared.embedding.openvino.model import OpenVinoModel
from shared.embedding.registry import load_text_card
OpenVinoModel(load_text_card("minilm-l6-v2"), "cpu", 1_024).embed(["a"])
import openvino.tools.ovc
"""


def written(code: str, home: Path) -> list[str]:
    """Run code with a home folder of its own, and return what it wrote there."""
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    # Libraries that are silent in tests and in CI would make this check pass for nothing.
    kept = {name: value for name, value in environment.items() if name not in ("CI", "PYTEST_CURRENT_TEST")}
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=kept | {"HOME": str(home), "PYTHONPATH": str(ROOT)}, cwd=home.parent, check=True)
    return sorted(path.name for path in home.iterdir())


def test_nothing_is_reported_when_a_model_is_loaded(tmp_path: Path) -> None:
    assert "intel" not in written(LOAD, tmp_path / "home")
    assert "intel" in written("import openvino", tmp_path / "bare"), "the check shows nothing"
