"""What the figures were measured on: the machine, and the versions of the libraries."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

LIBRARIES = (
    "confluent-kafka", "fastembed", "faststream", "faust-streaming", "onnxruntime", "openvino", "qdrant-edge-py",
    "sentence-transformers", "tokenizers", "torch", "transformers",
)  # fmt: skip
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
"""The instructions on which the rate of an encoder depends."""


def machine() -> dict[str, object]:
    """Return the CPU's name, the cores that this process may use, and which instructions the CPU has."""
    fields = _cpu_fields()
    present = fields.get("flags", "").split()
    return {
        "cpu": fields.get("model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "instructions": [flag for flag in FLAGS if flag in present],
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Return the versions of the libraries that the contenders use."""
    return {name: version(name) for name in LIBRARIES}


def _cpu_fields() -> dict[str, str]:
    """Return the fields of the first CPU in /proc/cpuinfo."""
    first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
