"""Checks of the Deployments in `k8s` against the code: each function yields the faults it finds."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import typer
import yaml

from millrace.cli import app
from shared.settings import OperationSettings
from tests.repo.deployment import OPERATION, command_faults, environment_of, project, secret_faults, settings_faults
from tests.support.manifests import Manifest, of_kind
from tests.support.sources import ROOT
from workers.services.drift_watch import SERVICE as DRIFT
from workers.services.lag import SERVICE as LAG
from workers.services.redrive import SERVICE as REDRIVE

WORKERS = {"ticket-worker": "tickets", "call-worker": "calls", "product-worker": "products"}
SERVICES = {"redrive": REDRIVE, "lag": LAG, "drift": DRIFT}
WORKLOADS = WORKERS | SERVICES
JOBS = {"lag": "millrace-lag", "drift": "millrace-drift"}
"""The label `job` by which the alerts name a workload; all others have `millrace`."""

ELSEWHERE = "${GIVEN_ELSEWHERE:?in Kubernetes}"
"""How a value from a Secret is written for the checks that Compose shares."""

INSTEAD = {"MILLRACE_CACHE__REDIS_URL": "redis://redis:6379/0"}
"""What stands for a value from a Secret that must have a form."""

OF_WORKERS = ("STORE__URL", "STORE__API_KEY", "CACHE__REDIS_URL", "PRIVACY__CUSTOMER_KEY")
OF_ALL = ("BROKER__BOOTSTRAP", "BROKER__USERNAME", "BROKER__PASSWORD", "BROKER__CA_FILE")
"""The settings that must be given, without `MILLRACE_`."""

STARTS_WITHIN_S = {True: 600, False: 30}
"""How long a process may load before it is restarted, for workers and for services."""

AFTER_DRAIN_S = 15
VOLUME_KINDS = {"emptyDir", "secret", "configMap", "persistentVolumeClaim", "projected", "ephemeral"}
"""The volumes that a restricted namespace allows and that are used here."""

UNITS = {"Mi": 1 << 20, "Gi": 1 << 30, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class Workload:
    """One of our Deployments, with what it takes from ConfigMaps."""

    manifest: Manifest
    maps: Mapping[str, Manifest]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def pod(self) -> dict[str, Any]:
        """The specification of its pods."""
        found: dict[str, Any] = self.manifest["spec"]["template"]["spec"]
        return found

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its pods."""
        found: dict[str, str] = self.manifest["spec"]["template"]["metadata"]["labels"]
        return found

    @property
    def container(self) -> dict[str, Any]:
        """The container that runs Millrace."""
        found: dict[str, Any] = self.pod["containers"][0]
        return found

    @property
    def is_worker(self) -> bool:
        """Whether it is the worker of a stream."""
        return self.name in WORKERS

    @cached_property
    def environment(self) -> dict[str, str]:
        """The variables of that container; those from Secrets have a placeholder."""
        return self.variables(self.container)

    def variables(self, container: Mapping[str, Any]) -> dict[str, str]:
        """Return the variables of a container, those of ConfigMaps included."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found |= self.maps.get(source["configMapRef"]["name"], {}).get("data", {})
        for each in container.get("env", ()):
            secret = INSTEAD.get(each["name"], ELSEWHERE)
            found[each["name"]] = secret if "secretKeyRef" in each.get("valueFrom", {}) else each["value"]
        return found

    def is_mounted(self, path: str, container: Mapping[str, Any]) -> bool:
        """Return whether a path lies in a volume of a container."""
        return any(f"{path}/".startswith(f"{each['mountPath']}/") for each in container.get("volumeMounts", ()))


def workloads(made: Iterable[Manifest]) -> dict[str, Workload]:
    """Return our Deployments, by name."""
    made = list(made)
    maps = of_kind(made, "ConfigMap")
    return {name: Workload(each, maps) for name, each in of_kind(made, "Deployment").items() if name in WORKLOADS}


def pod_faults(made: list[Manifest]) -> Iterator[str]:
    """Check all Deployments."""
    found = workloads(made)
    yield from (f"there is no {name}" for name in WORKLOADS.keys() - found.keys())
    claims = of_kind(made, "PersistentVolumeClaim")
    for name, each in found.items():
        faults = (
            *_program_faults(each),
            *_needed_faults(each),
            *_probe_faults(each),
            *common_faults(each, claims),
            *_spread_faults(each),
        )
        yield from (f"{name}: {fault}" for fault in faults)


def common_faults(each: Workload, claims: Mapping[str, Manifest]) -> Iterator[str]:
    """Check what holds for every pod that runs Millrace, those of Jobs included."""
    yield from _setting_faults(each)
    yield from _security_faults(each)
    yield from _resource_faults(each)
    yield from _volume_faults(each, claims)
    yield from _models_faults(each)


@cache
def commands() -> set[str]:
    """Return the names of Millrace's commands."""
    group: Any = typer.main.get_command(app)
    return set(group.commands)


