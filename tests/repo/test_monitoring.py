"""The alerts: promtool tests each one, each has a runbook, and all that rules name exists in the catalogue.

A green run does not show that a threshold suits an installation, nor that a worker exports what the catalogue lists
(`tests/flow/test_scraped.py` does).
"""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.metrics.catalogue import CATALOGUE
from tests.repo.deployment import OPERATION, command_faults
from tests.support.monitoring import (
    FOLDER,
    OWN_OF_PROMETHEUS,
    RULE_FILES,
    TEST_FILES,
    alerts,
    all_queries,
    faults,
    metric_of,
    promtool,
    recorded,
)
from tests.support.sources import ROOT

RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL))
CONFIGURATION = FOLDER / "prometheus.yml"
WATCHDOG = "MillraceWatchdog"
"""The one alert that always fires; its rule is in a file of its own."""

WATCHDOG_FILE = "watchdog.rules.yml"
FIRING = 'ALERTS{alertstate="firing"}'
MINUTES = re.compile(r"(\d+)m")


def test_the_rules_are_valid() -> None:
    checked = promtool("check", "rules", *RULE_FILES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.name)
def test_the_alerts_fire_and_clear(path: Path) -> None:
    tested = promtool("test", "rules", path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_an_alert_that_does_not_fire_is_found(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "monitoring")
    changed = tmp_path / "monitoring" / "rules" / "delivery.rules.yml"
    text = changed.read_text(encoding="utf-8")
    assert text.count("> 604800") == 1
    changed.write_text(text.replace("> 604800", "> 60480000"), encoding="utf-8")
    tested = promtool("test", "rules", tmp_path / "monitoring" / "tests" / "delivery.test.yml")
    assert tested.returncode != 0


def fired_and_cleared(test: dict[str, Any]) -> set[str]:
    """Return the alerts that fire in a test at a time, and no longer at a later one."""
    looks = sorted(
        (int(MINUTES.fullmatch(look["eval_time"])[1]), {name_in(sample["labels"]) for sample in look["exp_samples"]})  # type: ignore[index]  # all times are minutes
        for look in test["promql_expr_test"]
        if look["expr"] == FIRING
    )
    return {
        name
        for at, (_, firing) in enumerate(looks)
        for name in firing
        if any(name not in later for _, later in looks[at + 1 :])
    }


def name_in(labels: str) -> str:
    """Return the name of the alert in the labels of a sample."""
    found = re.search(r'alertname="(\w+)"', labels)
    assert found is not None, labels
    return found[1]


def test_each_alert_has_a_test_in_which_it_fires_and_clears() -> None:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in TEST_FILES]
    tested = {name for file in files for test in file["tests"] for name in fired_and_cleared(test)}
    assert tested == alerts().keys() - {WATCHDOG}


def test_the_watchdog_fires_even_if_nothing_is_read_and_is_alone_in_its_file() -> None:
    rules = yaml.safe_load((FOLDER / "rules" / WATCHDOG_FILE).read_text(encoding="utf-8"))
    assert [rule["alert"] for group in rules["groups"] for rule in group["rules"]] == [WATCHDOG]
    tests = yaml.safe_load((FOLDER / "tests" / "watchdog.test.yml").read_text(encoding="utf-8"))["tests"]
    assert [] in [test["input_series"] for test in tests]
    looks = [look for test in tests for look in test["promql_expr_test"]]
    assert all([name_in(sample["labels"]) for sample in look["exp_samples"]] == [WATCHDOG] for look in looks)


