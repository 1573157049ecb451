"""Which library computes a model. Nothing that computes is imported here."""

from importlib.util import find_spec
from typing import Literal

from shared.embedding.cpu import is_on_cpu
from shared.embedding.openvino.layout import Unsupported, read_layout
from shared.embedding.registry import TextCard
from shared.errors import Fatal

Backend = Literal["torch", "openvino", "numpy"]
Wanted = Literal["auto", "torch", "openvino"]


def choose_backend(card: TextCard, wanted: Wanted, device: str) -> Backend:
    """Return the backend of a text model.

    With `auto` it is OpenVINO if that is installed, knows the model and has a CPU to run on, because it is several times as
    fast there and its vectors are the same; otherwise torch.

    Args:
        card: The card of the model.
        wanted: The configured backend.
        device: The configured device.

    Raises:
        Fatal: the model cannot be computed by the configured backend.
    """
    if card.backend == "numpy":
        if wanted != "auto":
            raise Fatal(f"model {card.key} runs on numpy, so backend {wanted} cannot be used: configure auto")
        return "numpy"
    if card.backend == "openvino":
        if wanted == "torch":
            raise Fatal(f"model {card.key} is computed by openvino only, not by torch: configure auto")
        return "openvino"
    if wanted != "auto":
        return wanted
    return "openvino" if _has_openvino(device) and _is_known(card) else "torch"


def choose_for_pictures(wanted: Wanted, device: str) -> Literal["torch", "openvino"]:
    """Return the backend of a model of pictures, whether or not it knows the model.

    Args:
        wanted: The configured backend; with `auto`, it is OpenVINO if that is installed and has a CPU to run on.
        device: The configured device.
    """
    if wanted != "auto":
        return wanted
    return "openvino" if _has_openvino(device) else "torch"


def _has_openvino(device: str) -> bool:
    return is_on_cpu(device) and find_spec("openvino") is not None


def _is_known(card: TextCard) -> bool:
    """Return whether OpenVINO can compute a model in the number format of its card."""
    try:
        read_layout(card.locate())
    except Unsupported:
        return False
    return card.dtype == "float32"