def _program_faults(each: Workload) -> Iterator[str]:
    wanted = f"millrace-{WORKERS[each.name] if each.is_worker else 'services'}:{project()['version']}"
    for container in (*each.pod.get("initContainers", ()), each.container):
        if container["image"].rsplit("/", 1)[-1] != wanted:
            yield f"{container['image']} is not the image {wanted}"
        if container["args"][:1] != ["models"] or "models" in commands():
            yield from command_faults(container["name"], container["args"])
    if each.container.get("args") != ["run", WORKLOADS[each.name]]:
        yield f"does not run {WORKLOADS[each.name]}"


def _setting_faults(each: Workload) -> Iterator[str]:
    for container in (*each.pod.get("initContainers", ()), each.container):
        for source in container.get("envFrom", ()):
            if source["configMapRef"]["name"] not in each.maps:
                yield f"there is no ConfigMap {source['configMapRef']['name']}"
        variables = each.variables(container)
        # A file is in the container alone; whether it is in a volume is checked with the volumes.
        here = {name: str(ROOT / "README.md") if name.endswith("_FILE") else it for name, it in variables.items()}
        yield from settings_faults(container["name"], here)
        yield from secret_faults(container["name"], {name: it for name, it in variables.items() if not it.isdigit()})
    if each.pod.get("enableServiceLinks", True):
        yield "Kubernetes adds variables MILLRACE_..., which Millrace refuses"


def _needed_faults(each: Workload) -> Iterator[str]:
    for name in (*OF_ALL, *(OF_WORKERS if each.is_worker else ())):
        if not each.environment.get(f"MILLRACE_{name}"):
            yield f"MILLRACE_{name} is not set"
    if each.environment.get("MILLRACE_BROKER__USERNAME") != each.name:
        yield "uses the broker's user of another workload"


def _security_faults(each: Workload) -> Iterator[str]:
    pod = each.pod.get("securityContext", {})
    if not pod.get("runAsNonRoot") or not pod.get("runAsUser") or pod.get("fsGroup") != pod.get("runAsUser"):
        yield "may run as root, or cannot write its volumes"
    if pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "may use every system call"
    if each.pod.get("automountServiceAccountToken", True):
        yield "has a token of the cluster, which it does not need"
    if each.pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"}:
        yield "shares a namespace of its node"
    for container in (*each.pod.get("initContainers", ()), each.container):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation", True) or own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{container['name']} keeps capabilities, or may gain privileges"
        if not own.get("readOnlyRootFilesystem"):
            yield f"{container['name']}: its root is not read-only"


def _probe_faults(each: Workload) -> Iterator[str]:
    ports = {port.get("name"): port["containerPort"] for port in each.container.get("ports", ())}
    if ports != {"metrics": int(each.environment.get("MILLRACE_OPERATION__PORT", OPERATION.port))}:
        yield "the port of probes and metrics is not that of the settings"
    for probe, path in {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}.items():
        found = each.container.get(probe, {})
        if found.get("httpGet") != {"path": path, "port": "metrics"}:
            yield f"the {probe} does not ask for {path}"
    start = each.container.get("startupProbe", {})
    if start.get("periodSeconds", 10) * start.get("failureThreshold", 3) < STARTS_WITHIN_S[each.is_worker]:
        yield "is restarted while it loads its models"
    if each.container.get("livenessProbe", {}).get("failureThreshold", 3) < 3:
        yield "is restarted because of one slow answer"
    own = {
        name.removeprefix("MILLRACE_OPERATION__").lower(): value
        for name, value in each.environment.items()
        if name.startswith("MILLRACE_OPERATION__")
    }
    drain_s = OperationSettings.model_validate({k: v for k, v in own.items() if k == "drain_timeout_s"}).drain_timeout_s
    if each.pod.get("terminationGracePeriodSeconds", 30) < drain_s + AFTER_DRAIN_S:
        yield f"is killed before its drain of {drain_s:g} s ends"


