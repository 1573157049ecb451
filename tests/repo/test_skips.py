"""A missing service is a skip with its reason, or a failure if skips are forbidden; other skips and xfails stay.

A green run does not prove that every fixture calls `missing`: one that calls `pytest.skip` itself is not caught.
"""

import pytest

from tests.support.services import FORBID_SKIPS

CONFTEST = "from tests.support.services import pytest_runtest_makereport"
MODULE = """
    import pytest
    from tests.support.services import missing

    @pytest.fixture(scope="session")
    def service():
        missing("no such thing here")

    def test_first(service): ...
    def test_second(service): ...

    @pytest.mark.skip(reason="another reason")
    def test_skipped(): ...

    @pytest.mark.xfail(strict=True, reason="known")
    def test_known(): assert False
"""


@pytest.mark.parametrize(("value", "skipped", "errors"), [("1", 1, 2), ("0", 3, 0), (None, 3, 0)])
def test_only_a_missing_service_fails_and_only_when_forbidden(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, value: str | None, skipped: int, errors: int
) -> None:
    monkeypatch.delenv(FORBID_SKIPS, raising=False)
    if value is not None:
        monkeypatch.setenv(FORBID_SKIPS, value)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(MODULE)
    result = pytester.runpytest_inprocess("-rsE")
    result.assert_outcomes(skipped=skipped, errors=errors, xfailed=1)
    result.stdout.fnmatch_lines(["*no such thing here*"])
