"""OpenVINO reports to its makers that it was imported; a process of Millrace must not.

The library that reports writes files into the home folder before it sends anything: a green run shows that no such file was
written, not that nothing else in OpenVINO uses a network.
"""

import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from tests.support.sources import ROOT

LOAD = """
import sys
from shared.embedding.openvino.model import OpenVinoModel
from shared.embedding.registry import load_text_card
OpenVinoModel(load_text_card("minilm-l6-v2"), "cpu", 1_024).embed(["a"])
import openvino.tools.ovc
print(sys.modules["openvino_telemetry"])
"""


def test_nothing_is_reported_when_a_model_is_loaded(tmp_path: Path) -> None:
    assert distribution("openvino-telemetry").files, "without the library there is nothing to show"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_") and name != "CI"}
    environment = kept | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, "-c", LOAD], env=environment, cwd=tmp_path, capture_output=True, check=True)
    assert found.stdout.decode().strip() == "None"
    assert list(tmp_path.iterdir()) == []
