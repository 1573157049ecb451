"""The dashboards: promtool parses their queries, and Grafana finds what it needs in the JSON.

A green run does not show how Grafana draws them: no Grafana is available here.
"""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.metrics.catalogue import LAG_METRICS
from tests.repo.dashboards.grafana import COLUMNS
from tests.support.monitoring import dashboards, panels, promtool, queries, used

REPLACED = {
    "$__rate_interval": "5m",
    "$stream": "tickets",
    "$cluster_name": "c",
    "$group": "millrace-tickets",
    "$topic": "tickets",
    "$input": "text",
    "$key": "all",
}
UIDS = [dashboard["uid"] for dashboard in dashboards()]


def replaced(query: str) -> str:
    """Return a query with values in place of Grafana's variables."""
    for name, value in REPLACED.items():
        query = query.replace(name, value)
    return query


def test_promtool_parses_every_query(tmp_path: Path) -> None:
    every = [replaced(query) for dashboard in dashboards() for query in queries(dashboard)]
    assert len(every) > 80
    assert [query for query in every if "$" in query] == []
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(every)]
    path = tmp_path / "queries.rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}), encoding="utf-8")
    checked = promtool("check", "rules", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_query_adds_up_what_two_lag_exporters_measure() -> None:
    """Two exporters of one cluster export the same series, each with its own instance."""
    lag = {metric.name for metric in LAG_METRICS}
    every = [query for dashboard in dashboards() for query in queries(dashboard)]
    of_lag = [query for query in every if used(query).names & lag]
    assert len(of_lag) > 10
    assert [query for query in of_lag if re.search(r"\b(sum|avg)\b", query)] == []
    assert [query for query in of_lag if not re.search(r"\b(max|min|count) by\b|\binstance\b", query)] == []


def structural_faults(dashboard: dict[str, Any]) -> list[str]:
    """Return what is wrong with a dashboard."""
    found = [f"it has no {key}" for key in ("uid", "title", "description") if not dashboard.get(key)]
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        found.append("two panels have the same id")
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        if place["x"] + place["w"] > COLUMNS:
            found.append(f"{panel['title']} is wider than the screen")
        for cell in (
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ):
            other = taken.setdefault(cell, panel["title"])
            if other != panel["title"]:
                found.append(f"{panel['title']} overlaps {other}")
                break
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    for panel in panels(dashboard):
        found += panel_faults(panel, variables)
    return found


def panel_faults(panel: dict[str, Any], variables: set[str]) -> list[str]:
    """Return what is wrong with a panel."""
    title, defaults = panel["title"], panel["fieldConfig"]["defaults"]
    found = [f"{title} has no {key}" for key in ("title", "description") if not panel.get(key)]
    if not defaults.get("unit"):
        found.append(f"{title} has no unit")
    steps = [step["value"] for step in defaults["thresholds"]["steps"]]
    if steps[0] is not None or steps[1:] != sorted(set(steps[1:])):
        found.append(f"{title}: the limits do not ascend")
    if len({target["refId"] for target in panel["targets"]}) != len(panel["targets"]) or not panel["targets"]:
        found.append(f"{title} has no query, or two of one name")
    for target in panel["targets"]:
        if not target.get("expr"):
            found.append(f"{title} has an empty query")
        if target.get("datasource") != {"type": "prometheus", "uid": "${datasource}"}:
            found.append(f"{title} has a data source of its own")
        used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
        found += [f"{title}: {name} is not a variable" for name in sorted(used - variables)]
    return found


@pytest.mark.parametrize("dashboard", dashboards(), ids=UIDS)
def test_a_dashboard_is_well_formed(dashboard: dict[str, Any]) -> None:
    assert structural_faults(dashboard) == []


def test_every_dashboard_has_its_own_id() -> None:
    assert sorted(UIDS) == [
        "millrace-delivery",
        "millrace-drift",
        "millrace-lag",
        "millrace-overview",
        "millrace-stream",
    ]


def test_planted_faults_are_found() -> None:
    broken = copy.deepcopy(dashboards()[0])
    first, second = panels(broken)[:2]
    second["id"], second["gridPos"] = first["id"], first["gridPos"]
    first["fieldConfig"]["defaults"]["unit"] = ""
    first["description"] = ""
    first["targets"][0]["datasource"] = {"type": "prometheus", "uid": "mine"}
    second["targets"][0]["expr"] = "millrace_ready{stream=~'$unknown'}"
    assert len(structural_faults(broken)) == 6
