"""The manifests of `k8s`: valid, in accord with the code, and each of their important lines is missed if it is removed.

A green run does not show that a cluster accepts them, nor that KEDA, Strimzi, a CNI or Prometheus do what their
documentation says: no cluster was available. `docs/kubernetes.md` lists what was not tested.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.repo.kubernetes_around import around_faults
from tests.repo.kubernetes_pods import WORKERS, pod_faults, workloads
from tests.repo.kubernetes_schemas import schema_faults
from tests.support.manifests import K8S, OVERLAYS, Manifest, Unsupported, built, containers, of_kind, overlay
from tests.support.sources import ROOT

PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")

REMOVED = [
    ("base/workers/ticket-worker.yaml", "enableServiceLinks: false"),
    ("base/workers/ticket-worker.yaml", "automountServiceAccountToken: false"),
    ("base/workers/call-worker.yaml", "terminationGracePeriodSeconds: 150"),
    ("base/workers/call-worker.yaml", "runAsNonRoot: true"),
    ("base/workers/call-worker.yaml", "readOnlyRootFilesystem: true"),
    ("base/workers/product-worker.yaml", "MILLRACE_PRIVACY__CUSTOMER_KEY"),
    ("base/workers/product-worker.yaml", "{name: tmp, mountPath: /tmp}"),
    ("base/workers/product-worker.yaml", "failureThreshold: 60"),
    ("base/workers/ticket-worker.yaml", "maxReplicaCount: 12"),
    ("base/workers/ticket-worker.yaml", "minReplicaCount: 1"),
    ("base/workers/ticket-worker.yaml", "fallback:"),
    ("base/workers/ticket-worker.yaml", 'ignoreNullValues: "false"'),
    ("base/workers/ticket-worker.yaml", "metricType: AverageValue"),
    ("base/workers/ticket-worker.yaml", "stabilizationWindowSeconds: 900"),
    ("base/workers/ticket-worker.yaml", "query: max("),
    ("base/workers/product-worker.yaml", "maxUnavailable: 1"),
    ("base/services/lag.yaml", "millrace/job: millrace-lag"),
    ("base/services/lag.yaml", "publishNotReadyAddresses"),
    ("base/services/redrive.yaml", "MILLRACE_BROKER__PASSWORD"),
    ("base/services/drift.yaml", "MILLRACE_DRIFT__REFERENCES"),
    ("base/services/drift.yaml", "path: /readyz"),
    ("base/network/kustomization.yaml", "- default-deny.yaml"),
    ("base/network/edges.yaml", "app.kubernetes.io/name: qdrant"),
    ("base/network/edges.yaml", "except: [10.0.0.0/8"),
    ("base/network/edges.yaml", "annotations: {millrace/edge: workers share vectors}"),
    ("base/namespace.yaml", "pod-security.kubernetes.io/enforce: restricted"),
    ("base/storage.yaml", 'encrypted: "true"'),
    ("base/settings.yaml", "MILLRACE_BROKER__BOOTSTRAP"),
    ("base/settings.yaml", "MILLRACE_TRACING__ENDPOINT"),
    ("base/monitoring/scrape.yaml", "jobLabel: millrace/job"),
    ("base/workers/call-worker.yaml", "envFrom: [{configMapRef: {name: millrace-worker}}]"),
    ("base/workers/call-worker.yaml", "{name: models, mountPath: /models}"),
    ("overlays/gpu/kustomization.yaml", "tolerations"),
    ("overlays/gpu/kustomization.yaml", "nvidia.com~1gpu"),
]
"""Lines: the file, and a text by which the first line of it is found."""


OTHER_MODELS = {"calls": ("SPEECH",), "products": ("IMAGE",)}
"""The parts of a stream's settings that name the device of a model, beside that of texts."""


def all_faults(made: list[Manifest], name: str) -> Iterator[str]:
    """Yield the faults of an overlay; those that take longest to find come last."""
    yield from pod_faults(made)
    yield from around_faults(made)
    yield from gpu_faults(made) if name == "gpu" else ()
    for manifest in made:
        yield from schema_faults(manifest)


