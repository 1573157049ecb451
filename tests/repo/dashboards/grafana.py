"""Grafana's JSON from short descriptions of dashboards; `tests/repo/generated.py` writes the files."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA_VERSION = 39
"""That of Grafana 11.0; newer versions of Grafana convert it."""

COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLOURS = ("green", "orange", "red")


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: What it shows.
        description: What it means, and when it is bad.
        unit: Grafana's name of the unit, such as `s`, `percentunit`, `short`.
        queries: The queries, each with the legend of its series.
        warn: Values from which it is drawn orange, then red; descending ones mean that low values are bad.
        kind: How it is drawn.
        width: Its width in columns, of 24.
    """

    title: str
    description: str
    unit: str
    queries: Sequence[tuple[str, str]]
    warn: Sequence[float] = ()
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    width: int = 8


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable whose values are those of a label: its name, which is the label's, and the series that have it."""

    name: str
    series: str
    many: bool = True


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard; its panels are placed from left to right in rows.

    Attributes:
        uid: Its id in Grafana, and the name of its file.
        title: Its title.
        description: Whom it serves.
        variables: What can be chosen, in addition to the data source.
        rows: The rows, by their titles.
    """

    uid: str
    title: str
    description: str
    variables: Sequence[Variable]
    rows: dict[str, Sequence[Panel]]


def rendered(dashboard: Dashboard) -> str:
    """Return a dashboard as Grafana imports it."""
    content = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["millrace"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "links": [{"type": "dashboards", "tags": ["millrace"], "title": "Millrace", "asDropdown": True}],
        "annotations": {"list": []},
        "templating": {"list": [_data_source(), *map(_variable, dashboard.variables)]},
        "panels": list(_panels(dashboard)),
    }
    return json.dumps(content, indent=1) + "\n"


def _data_source() -> dict[str, Any]:
    return {"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus"}


def _variable(variable: Variable) -> dict[str, Any]:
    query = f"label_values({variable.series}, {variable.name})"
    return {
        "name": variable.name,
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": variable.name},
        "refresh": 2,
        "sort": 1,
        "multi": variable.many,
        "includeAll": variable.many,
        "allValue": ".+" if variable.many else None,
    }


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for title, panels in dashboard.rows.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": _at(0, y, 24, 1),
        }
        y, x, height = y + 1, 0, 0
        for panel in panels:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            own_height = 4 if panel.kind == "stat" else 8
            number += 1
            yield _panel(panel, number, _at(x, y, panel.width, own_height))
            x, height = x + panel.width, max(height, own_height)
        y += height


def _at(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": _steps(panel.warn)}}
    if panel.kind == "timeseries":
        drawn = {"mode": "line" if panel.warn else "off"}
        defaults["custom"] = {"fillOpacity": 8, "showPoints": "never", "thresholdsStyle": drawn}
        options: dict[str, Any] = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi"},
        }
    elif panel.kind == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background"}
    else:
        options = {"cellHeight": "sm"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [_target(panel, at, *query) for at, query in enumerate(panel.queries)],
    }


def _steps(warn: Sequence[float]) -> list[dict[str, Any]]:
    """Return the limits between colours, ascending, as Grafana wants them."""
    is_low_bad = len(warn) > 1 and warn[0] > warn[1]
    colours = COLOURS[: len(warn) + 1]
    ordered = reversed(colours) if is_low_bad else colours
    limits = [None, *sorted(warn)]
    return [{"color": colour, "value": limit} for colour, limit in zip(ordered, limits, strict=True)]


def _target(panel: Panel, at: int, expression: str, legend: str) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + at),
        "datasource": SOURCE,
        "expr": " ".join(expression.split()),
        "legendFormat": legend,
        "instant": panel.kind == "table",
        "format": "table" if panel.kind == "table" else "time_series",
    }
