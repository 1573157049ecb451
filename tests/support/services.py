"""Services that a test may need: how a missing one is reported, and the hook by which CI forbids such a skip.

A fixture whose service is missing calls `missing(reason)`. On a developer's machine that is a skip with the reason;
with `MILLRACE_FORBID_SKIPS=1` it is a failure. Other skips and strict xfails are left as they are.
"""

import os
from collections.abc import Generator
from typing import NoReturn

import pytest

FORBID_SKIPS = "MILLRACE_FORBID_SKIPS"
PREFIX = "missing service: "


def missing(reason: str) -> NoReturn:
    """Skip the test because a required service is missing; with CI's switch the hook below makes this a failure."""
    pytest.skip(PREFIX + reason)


def skips_are_forbidden() -> bool:
    """Return whether the absence of a service must fail the run."""
    return os.environ.get(FORBID_SKIPS, "") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip for a missing service into a failure if skips are forbidden."""
    report = yield
    raised = call.excinfo.value if call.excinfo else None
    if skips_are_forbidden() and isinstance(raised, pytest.skip.Exception) and str(raised.msg).startswith(PREFIX):
        report.outcome = "failed"
        report.longrepr = f"{raised.msg} ({FORBID_SKIPS}=1)"
    return report