def gpu_faults(made: list[Manifest]) -> Iterator[str]:
    """Check what the overlay for GPUs adds to the workers."""
    for name, stream in WORKERS.items():
        each = workloads(made)[name]
        if each.container["resources"]["limits"].get("nvidia.com/gpu") != 1:
            yield f"{name}: has no GPU"
        if [toleration["key"] for toleration in each.pod.get("tolerations", ())] != ["nvidia.com/gpu"]:
            yield f"{name}: may not run on the nodes that have GPUs"
        for part in ("EMBEDDING", *OTHER_MODELS.get(stream, ())):
            if each.environment.get(f"MILLRACE_{stream.upper()}__{part}__DEVICE") != "cuda":
                yield f"{name}: falls back to the processor without a word"
        if each.manifest["spec"]["strategy"]["rollingUpdate"] != {"maxSurge": 0, "maxUnavailable": 1}:
            yield f"{name}: an update needs one more GPU"


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_is_valid_and_in_accord_with_the_code(name: str) -> None:
    assert list(all_faults(overlay(name), name)) == []


@pytest.mark.parametrize(("file", "line"), REMOVED, ids=[f"{Path(file).stem} {line}" for file, line in REMOVED])
def test_a_line_that_is_removed_is_missed(file: str, line: str, tmp_path: Path) -> None:
    shutil.copytree(K8S, tmp_path / "k8s")
    path = tmp_path / "k8s" / file
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    [at, *_] = [number for number, text in enumerate(lines) if line in text]
    path.write_text("".join(lines[:at] + lines[at + 1 :]), encoding="utf-8")
    assert next(found(tmp_path / "k8s"), None) is not None


def found(folder: Path) -> Iterator[str]:
    """Yield the faults of a copy of `k8s`, also what keeps it from being built."""
    for name in OVERLAYS:
        try:
            yield from all_faults(built(folder / "overlays" / name), name)
        except (Unsupported, yaml.YAMLError, KeyError, TypeError) as error:
            yield f"{type(error).__name__}: {error}"


def test_a_kustomization_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: []\nhelmCharts: []\n", encoding="utf-8")
    with pytest.raises(Unsupported, match="helmCharts"):
        built(tmp_path)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Deployment", {"spec": {"replicas": "two"}}),
        ("Deployment", {"spec": {"replica": 2}}),
        ("ScaledObject", {"spec": {"cooldownSeconds": 300}}),
        ("ServiceMonitor", {"spec": {"endpoints": [{"ports": "metrics"}]}}),
        ("PrometheusRule", {"spec": {"groups": [{"name": "g", "rules": [{"alert": "A"}]}]}}),
    ],
)
def test_a_manifest_that_its_schema_refuses_is_found(kind: str, change: Manifest) -> None:
    manifest = next(iter(of_kind(overlay("cpu"), kind).values()))
    manifest["spec"] |= change["spec"]
    assert list(schema_faults(manifest)) != []


def test_the_page_lists_each_secret_that_must_exist() -> None:
    named, mounted = set(), set()
    for each in overlay("cpu"):
        for container in containers(each):
            sources = [variable.get("valueFrom", {}).get("secretKeyRef") for variable in container.get("env", ())]
            named |= {(source["name"], source["key"]) for source in sources if source}
        for volume in each.get("spec", {}).get("template", {}).get("spec", {}).get("volumes", ()):
            items = volume.get("secret", {}).get("items", ())
            mounted |= {(volume["secret"]["secretName"], item["key"]) for item in items}
    rows = re.findall(r"^ *\| `([\w-]+)` \| `([\w.-]+)` \|", PAGE, re.MULTILINE)
    assert ("redis-url", "password") in named
    assert set(rows) == named | mounted


def test_no_secret_is_in_the_manifests() -> None:
    assert {each["kind"] for name in OVERLAYS for each in overlay(name)} & {"Secret"} == set()
