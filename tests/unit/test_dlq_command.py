"""Usage of the dead-letter commands: what is refused, with which exit code, before any broker is asked.

Green does not show that the commands work: `tests/faults/test_dlq_on_kafka.py` runs them on brokers.
"""

import sys

import pytest

from millrace import cli
from millrace.cli import dlq
from millrace.cli.dlq_options import rate_of

NOWHERE = "127.0.0.1:1"


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command and return its exit code and its output."""
    monkeypatch.setattr(dlq, "quiet", lambda: None)
    monkeypatch.setattr(sys, "argv", ["millrace", "dlq", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    reported = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, " ".join((reported.out + reported.err).replace("│", " ").split())


@pytest.mark.parametrize("command", ["list", "show", "replay", "purge"])
def test_every_command_has_help(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(monkeypatch, capsys, command, "--help")
    assert code == 0
    assert "Usage" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list"], "no brokers are configured"),
        (["list", "--reason", "nonsense"], "'nonsense' is not one of"),
        (["list", "--since", "soon"], "expected a time such as"),
        (["list", "--bootstrap", NOWHERE, "--stream", "films"], "there is no stream films"),
        (["show", "tickets", "--bootstrap", NOWHERE], "expected TOPIC/PARTITION@OFFSET"),
        (["replay", "--bootstrap", NOWHERE, "--rate", "fast"], "--rate fast: expected a number above 0"),
        (["replay", "--bootstrap", NOWHERE, "--rate", "0/s"], "expected a number above 0"),
        (["replay", "--bootstrap", NOWHERE, "--rate", "nan"], "expected a number above 0"),
        (["replay", "--bootstrap", NOWHERE, "--rate", "5/h"], "expected a number above 0"),
        (["replay", "--bootstrap", NOWHERE, "--limit", "0"], "--limit"),
        (["replay", "--bootstrap", NOWHERE, "--quarantine", "--max-replays", "3"], "leave out --max-replays"),
        (["purge", "--bootstrap", NOWHERE], "give either --until TIME or --all"),
        (["purge", "--bootstrap", NOWHERE, "--all", "--until", "1h"], "give either --until TIME or --all"),
        (["purge", "--bootstrap", NOWHERE, "--until", "soon"], "expected a time such as"),
    ],
)
def test_wrong_usage_exits_with_2_and_states_what_is_wrong(
    arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("MILLRACE_BROKER__BOOTSTRAP",):
        monkeypatch.delenv(name, raising=False)
    code, said = run(monkeypatch, capsys, *arguments)
    assert (code, says in said) == (2, True), said


@pytest.mark.parametrize(("rate", "per_s"), [("100", 100), ("100/s", 100), ("30/m", 0.5), ("0.1", 0.1)])
def test_rates_are_parsed(rate: str, per_s: float) -> None:
    assert rate_of(rate) == pytest.approx(per_s)
    assert rate_of(None) is None
