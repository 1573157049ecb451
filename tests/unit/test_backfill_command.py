"""The command line of a backfill: what it refuses before it asks any broker, and what its help says.

A green run does not prove that a backfill runs: `tests/faults/test_secure_kafka.py` runs the command on Kafka.
"""

import pytest
from typer.testing import CliRunner

from millrace.cli import app

GIVEN = ["--group", "backfill-2026", "--from", "2026-01-01", "--bootstrap", "127.0.0.1:1"]


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["run", *arguments], env={"COLUMNS": "300", "TERM": "dumb"})
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tickets", "--group", "backfill-2026"], "needs both --group and --from"),
        (["tickets", "--from", "2026-01-01"], "needs both --group and --from"),
        (["tickets", *GIVEN, "--group", ""], "needs both --group and --from"),
        (["tickets", "calls", *GIVEN], "--group: a backfill reads one stream"),
        (["redrive", *GIVEN], "--group: a backfill reads one stream"),
        (["tickets", *GIVEN, "--from", "yesterday"], "--from yesterday"),
        (["tickets", *GIVEN, "--until", "3d"], "--until 3d: an age is another time when the command is repeated"),
        (["tickets", *GIVEN, "--until", "2025-01-01"], "--until 2025-01-01 is not after --from 2026-01-01"),
        (["tickets", *GIVEN, "--rate", "0"], "--rate"),
        (["tickets", "--rate", "5"], "--rate and --json belong to a backfill"),
        (["tickets", "--index-only"], "belong to a backfill"),
        (["tickets", "--json"], "belong to a backfill"),
        (["tickets", "--until", "2026-01-01"], "belong to a backfill"),
    ],
)
def test_wrong_usage_names_the_option(arguments: list[str], says: str) -> None:
    code, output = run(*arguments)
    assert code == 2
    assert says in output.replace("│ ", "").replace(" │", "")


def test_the_help_says_how_to_choose_each_option() -> None:
    code, output = run("--help")
    assert code == 0
    for option in ("--group", "--from", "--until", "--index-only", "--rate"):
        assert option in output
    assert output.replace("│ ", "").replace(" │", "").lower().count("choose") >= 4
