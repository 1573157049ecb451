"""Choosing the device, and distinguishing a full or dead device from a bad input."""

import torch
from typing_extensions import override

from shared.embedding.passes import Failures
from shared.errors import Fatal

DEAD_DEVICE_WORDS = (
    "device-side assert",
    "illegal memory access",
    "unspecified launch failure",
    "ECC error",
    "device lost",
)
"""Parts of CUDA's messages after which this process can no longer use its CUDA context."""


def choose_device(configured: str) -> torch.device:
    """Return the device to run on.

    Args:
        configured: `auto` for the first GPU, or the CPU if there is no GPU; otherwise torch's name of a device.

    Raises:
        Fatal: the device does not exist or cannot be used; with `auto`, a broken GPU is an error too.
    """
    name = configured
    if configured == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        reported = name if name == configured else f"{name} (configured: {configured})"
        raise Fatal(f"device {reported} cannot be used: {str(error).splitlines()[0]}") from error
    if device.type == "meta":
        raise Fatal("device meta cannot be used, because it computes nothing: configure another device")
    return device


class TorchFailures(Failures):
    """What the errors of torch mean."""

    @override
    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, torch.OutOfMemoryError)

    @override
    def is_dead(self, error: BaseException) -> bool:
        return isinstance(error, RuntimeError) and any(word in str(error) for word in DEAD_DEVICE_WORDS)

    @override
    def free(self) -> None:
        torch.cuda.empty_cache()


TORCH = TorchFailures()
