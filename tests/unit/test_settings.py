"""Settings: their names in the environment, invalid values, and that they are immutable.

A green run does not prove that the defaults are good.
"""

import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from shared.settings import Settings
from shared.stream_settings import StreamSettings, read_stream_settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every setting from the environment."""
    for name in [name for name in os.environ if name.startswith("MILLRACE_")]:
        monkeypatch.delenv(name)


def branches() -> list[tuple[str, BaseModel]]:
    return [(name, getattr(tree, name)) for tree in (Settings(), StreamSettings()) for name in type(tree).model_fields]


def read(branch: str) -> BaseModel:
    """Return a branch of the process's settings, or of the settings of the stream `tickets`."""
    tree = Settings() if branch in Settings.model_fields else read_stream_settings("tickets")
    found: BaseModel = getattr(tree, branch)
    return found


def test_the_defaults_need_no_environment() -> None:
    settings = Settings()
    assert settings.broker.bootstrap is None
    assert (read_stream_settings("tickets").batch.max_records, settings.cache.memory_mib) == (256, 64)


@pytest.mark.parametrize(
    ("name", "value", "branch", "field", "expected"),
    [
        ("MILLRACE_BROKER__BOOTSTRAP", "a:1,b:2", "broker", "bootstrap", "a:1,b:2"),
        ("MILLRACE_TICKETS__BATCH__MAX_RECORDS", "7", "batch", "max_records", 7),
        ("MILLRACE_TICKETS__BATCH__MAX_WAIT_S", "0.5", "batch", "max_wait_s", 0.5),
        ("MILLRACE_STORE__PATH", "folder/store", "store", "path", Path("folder/store")),
        ("MILLRACE_OPERATION__LOG_FORMAT", "text", "operation", "log_format", "text"),
        ("millrace_tickets__search__limit", "0", "search", "limit", 0),
        (
            "MILLRACE_TICKETS__IMAGE__CLASSES",
            '["dress", "running shoe"]',
            "image",
            "classes",
            ("dress", "running shoe"),
        ),
    ],
)
def test_each_setting_is_read_from_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, branch: str, field: str, expected: object
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(read(branch), field) == expected


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("MILLRACE_TICKETS__BATCH__MAX_RECORDS", "many", "max_records"),
        ("MILLRACE_TICKETS__BATCH__MAX_RECORDS", "0", "max_records"),
        ("MILLRACE_TICKETS__BATCH__MAX_WAIT_S", "-1", "max_wait_s"),
        ("MILLRACE_TICKETS__DECISION__NEIGHBOURS", "0", "neighbours"),
        ("MILLRACE_TICKETS__SEARCH__LIMIT", "11", "limit"),
        ("MILLRACE_TICKETS__IMAGE__CLASSES", '["dress", "dress"]', "classes"),
        ("MILLRACE_TICKETS__IMAGE__CLASSES", '["dress "]', "classes"),
        ("MILLRACE_BROKER__GROUP_PROTOCOL", "newest", "group_protocol"),
        ("MILLRACE_OPERATION__PORT", "70000", "port"),
        ("MILLRACE_OPERATION__LOG_LEVEL", "loud", "log_level"),
        ("MILLRACE_TICKETS__BATCH__MAX_RECORD", "7", "max_record"),
    ],
)
def test_an_invalid_value_or_name_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        (Settings(), read_stream_settings("tickets"))
    assert caught.value.errors()[0]["loc"][-1] == field


@pytest.mark.parametrize("name", ["BROKER__BOOTSTRAP", "CACHE__REDIS_URL", "STORE__URL", "TICKETS__BATCH__MAX_RECORDS"])
def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    expected = Settings(), read_stream_settings("tickets")
    monkeypatch.setenv(f"MILLRACE_{name}", "")
    assert (Settings(), read_stream_settings("tickets")) == expected


def test_a_variable_of_another_program_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_DATA", "somewhere")
    assert Settings() == Settings()


def test_settings_are_immutable() -> None:
    settings, own = Settings(), StreamSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.store = settings.store
    with pytest.raises(ValidationError, match="frozen"):
        own.batch = own.batch
    with pytest.raises(ValidationError, match="frozen"):
        own.batch.max_records = 1


def test_each_stream_has_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_CALLS__BATCH__MAX_RECORDS", "9")
    assert read_stream_settings("calls").batch.max_records == 9
    assert read_stream_settings("tickets") == StreamSettings()


@pytest.mark.parametrize(("name", "branch"), branches())
def test_a_default_is_itself_a_valid_value(name: str, branch: BaseModel) -> None:
    assert type(branch).model_validate(branch.model_dump()) == branch
    assert set(type(branch).model_fields) == set(branch.model_dump()), name


def test_importing_the_module_does_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_TICKETS__BATCH__MAX_RECORDS", "9")
    assert read_stream_settings("tickets").batch.max_records == 9
    monkeypatch.delenv("MILLRACE_TICKETS__BATCH__MAX_RECORDS")
    assert read_stream_settings("tickets").batch.max_records == 256
