"""The steps of docs/schema-evolution.md make a release that may follow the last one, and a step left out is reported.

Green shows this for one field of one stream. `tests/faults/test_rolling_upgrade.py` runs that release.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.tickets import PICTURE_VERSION
from tests.repo.compatibility import last_release, newest_version, released
from tests.support.next_release import FIELD, environment, next_release

COMPARE = """
import json
from tests.repo.compatibility import current, last_release, problems, released
new = current()
print(json.dumps([each for name, old in released(last_release()).items() for each in problems(name, old, new[name])]))
"""


@pytest.mark.parametrize("raises_the_version", [True, False])
def test_the_steps_for_a_new_field_are_complete(tmp_path: Path, raises_the_version: bool) -> None:
    root = next_release(tmp_path, raises_the_version=raises_the_version)
    command = [sys.executable, "-c", COMPARE]
    done = subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True, check=True)
    problems = json.loads(done.stdout)
    assert problems == [] if raises_the_version else [FIELD in each for each in problems] == [True], problems


def test_workers_send_what_workers_of_the_last_release_can_read() -> None:
    assert newest_version(released(last_release())["tickets"]) >= PICTURE_VERSION
