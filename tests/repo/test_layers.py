"""Each outside library has one adapter, imports go one way between packages, and the packages are this checkout's.

A green run does not prove that an adapter hides its library well, nor anything about an import whose name is computed;
longer chains between packages are found by import-linter.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sources import PACKAGES, ROOT, Source, imported, sources

ADAPTERS = {
    "confluent_kafka": "shared/broker/",
    "faust": "workers/services/",
    "huggingface_hub": "shared/embedding/",
    "prometheus_client": "shared/metrics.py",
    "qdrant_client": "shared/vectorstore/",
    "qdrant_edge": "shared/vectorstore/",
    "redis": "shared/cache/",
    "sentence_transformers": "shared/embedding/",
    "torch": "shared/embedding/",
    "transformers": "shared/embedding/",
}
FORBIDDEN = {
    "schemas/": ("shared", "workers", "millrace"),
    "shared/": ("workers", "millrace"),
    "workers/": ("millrace",),
    "millrace/api/": ("workers",),
}


def strays(modules: list[Source]) -> list[str]:
    """Return each import of an outside library outside its adapter, and each relative import."""
    found = []
    for source in modules:
        for name, line in imported(source):
            home = ADAPTERS.get(name.split(".")[0])
            if home and not source.name.startswith(home):
                found.append(f"{source.name}:{line} imports {name}, which belongs to {home}")
            if name.startswith("."):
                found.append(f"{source.name}:{line} imports relatively")
    return found


def upward(modules: list[Source]) -> list[str]:
    """Return each import that goes against the allowed direction."""
    return [
        f"{source.name}:{line} imports {name}"
        for source in modules
        for layer, above in FORBIDDEN.items()
        if source.name.startswith(layer)
        for name, line in imported(source)
        if name.split(".")[0] in above
    ]


def test_each_library_is_imported_in_its_adapter_only() -> None:
    assert strays(sources()) == []


def test_no_package_imports_one_above_it() -> None:
    assert upward(sources()) == []


def test_the_installed_packages_are_this_checkout() -> None:
    # Isolated and from another folder: in the checkout its own packages would win over the installed ones.
    script = f"import importlib, json; print(json.dumps([importlib.import_module(p).__file__ for p in {PACKAGES!r}]))"
    done = subprocess.run([sys.executable, "-I", "-c", script], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"not installed: run make\n{done.stderr}"
    assert [Path(file).resolve() for file in json.loads(done.stdout)] == [ROOT / p / "__init__.py" for p in PACKAGES]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("workers/a.py", "import torch.nn"),
        ("millrace/a.py", "from confluent_kafka.admin import AdminClient"),
        ("shared/cache/a.py", "def f():\n    import qdrant_edge"),
        ("shared/a.py", "import importlib\nimportlib.import_module('redis')"),
        ("shared/embedding/a.py", "from . import port"),
    ],
)
def test_a_planted_stray_is_found(name: str, text: str) -> None:
    assert len(strays([Source(name, text)])) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("schemas/a.py", "from shared.clock import Clock"),
        ("shared/a.py", "import workers.tickets"),
        ("millrace/api/a.py", "import workers"),
    ],
)
def test_a_planted_upward_import_is_found(name: str, text: str) -> None:
    assert len(upward([Source(name, text)])) == 1
