"""The import rules of `pyproject.toml` find what they forbid, and the installed packages are this checkout.

`make check` runs `lint-imports` on the code itself. A green run does not prove that an adapter hides its library well, nor
anything of an import whose name is computed.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sources import PACKAGES, ROOT, imported_by_call, sources

LINTER = Path(sys.executable).with_name("lint-imports")
PLANTED = {
    "workers.planted -> torch": ("workers/planted.py", "import torch.nn"),
    "millrace.planted -> confluent_kafka": ("millrace/planted.py", "from confluent_kafka.admin import AdminClient"),
    "shared.cache.planted -> qdrant_edge": ("shared/cache/planted.py", "def f():\n    import qdrant_edge"),
    "shared.planted -> redis": ("shared/planted.py", "import redis"),
    "shared.search.planted -> py3langid": ("shared/search/planted.py", "import py3langid"),
    "shared.speech.planted -> whisper": ("shared/speech/planted.py", "import whisper.decoding"),
    "shared.speech.other -> torch": ("shared/speech/other.py", "import torch"),
    "shared.embedding.planted -> timm": ("shared/embedding/planted.py", "import timm.data"),
    "shared.embedding.image.planted -> PIL": ("shared/embedding/image/planted.py", "from PIL import Image"),
    "shared.media.planted -> imagehash": ("shared/media/planted.py", "import imagehash"),
    "shared.engine.planted -> prometheus_client": ("shared/engine/planted.py", "import prometheus_client"),
    "schemas.planted -> shared.clock": ("schemas/planted.py", "from shared.clock import Clock"),
    "shared.text.planted -> workers.tickets.stages": ("shared/text/planted.py", "import workers.tickets.stages"),
    "workers.tickets.planted -> shared.routing.training.train": (
        "workers/tickets/planted.py",
        "from shared.routing.training.train import train",
    ),
    ".errors -> .engine": ("shared/errors.py", "from shared.engine import loop"),
}
"""What the linter has to report, for each rule: by the module that is planted and the import that it has."""


def lint(folder: Path) -> str:
    """Return what import-linter reports for the packages in `folder`."""
    done = subprocess.run(
        [LINTER, "--no-logo"], cwd=folder, env={"PYTHONPATH": "."}, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Report on a copy of the packages in which every rule is broken."""
    folder = tmp_path_factory.mktemp("planted")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, line in PLANTED.values():
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    return lint(folder)


@pytest.mark.parametrize("report", PLANTED)
def test_a_planted_import_is_found(planted: str, report: str) -> None:
    assert f"{report} (" in planted.partition("Broken contracts")[2]


def test_no_import_is_hidden_in_a_call() -> None:
    """`import_module("redis")` is what the linter does not see."""
    hidden = [
        f"{source.name}:{line} {name}"
        for source in sources()
        for name, line in imported_by_call(source)
        if name.split(".")[0]
        in {"confluent_kafka", "prometheus_client", "qdrant_client", "qdrant_edge", "redis", "torch"}
    ]
    assert hidden == []


def test_the_installed_packages_are_this_checkout() -> None:
    # Isolated and from elsewhere: from here the folder of the checkout would win whatever is installed.
    script = f"import importlib, json; print(json.dumps([importlib.import_module(p).__file__ for p in {PACKAGES!r}]))"
    done = subprocess.run([sys.executable, "-I", "-c", script], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"not installed: run make\n{done.stderr}"
    assert [Path(file).resolve() for file in json.loads(done.stdout)] == [ROOT / p / "__init__.py" for p in PACKAGES]
