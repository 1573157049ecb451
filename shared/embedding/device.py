"""Choosing the device, and telling a full or a dead device from a bad input."""

import torch

from shared.errors import Fatal

DEAD_DEVICE_WORDS = (
    "device-side assert",
    "illegal memory access",
    "unspecified launch failure",
    "ECC error",
    "device lost",
)
"""Parts of CUDA's messages after which the context of this process is of no more use."""


def choose_device(wanted: str) -> torch.device:
    """Return the device to run on.

    Args:
        wanted: `auto` takes the first GPU and else the CPU; anything else is torch's own name of a device.

    Raises:
        Fatal: there is no such device, or it cannot be used: a GPU that is there and broken is not passed over.
    """
    name = wanted
    if wanted == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        reported = name if name == wanted else f"{name} (configured: {wanted})"
        raise Fatal(f"device {reported} cannot be used: {str(error).splitlines()[0]}") from error
    if device.type == "meta":
        raise Fatal("device meta computes nothing")
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller micro-batch may succeed."""
    return isinstance(error, torch.OutOfMemoryError)


def is_dead(error: BaseException) -> bool:
    """Whether the device's context is gone for this process."""
    return isinstance(error, RuntimeError) and any(word in str(error) for word in DEAD_DEVICE_WORDS)
