"""The capacity model: units, directions, and that its costs are those of the pages.

A green run does not prove that a cluster behaves so: nothing was run at these sizes. That docs/scale.md has the model's
tables is a test of tests/repo (`test_generated.py`).
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.util import find_spec

import pytest

from benchmarks.scale import __main__ as command
from benchmarks.scale.costs import BY_HAND, COSTS, LEDGER, RECORDS, Cost
from benchmarks.scale.model import PROFILES, Assumptions, Needs, checks, gpus, needs
from benchmarks.scale.tables import ROWS, number
from schemas.topics import topics_of
from tests.support.sources import ROOT

DAY_S = 86_400
EVEN = Assumptions(peak=1, utilisation=1, kept_days=1, kafka_copies=1, qdrant_copies=1)
"""Nothing is multiplied: one unit a second stays one."""


def one_a_second(stream: str, assumed: Assumptions = EVEN) -> Needs:
    return needs(stream, DAY_S, assumed)


# --- units: each figure is computed here by hand ---


def test_the_work_of_a_ticket() -> None:
    found = one_a_second("tickets")
    model_s = 68 / 50 / 130 * 2
    host_s = 0.000705 + 0.000254 + 0.0014
    assert found.mean_per_s == found.peak_per_s == 1
    assert found.per_1000.core_hours == pytest.approx((model_s + host_s) * 1000 / 3600)
    assert found.workers.cores_beside_gpus == pytest.approx(host_s)
    assert found.workers.units_per_core_s == pytest.approx(1 / (model_s + host_s))


def test_the_work_of_a_minute_of_a_call_and_of_a_picture() -> None:
    call_s = 2 * (60 * 0.037 + 13 / 60) + (0.000705 + 0.0014) / 5
    assert one_a_second("calls").per_1000.core_hours == pytest.approx(call_s * 1000 / 3600)
    assert one_a_second("products").per_1000.core_hours == pytest.approx((2 / 42 + 0.0014) * 1000 / 3600)


def test_qdrant_holds_all_vectors_of_all_days() -> None:
    found = one_a_second("tickets", replace(EVEN, kept_days=10, qdrant_copies=2, node_gib=1))
    vectors_bytes = DAY_S * 10 * 2 * 384 * 4 * 1.5
    assert found.store.points == DAY_S * 10
    assert found.store.memory_gib == pytest.approx(vectors_bytes * 2 / 2**30)
    assert found.store.shards == 4  # 3.7 GiB a copy
    assert found.store.disk_gb == pytest.approx((vectors_bytes + DAY_S * 10 * (1108 + 17.8 * 8) * 1.5) * 2 / 1e9)


def test_kafka_keeps_topics_as_long_as_they_are_created_to_be() -> None:
    days = {topic.name: topic.retention_ms / 86_400_000 for topic in topics_of("tickets", "", ["tickets.routed"])}
    assert (days["tickets"], days["tickets.routed"]) == (7, 30)
    other = LEDGER.raw_bytes * 2 / 256 + RECORDS["tickets.routed"].raw_bytes * 0.0148
    results = RECORDS["tickets.routed"].raw_bytes + other
    inputs = 2 * RECORDS["tickets"].raw_bytes
    found = one_a_second("tickets", replace(EVEN, kafka_copies=3, readers=2)).kafka
    assert found.disk_raw_gb == pytest.approx((inputs * 7 + results * 30) * DAY_S * 3 / 1e9)
    assert found.written_mb_s == pytest.approx((inputs + results) * 3 / 1e6)
    assert found.read_mb_s == pytest.approx((inputs + results + RECORDS["tickets.routed"].raw_bytes) / 1e6)


def test_each_worker_has_a_partition_and_brokers_hold_all_copies() -> None:
    found = needs("calls", 100e6, Assumptions())
    assert found.kafka.partitions >= found.workers.workers > found.kafka.partitions - 12
    assert found.kafka.brokers == -(-found.kafka.partitions * 12 * 3 // 4000)


def test_gpus_are_rounded_up() -> None:
    assert gpus("products", DAY_S, 1.0, EVEN) == 1
    assert gpus("products", DAY_S + 1, 1.0, EVEN) == 2


# --- directions ---


@pytest.mark.parametrize("stream", PROFILES)
@pytest.mark.parametrize(("name", "value"), ROWS, ids=[name for name, _ in ROWS])
def test_ten_times_the_load_never_needs_less(stream: str, name: str, value: Callable[[Needs], float]) -> None:
    found = [needs(stream, 10.0**power, Assumptions()) for power in range(3, 10)]
    column = [value(each) for each in found]
    assert column == sorted(column)
    assert column[-1] > column[0], name


@pytest.mark.parametrize("stream", PROFILES)
def test_resources_for_1000_do_not_depend_on_the_load(stream: str) -> None:
    small, large = (asdict(needs(stream, per_day, Assumptions()).per_1000) for per_day in (1e6, 1e8))
    assert small == pytest.approx(large)


def test_assumptions_act_in_their_direction() -> None:
    base = needs("tickets", 1e8, Assumptions())
    assert needs("tickets", 1e8, Assumptions(utilisation=0.3)).workers.workers > 1.9 * base.workers.workers
    assert needs("tickets", 1e8, Assumptions(peak=6)).kafka.written_mb_s == pytest.approx(2 * base.kafka.written_mb_s)
    assert needs("tickets", 1e8, Assumptions(peak=6)).store.points == base.store.points
    longer = needs("tickets", 1e8, Assumptions(tokens=200))
    assert longer.kafka.disk_raw_gb > 3 * base.kafka.disk_raw_gb
    assert longer.store.memory_gib == base.store.memory_gib
    assert (
        needs("calls", 1e8, Assumptions(call_minutes=10)).store.points
        == needs("calls", 5e7, Assumptions()).store.points
    )


# --- costs ---


def test_the_model_is_near_to_whole_workers() -> None:
    for check in checks():
        assert check.expected == pytest.approx(check.measured, rel=0.2), check.what


@pytest.mark.parametrize("cost", COSTS, ids=[cost.what for cost in COSTS])
def test_each_cost_has_a_command_and_stands_in_its_page(cost: Cost) -> None:
    if cost.command == BY_HAND:
        assert cost.page == ""
        return
    interpreter, option, module, *_ = cost.command.split()
    assert (interpreter, option) == ("python", "-m")
    assert find_spec(module) is not None
    assert cost.quoted in (ROOT / "docs" / cost.page).read_text(encoding="utf-8")


# --- the command ---


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["scale", *arguments])
    command.main()


def test_money_is_the_resources_times_the_prices(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--stream", "tickets", "--core-hour", "2", "--disk-gb-month", "3", "--json", monkeypatch=monkeypatch)
    found = json.loads(capsys.readouterr().out)
    spent, money = found["needs"][0]["per_1000"], found["money_per_1000"]["tickets"]
    assert money == {
        "core_hours": spent["core_hours"] * 2,
        "disk_gb_months": spent["disk_gb_months"] * 3,
        "all of these": pytest.approx(spent["core_hours"] * 2 + spent["disk_gb_months"] * 3),
    }


def test_no_money_without_prices(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch=monkeypatch)
    assert "money" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--per-day", "0"), ("--per-day", "many"), ("--utilisation", "1.1"), ("--peak", "0.9"), ("--kafka-copies", "0"),
        ("--core-hour", "-1"), ("--core-hour", "inf"), ("--gpu-hour", "2", "--stream", "calls"), ("--gpu-units-per-s", "2"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments, monkeypatch=monkeypatch)
    assert ended.value.code == 2


def test_numbers_have_three_digits() -> None:
    assert [number(each) for each in (604, 1234.0, 11.574, 0.01084)] == ["604", "1,230", "11.6", "0.0108"]
