"""The images of Millrace, and checks of what docker-compose.yml runs in them: each function returns the faults it finds."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from millrace.streams import STREAMS
from shared.embedding.card import ModelCard
from shared.embedding.registry import load_image_card, load_speech_card, load_text_card
from shared.model_settings import EmbeddingSettings, ImageSettings, SpeechSettings
from tests.support.sources import ROOT
from workers.services.drift_watch import SERVICE as DRIFT
from workers.services.lag import SERVICE as LAG
from workers.services.redrive import SERVICE as REDRIVE

SERVICES = (REDRIVE, LAG, DRIFT)
TEXT = "text,openvino,multilingual"
CPU = "tickets-cpu"
"""The image of the tickets stream without torch, and without what reads pictures; it may replace the other one on CPUs."""

IMAGES: dict[str, str] = {
    "tickets": f"{TEXT},images,media,heic,reading,objects,weights,tracing",
    "calls": f"{TEXT},speech,speech-gpu,openai,media,objects,weights,tracing",
    "products": f"{TEXT},images,media,heic,objects,weights,tracing",
    "services": "drift,excel,objects,tracing",
    CPU: "openvino,multilingual,objects,tracing",
}
"""The extras of each image, by the last part of its name."""

PROFILES = {"core", "all", "gpu"}
GPU = "-gpu"
EVERYWHERE = {"kafka", "qdrant", "redis", "topics", REDRIVE, LAG}
LARGE_LIBRARIES = {"torch", "transformers", "ctranslate2", "onnxruntime", "opencv-python-headless"}


def image_of(words: list[str]) -> str:
    """Return the image that a command of Millrace runs in."""
    [*_, last] = words or [""]
    return last if words[:1] == ["run"] and last in STREAMS else "services"


def profile_faults(services: Mapping[str, Any]) -> Iterator[str]:
    """Check that the profiles contain what they are for, and nothing twice."""
    for name, service in services.items():
        profiles = set(service.get("profiles") or ())
        stream = image_of(list(service.get("command") or ()))
        if name in EVERYWHERE:
            wanted = PROFILES
        elif name.endswith(GPU):
            wanted = {"gpu"}
        elif stream in STREAMS:
            wanted = {"core", "all"} if stream == "tickets" else {"all"}
        else:
            wanted = {"all", "gpu"}
        if profiles != wanted:
            yield f"{name}: its profiles are not {', '.join(sorted(wanted))}"
        devices = service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])
        if name.endswith(GPU) != any("gpu" in each["capabilities"] for each in devices):
            yield f"{name}: reserves a GPU without need, or none where the profile states one"
        known_as = service.get("networks", {}).get("default", {}).get("aliases", [])
        if name.endswith(GPU) and known_as != [name.removesuffix(GPU)]:
            yield f"{name}: is not known by the name of the worker that it replaces"


def extras_faults(services: Mapping[str, Any]) -> Iterator[str]:
    """Check that each service of Millrace runs in its image, built with the extras of that image."""
    for name, service in services.items():
        if not service["image"].startswith("millrace-"):
            continue
        wanted = image_of(list(service.get("command") or ()))
        if service["image"].split(":")[0] != f"millrace-{wanted}":
            yield f"{name}: does not run in millrace-{wanted}"
        elif service.get("build", {}).get("args", {}).get("EXTRAS") != IMAGES[wanted]:
            yield f"{name}: its image is built with other extras"


def monitoring_faults(compose: Mapping[str, Any], prometheus: Mapping[str, Any]) -> Iterator[str]:
    """Check that Prometheus asks each process of Millrace, and that all rules and dashboards are mounted."""
    services, files = compose["services"], {name: each["file"] for name, each in compose["configs"].items()}
    processes = {name.removesuffix(GPU) for name, each in services.items() if each.get("command", [""])[0] == "run"}
    asked: set[str] = set()
    for job in prometheus["scrape_configs"]:
        asked |= {target for each in job.get("dns_sd_configs", ()) for target in each["names"]}
        asked |= {host.split(":")[0] for each in job.get("static_configs", ()) for host in each["targets"]}
    if asked != processes:
        yield f"Prometheus asks other services: {', '.join(sorted(asked ^ processes))}"
    mounted = {files.get(each["source"]) for service in services.values() for each in service.get("configs", ())}
    for folder in ("rules", "dashboards", "grafana"):
        for path in sorted((ROOT / "monitoring" / folder).iterdir()):
            if path.relative_to(ROOT).as_posix() not in mounted:
                yield f"{path.name} is not mounted"


def default_cards() -> dict[str, list[ModelCard]]:
    """Return the cards of the models that the worker of each stream loads by default."""
    text = load_text_card(EmbeddingSettings().model)
    speech, image = load_speech_card(SpeechSettings().model), load_image_card(ImageSettings().model)
    return {"tickets": [text], "calls": [text, speech], "products": [text, image]}


def needed_from_lock(extras: str, lock: str, optional: Mapping[str, list[str]]) -> set[str]:
    """Return the packages that extras bring, directly or not, as far as the notes of the lock file show it."""
    wanted = {_name(each) for extra in extras.split(",") for each in optional[extra]}
    parents = dict(_parents(lock))
    while True:
        more = {name for name, by in parents.items() if by & wanted} - wanted
        if not more:
            return wanted
        wanted |= more


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _parents(lock: str) -> Iterator[tuple[str, set[str]]]:
    for block in re.split(r"\n(?=[a-z0-9])", lock):
        yield _name(block), set(re.findall(r"^    #\s+(?:via\s+)?([\w.-]+)$", block, re.MULTILINE))
