"""Forward passes of any model: the cost limit, running out of memory, and a device that failed.

A green run does not prove that a real device reports its failures with these exceptions and words.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch

from shared.embedding.device import TORCH
from shared.embedding.microbatch import Cut, cut_padded, cut_summed
from shared.embedding.passes import Passes
from shared.embedding.port import Matrix
from shared.errors import DeviceLost
from tests.support.pictures import PictureModel, drawn

CUTS = pytest.mark.parametrize("cut", [cut_padded, cut_summed])
COSTS = [3.0, 1.0, 2.0, 1.0, 8.0, 1.0]


class Device:
    """Gives each piece a vector of its number; holds at most N pieces at once."""

    def __init__(self, room: int = 1_000) -> None:
        self.room, self.groups = room, list[list[int]]()

    def forward(self, group: list[int]) -> Matrix:
        """Compute the vectors, or run out of memory."""
        self.groups.append(group)
        if len(group) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return np.array([[piece, piece] for piece in group], np.float32)


def expected(pieces: int) -> list[list[float]]:
    """Return the vectors that `Device` gives."""
    return [[piece, piece] for piece in range(pieces)]


@CUTS
@pytest.mark.parametrize("limit", [1, 4, 10, 1_000])
def test_vectors_come_in_the_order_of_the_pieces(cut: Cut, limit: float) -> None:
    device = Device()
    assert Passes(cut, limit, "pixels", TORCH).run(COSTS, 2, device.forward).vectors.tolist() == expected(len(COSTS))
    assert device.groups == list(cut(COSTS, limit))


@CUTS
def test_no_pieces_need_no_pass(cut: Cut) -> None:
    device = Device()
    assert Passes(cut, 10, "pixels", TORCH).run([], 2, device.forward).vectors.shape == (0, 2)
    assert device.groups == []


@CUTS
@pytest.mark.parametrize("room", [1, 2, 5])
def test_out_of_memory_halves_the_limit_permanently_and_loses_no_piece(cut: Cut, room: int) -> None:
    device, passes = Device(room), Passes(cut, 64, "pixels", TORCH)
    assert passes.run(COSTS, 2, device.forward).vectors.tolist() == expected(len(COSTS))
    assert passes.limit < 64
    before = len(device.groups)
    assert passes.run(COSTS, 2, device.forward).vectors.tolist() == expected(len(COSTS))
    assert max(len(group) for group in device.groups[before:]) <= room, "the second run knows the device's size"


@pytest.mark.parametrize("room", [1, 2, 1_000])
def test_groups_are_computed_side_by_side_in_order(room: int) -> None:
    device, begun = Device(room), Barrier(2)

    def forward(group: list[int]) -> Matrix:
        if not device.groups:
            begun.wait(timeout=30)  # the first two groups are computed at once, or this fails
        return device.forward(group)

    with ThreadPoolExecutor(2) as pool:
        passes = Passes(cut_summed, 4, "tokens", TORCH, pool.map)
        assert passes.run(COSTS, 2, forward).vectors.tolist() == expected(len(COSTS))


def test_pieces_computed_before_memory_ran_out_are_not_computed_again() -> None:
    device = Device(room=2)
    Passes(cut_summed, 4, "pixels", TORCH).run([2.0, 2.0, 1.0, 1.0, 1.0, 1.0], 2, device.forward)
    done = [group for group in device.groups if len(group) <= 2]
    assert sorted(piece for group in done for piece in group) == [0, 1, 2, 3, 4, 5]


def test_a_piece_that_does_not_fit_alone_has_its_own_error() -> None:
    device, passes = Device(room=0), Passes(cut_padded, 10, "tokens", TORCH)
    with pytest.raises(torch.OutOfMemoryError):
        passes.run([20.0], 2, device.forward)
    assert passes.limit == 10


def test_a_dead_device_is_reported_as_lost() -> None:
    def forward(group: list[int]) -> Matrix:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(DeviceLost, match="illegal memory access"):
        Passes(cut_padded, 10, "tokens", TORCH).run(COSTS, 2, forward)


def test_any_other_failure_is_passed_on() -> None:
    def forward(group: list[int]) -> Matrix:
        raise ValueError("no such token")

    with pytest.raises(ValueError, match="no such token"):
        Passes(cut_padded, 10, "tokens", TORCH).run(COSTS, 2, forward)


def test_a_picture_model_gives_the_same_vectors_with_little_memory() -> None:
    pictures = [drawn(seed, 6 + seed, 8) for seed in range(7)]
    model = PictureModel(limit_pixels=100_000)
    plain = model.embed(pictures).vectors
    model.failures = [torch.OutOfMemoryError("out of memory") for _ in range(9)]
    np.testing.assert_allclose(model.embed(pictures).vectors, plain, atol=1e-6)
    assert model.passes.limit < 100_000
