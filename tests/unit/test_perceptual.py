"""Perceptual hashes of drawn pictures. What they are worth on photos is measured in `tests/golden`."""

import imagehash
import numpy as np
import pytest
from PIL import Image

from shared.embedding.port import Pixels
from shared.media.perceptual import FLAT, distance_bits, hash_picture


def drawn(seed: int, height: int = 120, width: int = 160) -> Pixels:
    """Return smooth blobs of colour, the same ones for the same seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.array(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC), np.uint8)


def test_the_hash_is_that_of_the_library() -> None:
    pixels = drawn(1)
    assert hash_picture(pixels).plain == str(imagehash.phash(Image.fromarray(pixels)))
    assert hash_picture(pixels).mirrored == hash_picture(pixels[:, ::-1]).plain
    assert hash_picture(pixels[:, ::-1]).mirrored == hash_picture(pixels).plain


def test_a_scaled_picture_has_nearly_the_same_hash_and_others_have_not() -> None:
    one = hash_picture(drawn(1)).plain
    assert distance_bits(one, hash_picture(drawn(1, 300, 400)).plain) <= 4
    assert distance_bits(one, hash_picture(drawn(2)).plain) > 16
    assert distance_bits(one, hash_picture(drawn(1)).mirrored) > 16


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (400, 300, 3)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_pictures_are_as_far_apart_as_hashes_can_be(shape: tuple[int, int, int], level: int) -> None:
    noise = np.random.default_rng(3).integers(-2, 3, shape)
    flat = hash_picture((np.full(shape, level) + noise).clip(0, 255).astype(np.uint8))
    assert flat == (FLAT, FLAT)
    assert distance_bits(flat.plain, flat.plain) == 64
    assert distance_bits(flat.plain, hash_picture(drawn(1)).plain) == 64


@pytest.mark.parametrize("width", [1, 20])
def test_a_gradient_and_stripes_are_not_compared_by_their_hashes(width: int) -> None:
    across = np.arange(200) if width == 1 else np.arange(200) // width % 2 * 200
    pixels = np.broadcast_to(across[None, :, None], (200, 200, 3)).astype(np.uint8)
    assert hash_picture(pixels) == (FLAT, FLAT)


def test_a_faint_picture_is_not_flat() -> None:
    faint = (240 + drawn(1) // 16).astype(np.uint8)
    assert distance_bits(hash_picture(faint).plain, hash_picture(drawn(1)).plain) <= 12


def test_distances_count_bits() -> None:
    assert distance_bits("0f0f0f0f0f0f0f0f", "0f0f0f0f0f0f0f0f") == 0
    assert distance_bits("0f0f0f0f0f0f0f0f", "f0f0f0f0f0f0f0f0") == 64
    assert distance_bits("0f0f0f0f0f0f0f0f", "0f0f0f0f0f0f0f00") == 4
