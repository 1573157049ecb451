"""Looking up a reference by its name: which files are named if it is damaged, or if several fit.

Green does not show how the command prints it; `tests/flow/test_drift_commands.py` does.
"""

import shutil
from pathlib import Path

import pytest

from millrace.drift.survey import find_reference
from shared.drift.reference_files import SUFFIX, save_reference
from shared.errors import Fatal
from tests.support.drift_reference import reference


def test_a_damaged_file_is_named_if_no_other_reference_fits(tmp_path: Path) -> None:
    save_reference(reference(), tmp_path).write_bytes(b"damaged")
    with pytest.raises(Fatal, match=rf"has no reference of tickets.*cannot be used: .*{SUFFIX}"):
        find_reference("tickets", tmp_path)


def test_two_files_of_one_subject_are_both_named(tmp_path: Path) -> None:
    file = save_reference(reference(), tmp_path)
    shutil.copy(file, tmp_path / f"copy{SUFFIX}")
    with pytest.raises(Fatal) as refused:
        find_reference("tickets", tmp_path)
    assert file.name in str(refused.value)
    assert f"copy{SUFFIX}" in str(refused.value)


def test_a_reference_is_found_by_the_beginning_of_its_subject(tmp_path: Path) -> None:
    save_reference(reference(), tmp_path)
    assert find_reference("tickets", tmp_path).subject == reference().subject
