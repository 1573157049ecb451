"""References are built, written and read again, and damaged files are refused or left aside.

A green run does not prove that names help a reader, nor that a build of real size is fast.
"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from shared.drift.building.build import LEAST_ROWS, Origin, build
from shared.drift.building.resampling import null_of
from shared.drift.reference import Reference
from shared.drift.reference_files import identified, load_reference, save_reference
from shared.drift.references import References
from shared.drift.totals import FAMILIES
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
    named = [any(word in name for word in WORDS) for name in reference.names]
    assert np.mean(named) > 0.8
    assert all(by_word or name.startswith("label-") for by_word, name in zip(named, reference.names, strict=True))
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


def another_version(path: Path, reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("shared.drift.reference_files.FAMILIES", ("other",))
        again = replace(reference, subject=SUBJECT._replace(key="other"))
        save_reference(identified(again, reference.baselines), path)


def test_a_file_of_another_version_is_said_to_be_one(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_version(tmp_path, reference, monkeypatch)
    with pytest.raises(Fatal, match="another version of Millrace"):
        References(tmp_path)


def test_a_worker_goes_on_without_what_it_cannot_read_and_holds_no_baselines(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_reference(reference, tmp_path)
    save_reference(replace(reference, subject=SUBJECT._replace(stream="calls")), tmp_path)
    another_version(tmp_path, reference, monkeypatch)
    (tmp_path / "foreign.safetensors").write_bytes(b"foreign")
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "dangling.safetensors").symlink_to(tmp_path / "nothing")
    with capture_logs() as logs:
        found = References(tmp_path, SUBJECT.stream)
    (own,) = found.every()
    assert (own.subject, own.baselines, own.names) == (SUBJECT, (), reference.names)
    refused = {Path(each["file"]).name for each in logs if each["event"] == "drift.reference_refused"}
    assert {"foreign.safetensors", "folder.safetensors", "dangling.safetensors"} < refused
    assert len(refused) == 4
    with capture_logs() as logs:
        assert not found.refresh()
    assert not logs


def test_a_dangling_link_does_not_hide_the_other_files(reference: Reference, tmp_path: Path) -> None:
    found = References(tmp_path)
    (tmp_path / "dangling.safetensors").symlink_to(tmp_path / "nothing")
    save_reference(reference, tmp_path)
    assert found.refresh()
    assert found.of(SUBJECT) is not None


def test_the_file_that_was_built_last_counts_and_readers_keep_what_they_read(
    reference: Reference, tmp_path: Path
) -> None:
    later = identified(replace(reference, made_at=START + timedelta(days=9), head="bbbbbbbb"), reference.baselines)
    save_reference(later, tmp_path).rename(tmp_path / "a.safetensors")
    save_reference(reference, tmp_path)
    found = References(tmp_path)
    assert found.of(SUBJECT) == found.every()[0]
    assert [each.head for each in found.every()] == ["bbbbbbbb"]
    reading = iter(found.every())
    (tmp_path / "a.safetensors").unlink()
    assert found.refresh()
    assert len(list(reading)) == 1
    assert [each.head for each in found.every()] == [None]


def test_a_family_with_few_values_makes_no_difference_infinitely_unlikely() -> None:
    drawn = np.random.default_rng(3).integers(0, 3, (400, 1)) * np.ones(len(FAMILIES))
    null = null_of(500, drawn * 0.1)
    assert null.scores(np.full(len(FAMILIES), 0.2)).max() < 4
    assert null.scores(np.full(len(FAMILIES), 0.2 + 1e-8)).max() < 4
    assert null.p_value(float(null.scores(np.full(len(FAMILIES), 2.0)).max())) == 1 / 401


def test_no_name_is_a_mask_a_stop_word_or_the_words_of_one_customer() -> None:
    made = Made()
    texts = [f"please call [EMAIL] about the zeppelin {n} of agnes" if n < 2 else "" for n in range(1_200)]
    rows = [replace(row, text=f"{row.text} [EMAIL] {texts[n]}") for n, row in enumerate(made.rows(1_200))]
    two = [replace(row, tenant_id="acme" if n < 600 else "other") for n, row in enumerate(rows)]
    one_sided = [replace(row, text=f"{row.text} secret") if row.tenant_id == "acme" else row for row in two]
    for each in (rows, one_sided):
        words = {word for name in build(SUBJECT, each, Origin(START), resamples=20).names for word in name.split()}
        assert not words & {"email", "zeppelin", "agnes", "about", "please", "secret"}
        assert words & set(WORDS)