def test_the_quiet_system_is_tested_with_all_rules_but_the_watchdog() -> None:
    quiet = yaml.safe_load((FOLDER / "tests" / "quiet.test.yml").read_text(encoding="utf-8"))
    assert {Path(name).name for name in quiet["rule_files"]} == {path.name for path in RULE_FILES} - {WATCHDOG_FILE}
    looks = [look for test in quiet["tests"] for look in test["promql_expr_test"]]
    assert all(look["exp_samples"] == [] for look in looks)


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_what_it_means_and_where_its_runbook_is(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in (("watchdog",) if name == WATCHDOG else ("page", "ticket"))
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
    assert all(f"**{part}.**" in SECTIONS[name] for part in ("See it", "Do", "Threshold")), SECTIONS[name]


def test_there_is_no_runbook_without_an_alert() -> None:
    assert SECTIONS.keys() == alerts().keys()
    linked = set(re.findall(r"\(#(\w+)\)", RUNBOOKS))
    assert linked <= {name.lower() for name in SECTIONS}


def test_rules_and_dashboards_use_only_metrics_and_labels_of_the_catalogue() -> None:
    assert {query: list(faults(query)) for query in all_queries() if list(faults(query))} == {}


@pytest.mark.parametrize(
    "query",
    [
        "rate(millrace_record_total[5m])",
        "sum by (queue) (millrace_paused)",
        'millrace_paused{topic="t"}',
        "millrace_result_seconds",
        "millrace_paused_bucket",
        'millrace:age:seconds{stream="tickets"}',
        "sum by (stream) (millrace_paused) > ups",
    ],
)
def test_a_name_or_label_that_does_not_exist_is_found(query: str) -> None:
    assert list(faults(query))


@pytest.mark.parametrize("page", ["runbooks.md", "monitoring.md"])
def test_the_pages_name_only_metrics_and_commands_that_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:millrace|kafka)[_:][a-z0-9_:]*[a-z0-9]", text)) - OWN_OF_PROMETHEUS
    known = recorded().keys() | {metric.name for metric in CATALOGUE}
    assert [name for name in sorted(named - known) if metric_of(name) is None] == []
    commands = set(re.findall(r"`millrace ([a-z][a-z -]*?)(?: -[^`]*| [A-Z][^`]*)?`", text))
    assert [fault for command in sorted(commands) for fault in command_faults(page, command.split())] == []


# --- docker-compose.yml ---


def test_the_prometheus_of_compose_has_every_file_where_its_configuration_looks() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    found = {
        mounted["target"]: compose["configs"][mounted["source"]]["file"]
        for mounted in compose["services"]["prometheus"]["configs"]
    }
    files = [CONFIGURATION, *RULE_FILES]
    assert found == {f"/etc/prometheus/{path.relative_to(FOLDER)}": path.relative_to(ROOT).as_posix() for path in files}


def scraped() -> dict[str, dict[str, Any]]:
    """Return what Prometheus reads, by job."""
    jobs = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["scrape_configs"]
    return {job["job_name"]: job for job in jobs}


def test_its_targets_are_services_of_compose_and_those_that_may_be_scaled_are_found_one_by_one() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    # A worker with a GPU answers under the name of the one without, as test_deployment.py checks.
    serving = {name.removesuffix("-gpu") for name, each in services.items() if "run" in each.get("command", [])}
    fixed = {
        target.removesuffix(f":{OPERATION.port}")
        for job in scraped().values()
        for group in job["static_configs"]
        for target in group["targets"]
    }
    [found] = scraped()["millrace"]["dns_sd_configs"]
    assert (found["type"], found["port"]) == ("A", OPERATION.port)
    assert set(found["names"]) == {name for name in serving if name.endswith("-worker")}
    assert fixed | set(found["names"]) == serving


def test_its_configuration_is_valid_also_with_the_lines_for_an_alertmanager(tmp_path: Path) -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    with_alerting = re.sub(r"^# (alerting:|  alertmanagers:)", r"\1", text, flags=re.MULTILINE)
    assert yaml.safe_load(with_alerting)["alerting"]["alertmanagers"]
    shutil.copytree(FOLDER / "rules", tmp_path / "rules")
    for content in (text, with_alerting):
        (tmp_path / "prometheus.yml").write_text(content, encoding="utf-8")
        checked = promtool("check", "config", tmp_path / "prometheus.yml")
        assert checked.returncode == 0, checked.stdout + checked.stderr
