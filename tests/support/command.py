"""Running the `millrace` command as a process of its own, with no settings but those given."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.sources import ROOT


def millrace(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    command = [sys.executable, "-m", "millrace", *arguments]
    path = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=clean | path | environment, cwd=folder, capture_output=True, text=True, check=False
    )
