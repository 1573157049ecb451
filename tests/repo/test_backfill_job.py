"""The Job of a backfill in docs/kubernetes.md: valid, and a pod as that of the ticket worker.

A green run does not show that a cluster runs it.
"""

from typing import Any

import pytest
import yaml

from tests.repo.kubernetes_pods import Workload, workloads
from tests.repo.kubernetes_schemas import schema_faults
from tests.support.manifests import overlay
from tests.support.sources import ROOT

SAME_OF_POD = ("automountServiceAccountToken", "enableServiceLinks", "terminationGracePeriodSeconds")
SAME_OF_CONTAINER = ("image", "envFrom", "resources")
LEFT_OUT = {"references"}
"""Volumes that a backfill does not need, because its sums are not compared."""


def job() -> dict[str, Any]:
    page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    section = page.split("## A backfill\n")[1].split("\n## ")[0]
    found: dict[str, Any] = yaml.safe_load(section.split("```yaml\n")[1].split("```")[0])
    return found


@pytest.fixture
def worker() -> Workload:
    return workloads(overlay("cpu"))["ticket-worker"]


def test_it_is_valid() -> None:
    assert list(schema_faults(job())) == []


def test_it_is_the_pod_of_the_worker(worker: Workload) -> None:
    made = Workload(job(), worker.maps)
    for name in SAME_OF_POD:
        assert made.pod[name] == worker.pod[name], name
    for name in SAME_OF_CONTAINER:
        assert made.container[name] == worker.container[name], name
    assert made.pod["securityContext"].items() <= worker.pod["securityContext"].items()
    assert made.container["securityContext"].items() <= worker.container["securityContext"].items()
    assert made.container["securityContext"].keys() >= worker.container["securityContext"].keys() - {"runAsUser"}
    for part, key in (("volumes", "pod"), ("volumeMounts", "container")):
        ours, theirs = ({each["name"]: each for each in getattr(side, key)[part]} for side in (made, worker))
        assert ours == {name: each for name, each in theirs.items() if name not in LEFT_OUT}
    missing = worker.environment.keys() - made.environment.keys()
    assert missing == {"MILLRACE_DRIFT__REFERENCES"}


def test_the_policies_of_workers_apply_to_it_and_its_budget_does_not(worker: Workload) -> None:
    labels = Workload(job(), worker.maps).labels
    differs = {name for name, value in worker.labels.items() if labels[name] != value}
    assert differs == {"app.kubernetes.io/name"}
