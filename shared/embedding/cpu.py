"""Whether a model runs on the CPU, found without the libraries that compute."""

from pathlib import Path

ON_CPU = ("auto", "cpu")
DEVICES = Path("/dev")
GPU_FILES = "nvidia[0-9]*"
"""The files that the driver makes for NVIDIA's GPUs."""

CPU_FACTS = Path("/proc/cpuinfo")
VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def is_on_cpu(device: str) -> bool:
    """Return whether a configured device is the CPU: `auto` is a GPU if there is one."""
    return device == "cpu" or (device == "auto" and not any(DEVICES.glob(GPU_FILES)))


def multiplies_bytes() -> bool:
    """Return whether the CPU has instructions that sum products of bytes without overflow (VNNI)."""
    try:
        lines = CPU_FACTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(VNNI & set(line.split()) for line in lines if line.startswith("flags"))
