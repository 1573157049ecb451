"""Generated files match the code. Green does not show that a schema is useful, only that it comes from this code."""

from tests.repo.generated import generated
from tests.support.sources import ROOT


def test_generated_files_are_up_to_date() -> None:
    stale = [
        path.relative_to(ROOT).as_posix()
        for path, content in generated().items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    assert not stale, "run `make generate`"


def test_no_schema_is_left_from_an_earlier_version() -> None:
    committed = set((ROOT / "schemas" / "json").glob("*.json"))
    assert committed <= generated().keys()
