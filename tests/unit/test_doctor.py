"""`millrace doctor`: how findings are judged, its reports on settings and this machine, and that it shows no secret.

What it asks of servers is tested in `tests/contract/test_doctor_services.py`. A green run does not prove that a set-up
without findings works, nor that a library logs nothing on its own.
"""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from millrace.cli import app
from millrace.doctor.configuration import changed, check_variables, read_settings
from millrace.doctor.examination import HIDDEN, LIMIT_S, checks, examine, run
from millrace.doctor.finding import Check, Finding, State, exit_code, findings_of
from shared.clock import SystemClock
from shared.errors import Fatal, MillraceError, StoreInUse, Unavailable
from shared.logs import configure
from shared.settings import Settings, StoreSettings, variable
from shared.stream_settings import BatchSettings, StreamSettings
from shared.variables import known_variables, places
from tests.support.command import millrace
from tests.support.fakes import ManualClock
from tests.support.findings import only, states
from tests.support.sources import ROOT
from workers.tickets.stages import TICKETS

HERE = "127.0.0.1"
NOWHERE = "127.0.0.1:1"


pytestmark = pytest.mark.usefixtures("bare_environment")


# --- how findings are judged ---


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([], 0),
        (["ok", "warning", "skipped"], 0),
        (["ok", "unreachable"], 3),
        (["unreachable", "wrong", "ok"], 1),
        (["wrong"], 1),
    ],
)
def test_the_worst_finding_decides_the_exit_code(found: list[State], code: int) -> None:
    assert exit_code(Finding("part", state, "") for state in found) == code


@pytest.mark.parametrize(
    ("error", "state", "says"),
    [
        (Unavailable("store", "away"), "unreachable", "away"),
        (Fatal("a wrong key"), "wrong", "a wrong key"),
        (StoreInUse("folder", 7), "warning", "process 7"),
        (MillraceError("odd"), "wrong", "odd"),
        (ZeroDivisionError("hunter2"), "wrong", "ZeroDivisionError"),
    ],
)
def test_an_exception_in_a_check_is_a_finding_beside_those_found_before(
    error: Exception, state: State, says: str
) -> None:
    def look() -> Iterator[Finding]:
        yield Finding("part", "ok", "first")
        raise error

    first, raised = findings_of(Check("part", look))
    assert (first.detail, raised.part, raised.state) == ("first", "part", state)
    assert says in raised.detail
    assert "hunter2" not in raised.detail, "the message of an unexpected error may quote anything"


def test_a_check_that_fails_or_hangs_does_not_stop_the_others() -> None:
    never = threading.Event()

    def hang() -> Iterator[Finding]:
        never.wait()
        yield Finding("slow", "ok", "at last")

    def fail() -> NoReturn:
        raise Fatal("broken")

    last = Check("last", lambda: [Finding("last", "ok", "fine")])
    found = run([Check("slow", hang), Check("bad", fail), last], SystemClock(), 0.2)
    assert states(found) == [("slow", "unreachable"), ("bad", "wrong"), ("last", "ok")]
    assert "within 0.2 s" in found[0].detail
    never.set()


def test_every_check_may_use_the_whole_time_limit() -> None:
    clock = ManualClock()
    assert run([], clock, LIMIT_S) == []
    assert clock.waits == []


# --- settings ---