def _resource_faults(each: Workload) -> Iterator[str]:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    for container in (*each.pod.get("initContainers", ()), each.container):
        limits, requests = (container.get("resources", {}).get(key, {}) for key in ("limits", "requests"))
        if not {"cpu", "memory", "ephemeral-storage"} <= limits.keys() & requests.keys():
            yield f"{container['name']} may take all of a node, or is promised nothing"
    if (limits := each.container.get("resources", {}).get("limits", {})).get("memory"):
        needed = compose.get(each.name, compose["ticket-worker"])["deploy"]["resources"]["limits"]["memory"]
        if size_bytes(limits["memory"]) < size_bytes(needed):
            yield f"has less memory than Compose gives it: {needed}"
        if limits["memory"] != each.container["resources"].get("requests", {}).get("memory"):
            yield "is promised less memory than it may use, so its node may run out"


def size_bytes(size: str) -> int:
    """Return a size of Compose or Kubernetes in bytes."""
    unit = size.lstrip("0123456789")
    return int(size.removesuffix(unit)) * UNITS[unit]


def _volume_faults(each: Workload, claims: Mapping[str, Manifest]) -> Iterator[str]:
    volumes = {volume["name"]: volume for volume in each.pod.get("volumes", ())}
    all_containers = (*each.pod.get("initContainers", ()), each.container)
    mounted = {mount["name"] for container in all_containers for mount in container.get("volumeMounts", ())}
    if mounted != volumes.keys():
        yield f"mounts {sorted(mounted)} of the volumes {sorted(volumes)}"
    for name, volume in volumes.items():
        if not volume.keys() - {"name"} <= VOLUME_KINDS:
            yield f"the volume {name} is of the node"
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim is not None and claim not in claims:
            yield f"there is no claim {claim}"
        if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit"):
            yield f"the volume {name} may fill the node"
    state = environment_of((ROOT / "Dockerfile").read_text(encoding="utf-8"))["MILLRACE_OPERATION__STATE_DIR"]
    for container in all_containers:
        if not each.is_mounted("/tmp", container):  # noqa: S108  (in a container)
            yield f"{container['name']} has no /tmp that can be written"
    needed = [state]
    for variable in ("MILLRACE_BROKER__CA_FILE", "MILLRACE_DRIFT__REFERENCES", "MILLRACE_OPERATION__MODELS_DIR"):
        needed += [each.environment[variable]] if variable in each.environment else []
    if (each.is_worker or each.name == DRIFT) and "MILLRACE_DRIFT__REFERENCES" not in each.environment:
        yield "has no references of drift"
    yield from (f"{path} is in no volume" for path in needed if not each.is_mounted(path, each.container))


def _models_faults(each: Workload) -> Iterator[str]:
    """Check that the first container fetches into the folder in which the worker looks, and alone may write there."""
    folder = each.environment.get("MILLRACE_OPERATION__MODELS_DIR")
    for container in each.pod.get("initContainers", ()):
        if folder is None or each.variables(container).get("MILLRACE_OPERATION__MODELS_DIR") != folder:
            yield f"{container['name']} fetches into another folder than {folder}"
        if not each.is_mounted(f"{folder}", container):
            yield f"{container['name']} fetches into a folder that ends with it"
        if any(mount["mountPath"] == folder and mount.get("readOnly") for mount in container["volumeMounts"]):
            yield f"{container['name']} cannot write the models"
    for mount in each.container.get("volumeMounts", ()):
        if mount["mountPath"] == folder and not mount.get("readOnly"):
            yield "may change the models of the other workers"


def _spread_faults(each: Workload) -> Iterator[str]:
    spread = {
        constraint["topologyKey"]
        for constraint in each.pod.get("topologySpreadConstraints", ())
        if constraint["labelSelector"]["matchLabels"].items() <= each.labels.items()
    }
    if spread != {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}:
        yield "its pods may all be on one node, or in one zone"
    if not each.manifest["spec"]["selector"]["matchLabels"].items() <= each.labels.items():
        yield "does not select its own pods"
    if each.is_worker and "replicas" in each.manifest["spec"]:
        yield "sets the replicas that KEDA sets"
