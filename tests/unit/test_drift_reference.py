"""References are built, written and read again, and damaged files are refused or left aside.

A green run does not prove that names help a reader, nor that a build of real size is fast.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.drift.building.build import LEAST_ROWS, Origin, build
from shared.drift.reference import Reference
from shared.drift.reference_files import load_reference, save_reference
from shared.drift.references import References
from shared.errors import Fatal
from tests.support.drifting import START, SUBJECT, WORDS, Made, built, window_of


@pytest.fixture(scope="module")
def reference() -> Reference:
    return built(Made())


def test_a_reference_that_was_read_again_judges_alike(reference: Reference, tmp_path: Path) -> None:
    path = save_reference(reference, tmp_path)
    again = load_reference(path)
    window = window_of(reference, Made().rows(500))
    assert again.reference_id == reference.reference_id
    assert again.names == reference.names
    assert again.baselines[0].compare(window) == reference.baselines[0].compare(window)
    assert path.stat().st_size < 2_000_000
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_the_same_items_give_the_same_reference(reference: Reference) -> None:
    assert built(Made()).reference_id == reference.reference_id
    assert built(Made(np.random.default_rng(8))).reference_id != reference.reference_id


def test_centroids_have_names_of_their_words_and_one_item_in_ten_is_far(reference: Reference) -> None:
    assert all(any(word in name for word in WORDS) for name in reference.names)
    assert len(set(reference.names)) == len(reference.names)
    near = reference.nearest(np.stack([row.vector for row in Made().rows(2_000)]))
    assert near.is_far.mean() == pytest.approx(0.1, abs=0.03)
    assert near.is_outlier.mean() == pytest.approx(0.01, abs=0.01)


def test_without_texts_centroids_are_named_after_their_commonest_label() -> None:
    made = Made()
    found = build(SUBJECT, [replace(row, text="") for row in made.rows(1_200)], Origin(START), resamples=50)
    assert all(name.startswith("label-") for name in found.names)


def test_too_few_items_or_vectors_of_several_lengths_are_refused() -> None:
    made = Made()
    with pytest.raises(Fatal, match=f"at least {LEAST_ROWS:,}"):
        build(SUBJECT, made.rows(LEAST_ROWS - 1), Origin(START))
    rows = made.rows(LEAST_ROWS)
    with pytest.raises(Fatal, match="different lengths"):
        build(SUBJECT, [replace(rows[0], vector=rows[0].vector[:5]), *rows[1:]], Origin(START))


def test_the_progress_of_a_build_ends_at_its_last_step() -> None:
    seen: list[tuple[int, int]] = []
    build(SUBJECT, Made().rows(1_200), Origin(START), lambda done, steps: seen.append((done, steps)), resamples=50)
    assert seen == [(number, 6) for number in range(7)]


@pytest.mark.parametrize("place", [40, -40])
def test_a_damaged_file_is_refused_with_its_name(reference: Reference, tmp_path: Path, place: int) -> None:
    path = save_reference(reference, tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(Fatal, match=path.name):
        References(tmp_path)
    path.write_bytes(content[:100])
    with pytest.raises(Fatal, match=path.name):
        load_reference(path)


def test_a_folder_is_read_again_and_a_damaged_file_leaves_the_earlier_reference(
    reference: Reference, tmp_path: Path
) -> None:
    folder = tmp_path / "references"
    found = References(folder)
    assert found.of(SUBJECT) is None
    assert not found.refresh()
    path = save_reference(reference, folder)
    assert found.refresh()
    assert found.of(SUBJECT) is not None
    assert not found.refresh()
    path.write_bytes(b"damaged")
    assert not found.refresh()
    assert found.of(SUBJECT) is not None
    path.unlink()
    assert found.refresh()
    assert found.of(SUBJECT) is None
    assert found.of(SUBJECT._replace(key="other")) is None
