"""The command line: exit codes, errors in one line without a traceback, help that explains the choices.

No broker is asked. Green does not show that a command does its work: flow and fault tests run the commands as a whole.
"""

from pathlib import Path

import pytest

from tests.support.command import millrace

NOWHERE = "127.0.0.1:1"


@pytest.mark.parametrize("command", ["run", "ingest", "audit", "demo", "topics create", "policy check"])
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    reported = millrace(*command.split(), "--help", folder=tmp_path)
    assert reported.returncode == 0
    assert "Usage" in reported.stdout
    assert "\x1b[" not in reported.stdout, "no colours where the output is piped"


def test_help_shows_the_names_of_variables_with_their_placeholders(tmp_path: Path) -> None:
    shown = millrace("run", "--help", folder=tmp_path).stdout
    assert "MILLRACE_<PART>__<FIELD>" in shown, "Markdown drops <PART> outside a code span"
    assert "MILLRACE_<STREAM>__<PART>__<FIELD>" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["audit"], 2, "no brokers are configured"),
        (["run", "films"], 2, "there is no stream films"),
        (["nonsense"], 2, "No such command"),
        (["audit", "--bootstrap", NOWHERE], 1, "there is no store"),
        (["ingest", "gone.csv", "--tenant", "a", "--bootstrap", NOWHERE], 1, "gone.csv cannot be read"),
        (["ingest", "x.csv", "--tenant", "a", "--bootstrap", NOWHERE, "--map", "a=boddy"], 1, "no field boddy"),
        (["ingest", "x.csv", "--tenant", "a", "--bootstrap", NOWHERE, "--map", "a"], 2, "expected NAME=VALUE"),
    ],
)
def test_errors_state_what_is_wrong(arguments: list[str], code: int, says: str, tmp_path: Path) -> None:
    ended = millrace(*arguments, folder=tmp_path)
    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False), ended.stderr
    assert says in " ".join(ended.stderr.replace("│", " ").split())


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    ended = millrace("run", "tickets", folder=tmp_path, MILLRACE_TICKETS__BATCH__MAX_RECORDS="many")
    assert ended.returncode == 2
    assert "setting MILLRACE_TICKETS__BATCH__MAX_RECORDS: " in ended.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is created before the settings are validated"


def test_a_wrong_model_is_named_before_anything_starts(tmp_path: Path) -> None:
    ended = millrace("run", "tickets", folder=tmp_path, MILLRACE_TICKETS__EMBEDDING__MODEL="nothing")
    assert ended.returncode == 1
    assert "there is no model nothing" in ended.stderr
    assert list(tmp_path.iterdir()) == []
