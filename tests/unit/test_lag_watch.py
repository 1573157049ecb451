"""`millrace lag` over time: outages between two looks, and what is printed without a terminal; and which groups count.

Green does not show how the live table looks on a terminal, nor a real outage (`tests/faults/test_lag_on_kafka.py`).
"""

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from millrace.cli import app
from millrace.cli import lag as command
from millrace.lag_measuring import measured
from millrace.streams import STREAMS
from shared.deadletters.replay import REPLAY_GROUPS, replay_group
from shared.deadletters.selection import Criteria, Selection
from shared.errors import Unavailable
from shared.lag.meter import LagMeter
from shared.lag.states import LagReport
from shared.lag_settings import LagSettings
from shared.stream_settings import StreamSettings
from tests.support.fakes import ManualClock
from tests.support.lag_cluster import LagCluster

INTERVAL_S, STUCK_AFTER_S, LENGTH_S = 10.0, 120.0, 30.0
OWN = {name: StreamSettings() for name in STREAMS}
CRITERIA = (Criteria(), Criteria(reasons=("too_deep",)))
REPLAYS = [
    replay_group(stream, Selection(criteria, datetime(2026, 1, 1, tzinfo=UTC)), quarantine)
    for stream in (*STREAMS, "anything")
    for criteria in CRITERIA
    for quarantine in (False, True)
]


class Interrupted(LagMeter):
    """A measurement in which some of the looks have no answer, by number from 0 on."""

    away: tuple[int, ...] = ()
    looks: int = 0

    def measure(self, *_: object, **__: object) -> LagReport:
        """Look, or fail."""
        self.looks += 1
        if self.looks - 1 in self.away:
            raise Unavailable("broker", "no answer within 10 s")
        return super().measure()


@pytest.fixture
def cluster() -> LagCluster:
    """Return a cluster with a group that has ten of twenty records."""
    found = LagCluster(ManualClock())
    found.write(20)
    found.commit(10)
    return found


def meter_of(cluster: LagCluster, away: tuple[int, ...] = ()) -> Interrupted:
    meter = Interrupted(cluster, cluster.clock, INTERVAL_S, STUCK_AFTER_S)
    meter.away = away
    return meter


def looked(cluster: LagCluster, *away: int) -> tuple[LagReport, list[str]]:
    """Look for some time; return the last report, and which outage was shown with each answer."""
    shown: list[str] = []
    meter = meter_of(cluster, away)
    report = command.look(meter, cluster.clock, INTERVAL_S, LENGTH_S, lambda _, outage: shown.append(outage))
    return report, shown


def test_an_outage_between_two_looks_is_shown_and_looking_goes_on(cluster: LagCluster) -> None:
    report, shown = looked(cluster, 1, 2)
    assert shown == ["", "no answer within 10 s", "no answer within 10 s", ""]
    assert report.at_ms == cluster.now_ms, "the last answer counts"


@pytest.mark.parametrize("away", [0, 3])
def test_without_a_first_or_a_last_answer_the_brokers_are_unavailable(cluster: LagCluster, away: int) -> None:
    with pytest.raises(Unavailable, match="no answer within 10 s"):
        looked(cluster, away)


def run(cluster: LagCluster, monkeypatch: pytest.MonkeyPatch, *words: str, away: tuple[int, ...] = ()) -> Result:
    """Run the command on the cluster."""
    meter = meter_of(cluster, away)
    monkeypatch.setattr(command, "lag_meter", lambda *_: meter)
    monkeypatch.setattr(command, "SystemClock", lambda: cluster.clock)
    return CliRunner().invoke(app, ["lag", "--bootstrap", "unused:1", *words])


def test_watched_without_a_terminal_each_look_is_a_table_of_its_own(
    cluster: LagCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(cluster, monkeypatch, "--watch", "--for", f"{LENGTH_S:g}", away=(2,))
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("\n")
    tables = done.stdout.strip().split("\n\n")
    assert [table.splitlines()[0] for table in tables] == [f"2026-01-01T00:16:{at}Z" for at in (40, 50, 50)] + [
        "2026-01-01T00:17:10Z"
    ]
    assert all("orders" in table.splitlines()[2] for table in tables)
    assert ["no answer since" in table for table in tables] == [False, False, True, False]


def test_on_a_terminal_the_table_stays_with_a_warning_during_an_outage(
    cluster: LagCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = StringIO()
    monkeypatch.setattr(command, "console", lambda: Console(file=drawn, force_terminal=True, width=200))
    done = run(cluster, monkeypatch, "--watch", "--for", f"{LENGTH_S:g}", away=(2,))
    assert (done.exit_code, done.stdout) == (0, "")
    before, after = drawn.getvalue().split("no answer since 2026-01-01T00:16:50Z")
    assert before.count("orders") == 3
    assert "orders" in after


def test_an_outage_is_noted_on_standard_error_if_nothing_is_watched(
    cluster: LagCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(cluster, monkeypatch, "--for", f"{LENGTH_S:g}", "--json", away=(1,))
    assert done.exit_code == 0, done.output
    assert "a look had no answer: no answer within 10 s" in done.stderr
    assert done.stdout.count("\n") == 1


def test_a_topic_that_is_named_must_exist(cluster: LagCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(cluster, monkeypatch, "--topic", "orders", "--topic", "bills-*").exit_code == 0
    done = run(cluster, monkeypatch, "--topic", "orders", "--topic", "oders")
    assert done.exit_code == 1
    assert "topic oders does not exist" in done.stderr
    cluster.set_log(fault="the partition has no leader")
    assert run(cluster, monkeypatch, "--topic", "orders").exit_code == 3, "it exists"


def test_a_short_look_says_that_a_reader_which_never_joins_may_look_stalled(
    cluster: LagCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = "a reader that never joins its group looks the same"
    assert note not in run(cluster, monkeypatch).stderr
    cluster.group(members=0)
    done = run(cluster, monkeypatch)
    assert done.exit_code == 1
    assert note in done.stderr
    assert note not in run(cluster, monkeypatch, "--for", f"{STUCK_AFTER_S:g}").stderr


@pytest.mark.parametrize("name", REPLAYS)
def test_groups_of_replays_are_left_out_unless_a_pattern_is_about_them(name: str) -> None:
    assert any(fnmatchcase(name, each) for each in REPLAY_GROUPS)
    assert not measured(LagSettings(), STREAMS, OWN).selection.has_group(name)
    assert not measured(LagSettings(groups="millrace-*,billing"), STREAMS, OWN).selection.has_group(name)
    assert not measured(LagSettings(), STREAMS, OWN, ("millrace-*",)).selection.has_group(name)
    kind = "dlq" if "-dlq-" in name else "quarantine"
    for pattern in (name, f"millrace-*-{kind}-replay-*", f"*-{kind}-replay-*"):
        assert measured(LagSettings(), STREAMS, OWN, (pattern,)).selection.has_group(name)
        assert measured(LagSettings(groups=f"other,{pattern}"), STREAMS, OWN).selection.has_group(name)


def test_no_other_group_is_left_out() -> None:
    selection = measured(LagSettings(), STREAMS, OWN).selection
    ours = [*selection.from_beginning, *(f"millrace-{stream}" for stream in STREAMS)]
    assert all(selection.has_group(name) for name in (*ours, "billing-replay-1", "millrace-replay"))
