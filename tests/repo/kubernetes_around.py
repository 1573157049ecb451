"""Checks of what surrounds the Deployments in `k8s`, such as scaling and network: each yields the faults it finds."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from millrace.streams import STREAMS
from schemas.topics import input_topic
from shared.lag_settings import LagSettings
from tests.repo.deployment import OPERATION
from tests.repo.kubernetes_pods import JOBS, WORKERS, WORKLOADS, Workload, workloads
from tests.support.manifests import Manifest, of_kind
from tests.support.monitoring import RULE_FILES, faults

REDIS_PORT = 6379
HTTPS = 443
DNS = 53
NOT_PUBLIC = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"}
LEVELS = ("enforce", "audit", "warn")


def around_faults(made: list[Manifest]) -> Iterator[str]:
    """Check everything that is no Deployment."""
    yield from _scaling_faults(made)
    yield from _network_faults(made)
    yield from _monitoring_faults(made)
    yield from _storage_faults(made)
    budgets = of_kind(made, "PodDisruptionBudget")
    for name, each in workloads(made).items():
        if name not in budgets or budgets[name]["spec"].get("maxUnavailable") != 1:
            yield f"{name}: a drained node may stop all its pods, or cannot be drained"
        elif not budgets[name]["spec"]["selector"]["matchLabels"].items() <= each.labels.items():
            yield f"{name}: its budget is for other pods"
    labels = of_kind(made, "Namespace").get("millrace", {}).get("metadata", {}).get("labels", {})
    for level in LEVELS:
        if labels.get(f"pod-security.kubernetes.io/{level}") != "restricted":
            yield f"the namespace does not {level} restricted pods"


# --- scaling ---


def _scaling_faults(made: list[Manifest]) -> Iterator[str]:
    scaled = of_kind(made, "ScaledObject")
    cluster = workloads(made)["lag"].environment.get("MILLRACE_LAG__CLUSTER_NAME", LagSettings().cluster_name)
    for worker, stream in WORKERS.items():
        if worker not in scaled:
            yield f"{worker}: nothing scales it"
            continue
        spec = scaled[worker]["spec"]
        found = (*_hold_faults(spec), *_speed_faults(spec), *_query_faults(spec, stream, cluster))
        yield from (f"{worker}: {fault}" for fault in found)
        may_rest = "nvidia.com/gpu" in workloads(made)[worker].container["resources"]["limits"] and stream != "tickets"
        if spec.get("minReplicaCount", 0) != (0 if may_rest else 1):
            yield f"{worker}: has {spec.get('minReplicaCount')} workers while nothing waits"
        if spec["scaleTargetRef"].get("name") != worker:
            yield f"{worker}: another workload is scaled"
        if spec.get("maxReplicaCount") != _partitions(stream):
            yield f"{worker}: may have {spec.get('maxReplicaCount')} replicas for {_partitions(stream)} partitions"


def _partitions(stream: str) -> int:
    [partitions] = [topic.partitions for topic in STREAMS[stream].topics() if topic.name == input_topic(stream)]
    return partitions


def _hold_faults(spec: Mapping[str, Any]) -> Iterator[str]:
    fallback = spec.get("fallback", {})
    if fallback.get("behavior") != "currentReplicas":
        yield "does not hold its workers while nothing is known"
    if fallback.get("replicas", 0) < 1:
        yield "goes to no worker while nothing is known, whatever the behaviour is"
    for trigger in spec["triggers"]:
        if trigger["metadata"].get("ignoreNullValues") != "false":
            yield "takes no value for no backlog"
        if trigger.get("metricType") != "AverageValue":
            yield "multiplies by the workers that are ready, so that one that loads its model is not counted"


def _speed_faults(spec: Mapping[str, Any]) -> Iterator[str]:
    behavior = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {})
    down = behavior.get("scaleDown", {})
    policies = down.get("policies", ())
    if down.get("stabilizationWindowSeconds", 0) < 600 or not policies:
        yield "scales down fast, and each step moves partitions"
    if any((each.get("type"), each.get("value")) != ("Pods", 1) or each["periodSeconds"] < 300 for each in policies):
        yield "scales down by more than one at a time"
    if not behavior.get("scaleUp", {}).get("policies"):
        yield "starts all workers at once"
    if spec.get("cooldownPeriod", 0) < 600 or "pollingInterval" not in spec:
        yield "has no long cooldown, or no interval"


def _query_faults(spec: Mapping[str, Any], stream: str, cluster: str) -> Iterator[str]:
    [trigger] = spec["triggers"]
    metadata = trigger["metadata"]
    query = metadata.get("query", "")
    wanted = f'max(millrace:useful_backlog:seconds{{cluster_name="{cluster}", stream="{stream}"}})'
    if query != wanted:
        yield f"scales by {query or 'nothing'}, not by {wanted}"
    yield from faults(query)
    if not re.fullmatch(r"http://[\w-]+[.]monitoring[.]svc:\d+", metadata.get("serverAddress", "")):
        yield "does not say where Prometheus is"
    if float(metadata.get("threshold", 0)) <= 0 or "activationThreshold" not in metadata:
        yield "has no threshold"


# --- network ---


API_SERVER = {
    "kafka-api": [{"ports": [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 6443}]}],
}
"""The egress of policies to the API server of Kubernetes, which is no pod: only its ports can be named."""


def _network_faults(made: list[Manifest]) -> Iterator[str]:
    policies = of_kind(made, "NetworkPolicy")
    denied = policies.pop("default-deny", {}).get("spec", {})
    if denied != {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}:
        yield "connections that no policy names are not denied"
    for name, policy in policies.items():
        if not policy["metadata"].get("annotations", {}).get("millrace/edge"):
            yield f"the policy {name} names no edge"
        if policy["spec"].get("egress") != API_SERVER.get(name):
            yield from (f"the policy {name}: {fault}" for fault in _peer_faults(policy["spec"]))
    for name, each in workloads(made).items():
        for direction, wanted in {"egress": opened(each), "ingress": {"scrape": {OPERATION.port}}}.items():
            open_to = allowed(policies, each.labels, direction)
            if open_to != wanted:
                yield f"{name}: {direction} to {_shown(open_to)} is allowed, {_shown(wanted)} is used"
    for name in ("media", "models"):
        for rule in policies.get(name, {}).get("spec", {}).get("egress", ()):
            if any(set(peer["ipBlock"].get("except", ())) != NOT_PUBLIC for peer in rule["to"]):
                yield f"the policy {name} allows addresses that are not public"


def _peer_faults(spec: Mapping[str, Any]) -> Iterator[str]:
    """Check that no rule is open to everybody, which a missing or an empty list of peers is."""
    for direction, side in (("egress", "to"), ("ingress", "from")):
        for rule in spec.get(direction) or ():
            peers = rule.get(side) or ()
            if not peers or not rule.get("ports"):
                yield f"{direction} is open to everybody, or at each port"
            for peer in peers:
                selectors = [each for key, each in peer.items() if key.endswith("Selector")]
                if "ipBlock" not in peer and not (selectors and all(each.get("matchLabels") for each in selectors)):
                    yield f"{direction} names no pods"
                if peer.keys() == {"namespaceSelector"}:
                    yield f"{direction} is open to a whole namespace"


def _shown(edges: Mapping[str, set[int]]) -> str:
    return ", ".join(f"{name}:{'/'.join(map(str, sorted(ports)))}" for name, ports in sorted(edges.items()))


def opened(each: Workload) -> dict[str, set[int]]:
    """Return the connections that a workload opens by its settings and commands: their ports, by the name of the edge."""
    settings = each.environment
    edges = {"dns": {DNS}}
    for edge, variable in {
        "broker": "MILLRACE_BROKER__BOOTSTRAP",
        "store": "MILLRACE_STORE__URL",
        "tracing": "MILLRACE_TRACING__ENDPOINT",
    }.items():
        if address := settings.get(variable):
            edges[edge] = {urlsplit(address if "://" in address else f"//{address}").port or 0}
    if "MILLRACE_CACHE__REDIS_URL" in settings:
        edges["cache"] = {REDIS_PORT}
    if "MILLRACE_MEDIA__HOSTS" in settings:
        edges["media"] = {HTTPS}
    if any(container["args"][:2] == ["models", "fetch"] for container in each.pod.get("initContainers", ())):
        edges["models"] = {HTTPS}
    return edges


def allowed(policies: Mapping[str, Manifest], labels: Mapping[str, str], direction: str) -> dict[str, set[int]]:
    """Return the ports that policies open for a pod with some labels, by the name of the policy."""
    return {
        name: {port["port"] for rule in policy["spec"][direction] for port in rule.get("ports", ())}
        for name, policy in policies.items()
        if direction in policy["spec"] and _selects(policy["spec"]["podSelector"], labels)
    }


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    named = all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ()))
    return named and selector.get("matchLabels", {}).items() <= labels.items()


# --- monitoring and storage ---


def _monitoring_faults(made: list[Manifest]) -> Iterator[str]:
    services = of_kind(made, "Service")
    monitors = of_kind(made, "ServiceMonitor").values()
    for name in WORKLOADS:
        service = services.get(name)
        if service is None:
            yield f"{name}: Prometheus does not find it"
            continue
        labels = service["metadata"].get("labels", {})
        jobs = {
            labels.get(monitor["spec"].get("jobLabel"))
            for monitor in monitors
            if _selects(monitor["spec"]["selector"], labels)
            for endpoint in monitor["spec"]["endpoints"]
            if endpoint.get("path") == "/metrics"
            and endpoint.get("port") in {p["name"] for p in service["spec"]["ports"]}
        }
        if jobs != {JOBS.get(name, "millrace")}:
            yield f"{name}: is scraped as {jobs}"
        if service["spec"]["selector"] != {"app.kubernetes.io/name": name}:
            yield f"{name}: its Service is that of other pods"
        if service["spec"].get("clusterIP") != "None" or not service["spec"].get("publishNotReadyAddresses"):
            yield f"{name}: Prometheus does not see each pod, or none that is not ready"
        if [port["targetPort"] for port in service["spec"]["ports"]] != ["metrics"]:
            yield f"{name}: its Service has another port"
    rules = " ".join(path.read_text(encoding="utf-8") for path in RULE_FILES)
    if unknown := set(re.findall(r'job="([\w-]+)"', rules)) - {"millrace", *JOBS.values()}:
        yield f"no Service has the job {unknown}"


def _storage_faults(made: list[Manifest]) -> Iterator[str]:
    classes = of_kind(made, "StorageClass")
    for name, each in classes.items():
        encrypted = each.get("parameters", {}).get("encrypted") == "true"
        if not encrypted and not each["metadata"].get("annotations", {}).get("millrace/encryption"):
            yield f"volumes of {name} are not encrypted"
    claims = [claim["spec"] for claim in of_kind(made, "PersistentVolumeClaim").values()]
    for stateful in of_kind(made, "StatefulSet").values():
        claims += [claim["spec"] for claim in stateful["spec"].get("volumeClaimTemplates", ())]
    for spec in claims:
        if spec.get("storageClassName") not in classes:
            yield f"a volume is of the class {spec.get('storageClassName')}, which is not ours"
