"""How many floating-point operations the forward passes of a model need, and how many a device can do.

A multiplication and the addition of its result count as two. Source of the count of a transformer: Kaplan et al. 2020
(https://arxiv.org/abs/2001.08361): 2 for each weight and token, and 4 x tokens x width for each token and layer.
"""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

PEAK_BF16_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "L4": 121.0}
"""Dense bfloat16 of tensor cores by part of the device's name, as NVIDIA's data sheets state it."""


def peak_tflops(device: torch.device) -> float | None:
    """Return the peak of a GPU in bfloat16; None if it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in PEAK_BF16_TFLOPS.items() if part in name), None)


def encoder_flops(layers: int, width: int, inner: int, tokens: int) -> float:
    """Return the operations of a BERT-like encoder for one row of `tokens` tokens, without its embeddings.

    Args:
        layers: The number of layers.
        width: The width of the states.
        inner: The width between the two maps of each feed-forward layer.
        tokens: The length of the row.
    """
    weights = layers * (4 * width * width + 2 * width * inner)
    return 2.0 * weights * tokens + 4.0 * layers * width * tokens * tokens


def counted_flops(network: Any, *inputs: Any) -> float:
    """Return the operations of one call of a network, as torch counts them."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(*inputs)
    return float(counter.get_total_flops())
