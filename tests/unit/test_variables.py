"""Variables that are set but never read: named with their replacement, and refused by `millrace run`.

A green run does not prove that every setting of an earlier release is known: the table of moved settings is the code's.
"""

from pathlib import Path

import pytest

from shared.settings import variable
from shared.variables import MOVED, UnknownVariable, known_variables, unknown_variables
from tests.support.command import millrace

STREAMS = ["tickets", "calls"]


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("MILLRACE_DECISION__HEAD", ("MILLRACE_TICKETS__DECISION__HEAD", "MILLRACE_CALLS__DECISION__HEAD")),
        ("MILLRACE_SIMILAR__LIMIT", ("MILLRACE_TICKETS__SEARCH__LIMIT", "MILLRACE_CALLS__SEARCH__LIMIT")),
        ("MILLRACE_BROKER__GROUP", ("MILLRACE_TICKETS__CONSUMER__GROUP", "MILLRACE_CALLS__CONSUMER__GROUP")),
        ("millrace_batch__max_records", ("MILLRACE_TICKETS__BATCH__MAX_RECORDS", "MILLRACE_CALLS__BATCH__MAX_RECORDS")),
        ("MILLRACE_EMBEDDING", ("MILLRACE_TICKETS__EMBEDDING", "MILLRACE_CALLS__EMBEDDING")),
    ],
)
def test_the_replacement_of_an_old_variable_is_named_for_each_stream(name: str, instead: tuple[str, ...]) -> None:
    assert unknown_variables([name, "PATH"], STREAMS) == [UnknownVariable(name, instead, is_replaced=True)]
    assert set(instead) <= known_variables(STREAMS), "the named replacement is read"


def test_every_part_that_moved_no_longer_exists_in_its_old_place() -> None:
    known = known_variables(STREAMS)
    assert [place for place in MOVED if variable(*place) in known] == []


@pytest.mark.parametrize(
    "name", ["MILLRACE_TICKETS__BATHC__MAX_RECORDS", "MILLRACE_MAILS__BATCH__MAX_RECORDS", "MILLRACE_HEAD"]
)
def test_a_variable_that_was_never_read_is_named_without_a_replacement(name: str) -> None:
    [found] = unknown_variables([name], STREAMS)
    assert (found.name, found.is_replaced) == (name, False)


@pytest.mark.parametrize(
    "name",
    [
        "MILLRACE_BROKER__BOOTSTRAP",
        "millrace_calls__batch__max_records",
        "MILLRACE_TICKETS",
        "MILLRACE_TICKETS__BATCH",
        "MILLRACE_TICKETS__BATCH__NO_FIELD",
        "MILLRACE_DATA",
        "MILLRACE_TEST_QDRANT_URL",
        "OTHER",
    ],
)
def test_a_variable_that_is_read_or_refused_elsewhere_is_ignored(name: str) -> None:
    assert unknown_variables([name], STREAMS) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "MILLRACE_DECISION__HEAD",
            "was renamed; set MILLRACE_TICKETS__DECISION__HEAD or MILLRACE_CALLS__DECISION__HEAD or "
            "MILLRACE_PRODUCTS__DECISION__HEAD instead",
        ),
        (
            "MILLRACE_BROKER__GROUP",
            "was renamed; set MILLRACE_TICKETS__CONSUMER__GROUP or MILLRACE_CALLS__CONSUMER__GROUP or "
            "MILLRACE_PRODUCTS__CONSUMER__GROUP instead",
        ),
        ("MILLRACE_TICKETS__DECISON__HEAD", "did you mean MILLRACE_TICKETS__DECISION__HEAD?"),
    ],
)
def test_a_worker_does_not_run_with_an_unread_variable(tmp_path: Path, name: str, says: str) -> None:
    ended = millrace("run", "tickets", folder=tmp_path, **{name: "head"})
    reported = " ".join(ended.stderr.replace("│", " ").split())
    assert ended.returncode == 2
    assert (name in reported, says in reported, "Traceback" in reported) == (True, True, False), reported
    assert list(tmp_path.iterdir()) == [], "nothing was started"
