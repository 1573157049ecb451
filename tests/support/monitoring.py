"""What `monitoring` holds, as tests need it: rules, their tests, dashboards, and the metrics and labels in a query."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from shared.metrics.catalogue import CATALOGUE, Metric
from tests.support.services import missing
from tests.support.sources import ROOT

FOLDER = ROOT / "monitoring"
RULE_FILES = sorted(FOLDER.glob("rules/*.rules.yml"))
TEST_FILES = sorted(FOLDER.glob("tests/*.test.yml"))
DASHBOARD_FILES = sorted(FOLDER.glob("dashboards/*.json"))

OWN_OF_PROMETHEUS = {"up", "ALERTS"}
LABELS_OF_SCRAPES = {"instance", "job", "le"}
OPERATORS = {"and", "or", "unless", "offset", "bool", "Inf", "NaN", "by", "without", "on", "ignoring"}
NAME = re.compile(r"(?<![\w:.$])[a-zA-Z_][\w:]*")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def need(program: str) -> str:
    """Return the path of a program of Debian's package `prometheus`; skip the test where it is missing."""
    return shutil.which(program) or missing(f"no {program} on the PATH: install Debian's package prometheus")


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool; skip the test where it is missing."""
    return subprocess.run([need("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False)


@cache
def rules() -> tuple[dict[str, Any], ...]:
    """Return all rules."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULE_FILES]
    return tuple(rule for file in files for group in file["groups"] for rule in group["rules"])


def alerts() -> dict[str, dict[str, Any]]:
    """Return the rules that are alerts, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> dict[str, str]:
    """Return the queries that are recorded, by the name that they are recorded as."""
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def dashboards() -> list[dict[str, Any]]:
    """Return all dashboards."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in DASHBOARD_FILES]


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard: dict[str, Any]) -> Iterator[str]:
    """Yield every query of a dashboard, those of its variables as the series whose labels they list."""
    for panel in panels(dashboard):
        yield from (target["expr"] for target in panel["targets"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            listed = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
            assert listed is not None, variable
            yield f"count by ({listed[2]}) ({listed[1]})"


def all_queries() -> list[str]:
    """Return every query of the rules and of the dashboards."""
    return [rule["expr"] for rule in rules()] + [each for dashboard in dashboards() for each in queries(dashboard)]


@dataclass(frozen=True, slots=True)
class Used:
    """What a query uses: the names of its series; its matchers as pairs of a name and a label; other labels."""

    names: frozenset[str]
    matched: frozenset[tuple[str, str]]
    grouped: frozenset[str]


def used(query: str) -> Used:
    """Return what a query uses."""
    query = re.sub(r"#.*", "", query)
    matched = {
        (found[1], label) for found in re.finditer(r"([\w:]+)\{([^}]*)\}", query) for label in MATCHER.findall(found[2])
    }
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", query)
    target = re.findall(r'label_replace\(.*,\s*"(\w+)",\s*"[^"]*",\s*"(\w+)"', bare, re.DOTALL)
    given = {label for pair in target for label in pair}
    grouped = {label.strip() for each in GROUPING.findall(bare) for label in each.split(",") if label.strip()}
    rest = re.sub(r'"[^"]*"', "", GROUPING.sub("", bare))
    names = {found[0] for found in NAME.finditer(rest) if not rest[found.end() :].lstrip().startswith("(")}
    return Used(frozenset(names - OPERATORS), frozenset(matched), frozenset(grouped - given))


def metric_of(name: str) -> Metric | None:
    """Return the metric that a series belongs to, such as a histogram that its buckets belong to."""
    by_name = {metric.name: metric for metric in CATALOGUE}
    family = by_name.get(re.sub(r"_(bucket|sum|count)$", "", name))
    if family is not None and family.name != name:
        return family if family.kind == "histogram" else None
    return by_name.get(name) if family is None or family.kind != "histogram" else None


def metrics_of(names: Iterable[str]) -> set[Metric]:
    """Return the metrics behind some names; those that are recorded stand for what they are recorded from."""
    found: set[Metric] = set()
    for name in names:
        if name in recorded():
            found |= metrics_of(used(recorded()[name]).names - {name})  # a rule may keep its own last value
        elif (metric := metric_of(name)) is not None:
            found.add(metric)
    return found


def faults(query: str) -> Iterator[str]:
    """Yield each name and label of a query that does not exist."""
    found = used(query)
    for name in found.names - OWN_OF_PROMETHEUS:
        if name not in recorded() and metric_of(name) is None:
            yield f"{name} is not a metric"
    for name, label in found.matched:
        metrics = metrics_of([name])
        if label not in LABELS_OF_SCRAPES and not any(label in metric.labels for metric in metrics):
            yield f"{name} has no label {label}"
    exist = LABELS_OF_SCRAPES | {label for metric in metrics_of(found.names) for label in metric.labels}
    yield from (f"no series of the query has a label {label}" for label in found.grouped - exist)
