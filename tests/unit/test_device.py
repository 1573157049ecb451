"""Choosing the device. A green run does not prove that a GPU computes: no GPU is used here."""

import pytest
import torch

from shared.embedding.device import choose_device
from shared.errors import Fatal


@pytest.mark.parametrize("wanted", ["auto", "cpu"])
def test_without_a_gpu_the_cpu_is_used(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device(wanted) == torch.device("cpu")


@pytest.mark.parametrize(("wanted", "reported"), [("auto", r"cuda \(configured: auto\)"), ("cuda", "cuda")])
def test_a_gpu_that_exists_and_cannot_be_used_is_reported_and_not_ignored(
    wanted: str, reported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*size: int, device: torch.device) -> None:
        raise RuntimeError(f"{device}: all CUDA-capable devices are busy\nmore")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", fail)
    with pytest.raises(Fatal, match=f"^device {reported} cannot be used: cuda: all CUDA-capable devices are busy$"):
        choose_device(wanted)


@pytest.mark.parametrize("wanted", ["nonsense", "meta"])
def test_an_unknown_device_is_refused(wanted: str) -> None:
    with pytest.raises(Fatal, match=f"device {wanted}"):
        choose_device(wanted)
