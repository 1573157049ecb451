"""Whether a model runs on the CPU, found without the libraries that compute."""

from pathlib import Path

ON_CPU = ("auto", "cpu")
DEVICES = Path("/dev")
GPU_FILES = "nvidia[0-9]*"
"""The files that the driver makes for NVIDIA's GPUs."""


def is_on_cpu(device: str) -> bool:
    """Return whether a configured device is the CPU: `auto` is a GPU if there is one."""
    return device == "cpu" or (device == "auto" and not any(DEVICES.glob(GPU_FILES)))