def test_every_documented_variable_is_known() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    documented = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `MILLRACE_")}
    assert documented == {
        variable(*at, name) for at, part in places(["<stream>"]).items() for name in part.model_fields
    }
    assert documented < known_variables(["<stream>"])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MILLRACE_TICKETS__BATCH_MAX_RECORDS", "MILLRACE_TICKETS__BATCH__MAX_RECORDS"),
        ("MILLRACE_TICKETS__BATHC__MAX_RECORDS", "MILLRACE_TICKETS__BATCH__MAX_RECORDS"),
        ("millrace_brokers__bootstrap", "MILLRACE_BROKER__BOOTSTRAP"),
        ("MILLRACE_ZZZ", ""),
    ],
)
def test_an_unknown_variable_is_reported_with_the_name_that_may_be_meant(name: str, meant: str) -> None:
    found = only(check_variables({name: "hunter2", "PATH": "x", "MILLRACE_STORE__PATH": "x"}))
    assert found.state == "wrong"
    assert name in found.detail
    assert (f"did you mean {meant}?" in found.fix) if meant else ("did you mean" not in found.fix)
    assert "hunter2" not in found.detail + found.fix


@pytest.mark.parametrize(
    "name",
    [
        "MILLRACE_BROKER",
        "millrace_tickets__batch__max_records",
        "MILLRACE_DATA",
        "MILLRACE_TICKETS__BATCH__NO_FIELD",
        "OTHER",
    ],
)
def test_a_variable_that_is_read_or_refused_elsewhere_is_not_reported(name: str) -> None:
    assert list(check_variables([name])) == []


def test_every_invalid_setting_is_named_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_TICKETS__BATCH__MAX_RECORDS", "hunter2")
    monkeypatch.setenv("MILLRACE_STORE__URL", "hunter2")
    monkeypatch.setenv("MILLRACE_CACHE__REDIS_URL", "hunter2")
    settings, own, found = read_settings("tickets")
    assert (settings, own) == (None, None)
    for name in ("TICKETS__BATCH__MAX_RECORDS", "STORE__URL", "CACHE__REDIS_URL"):
        assert any(f"MILLRACE_{name}: " in finding.detail for finding in found)
    assert {finding.state for finding in found} == {"wrong"}
    assert "hunter2" not in repr(found)


def test_a_part_that_is_no_json_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_BROKER", "hunter2")
    settings, _, [found] = read_settings("tickets")
    assert settings is None
    assert "broker" in found.detail
    assert "hunter2" not in found.detail


def test_settings_that_cannot_be_read_leave_the_rest_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_TICKETS__BATCH__MAX_RECORDS", "many")
    report = examine(os.environ, TICKETS, 1, SystemClock())
    assert states(list(report.findings)) == [("settings", "wrong"), ("other checks", "skipped")]
    assert report.exit_code == 1


def test_only_settings_that_differ_are_reported_and_a_secret_only_as_set() -> None:
    assert changed(Settings(), {"tickets": StreamSettings()}) == {}
    store = StoreSettings(api_key=SecretStr("hunter2"), url="https://qdrant:6333", grpc=False)
    assert changed(Settings(store=store), {"tickets": StreamSettings(batch=BatchSettings(max_records=7))}) == {
        "MILLRACE_STORE__URL": "https://qdrant:6333",
        "MILLRACE_STORE__API_KEY": "set",
        "MILLRACE_TICKETS__BATCH__MAX_RECORDS": "7",
    }


# --- secrets ---


def secret_variables() -> dict[str, str]:
    """Return the variable of every secret setting with a value of its own; a new secret is found by its type."""
    named = [
        variable(*place, name)
        for place, model in places(["tickets"]).items()
        for name, field in model.model_fields.items()
        if "SecretStr" in str(field.annotation)
    ]
    assert len(named) >= 4
    return {name: f"hunter{number}secret-of-more-than-32-characters" for number, name in enumerate(named)}


def environment_with_all_secrets(folder: Path) -> dict[str, str]:
    """Return an environment in which every secret is set and every server is unavailable."""
    for name in ("cert.pem", "key.pem"):
        (folder / name).write_text("no certificate")
    secrets = secret_variables()
    secrets["MILLRACE_CACHE__REDIS_URL"] = f"redis://someone:{secrets['MILLRACE_CACHE__REDIS_URL']}@{NOWHERE}/0"
    return secrets | {
        "MILLRACE_BROKER__BOOTSTRAP": NOWHERE,
        "MILLRACE_BROKER__SECURITY_PROTOCOL": "sasl_ssl",
        "MILLRACE_BROKER__SASL_MECHANISM": "PLAIN",
        "MILLRACE_BROKER__USERNAME": "someone",
        "MILLRACE_BROKER__CERT_FILE": str(folder / "cert.pem"),
        "MILLRACE_BROKER__KEY_FILE": str(folder / "key.pem"),
        "MILLRACE_STORE__URL": f"http://{NOWHERE}",
        "MILLRACE_OPERATION__PORT": "0",
    }


def test_no_output_and_no_log_line_holds_a_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every log line of the checks is written too: doctor itself writes errors only."""
    monkeypatch.setattr("millrace.cli.doctor.quiet", lambda: configure("debug", json_lines=True))
    for name, value in environment_with_all_secrets(tmp_path).items():
        monkeypatch.setenv(name, value)
    report = examine(os.environ, TICKETS, 1, SystemClock())
    configure("debug", json_lines=True)
    found = [finding for check in checks(Settings(), StreamSettings(), TICKETS, 1) for finding in findings_of(check)]
    text, as_json = (CliRunner().invoke(app, ["doctor", "--timeout", "1", *more]) for more in ([], ["--json"]))
    written = capfd.readouterr()
    everything = [repr(report), report.as_json(), repr(found), text.output, as_json.output, written.out, written.err]
    for name, secret in secret_variables().items():
        assert report.configured[name] == "set"
        assert f"{name}" in text.output
        assert [each for each in everything if secret in each] == []
    assert '"level"' in "".join(everything), "the log lines are included"
    assert (text.exit_code, as_json.exit_code) == (1, 1)
    assert json.loads(as_json.stdout)["exit_code"] == 1
    assert {("broker", "wrong"), ("store", "unreachable"), ("cache", "unreachable")} <= set(
        states(list(report.findings))
    )


def test_a_separate_process_changes_nothing_and_exits_with_the_code(tmp_path: Path) -> None:
    """The output has no colours either, because it is piped."""
    server = {"MILLRACE_STORE__URL": f"http://{NOWHERE}", "MILLRACE_PRIVACY__CUSTOMER_KEY": "k" * 32}
    ended = millrace("doctor", "--timeout", "1", folder=tmp_path, **server)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert ended.stdout.splitlines()[-1] == "something cannot be reached for now"
    assert "\x1b[" not in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_secret_in_a_foreign_message_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    def quoting(*_: Any) -> list[Check]:
        return [Check("store", lambda: [Finding("store", "wrong", "refused: hunter2", "not hunter2")])]

    monkeypatch.setattr("millrace.doctor.examination.checks", quoting)
    monkeypatch.setenv("MILLRACE_STORE__API_KEY", "hunter2")
    last = examine(os.environ, TICKETS, 1, SystemClock()).findings[-1]
    assert (last.detail, last.fix) == (f"refused: {HIDDEN}", f"not {HIDDEN}")


def test_a_secret_in_an_invalid_setting_is_not_shown_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_STORE__API_KEY", "hunter2 with spaces")
    monkeypatch.setenv("MILLRACE_STORE_API_KEY", "hunter2 with spaces")
    assert "hunter2" not in examine(os.environ, TICKETS, 1, SystemClock()).as_json()
