"""Checks of Dockerfile and docker-compose.yml against the code: each function returns the faults it finds."""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from unittest.mock import patch

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from millrace.cli import app
from millrace.streams import STREAMS
from shared.settings import OperationSettings, Settings, variable
from shared.stream_settings import read_stream_settings
from shared.variables import known_variables, places
from tests.repo.images import IMAGES, extras_faults, profile_faults
from tests.support.sources import PACKAGES, ROOT
from workers.services.drift_watch import SERVICE as DRIFT
from workers.services.lag import SERVICE as LAG
from workers.services.redrive import SERVICE as REDRIVE

Compose = Mapping[str, Any]
Instruction = tuple[str, str]

PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*$")
FROM_OUTSIDE = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}$")
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN(?!S)|CREDENTIAL|API_KEY|CUSTOMER_KEY|PRIVATE", re.IGNORECASE)
WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]*@")
PROBES = ("/healthz", "/readyz")
WRITABLE_ROOT = {"kafka"}
"""Its own start script writes next to its programs."""

ONCE = {"topics"}
OURS = "millrace-"
PLACEHOLDER = "given-from-outside-as-a-secret-should-be"
OPERATION = OperationSettings()


def project() -> dict[str, Any]:
    """Return the project's table of pyproject.toml."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def settings_faults(where: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Check that every variable of Millrace is known and its value is valid."""
    ours = {name: value for name, value in environment.items() if name.startswith("MILLRACE_")}
    yield from (f"{where}: {name} is no setting" for name in sorted(ours.keys() - known_variables(list(STREAMS))))
    given = {name: FROM_OUTSIDE.sub(PLACEHOLDER, value) for name, value in ours.items()}
    with patch.dict(os.environ, given, clear=True):
        try:
            Settings()
            for stream in STREAMS:
                read_stream_settings(stream)
        except (ValidationError, SettingsError) as error:
            yield f"{where}: the settings are refused: {error}"


def command_faults(where: str, words: Iterable[str]) -> Iterator[str]:
    """Check that a command line of Millrace names commands and streams that exist."""
    group: Any = typer.main.get_command(app)
    left = list(words)
    while left and hasattr(group, "commands"):
        if left[0] not in group.commands:
            yield f"{where}: there is no command {left[0]}"
            return
        group = group.commands[left.pop(0)]
    if hasattr(group, "commands"):
        yield f"{where}: the command is not complete"
    for each in left:
        if not each.startswith("--") and each not in (*STREAMS, REDRIVE, LAG, DRIFT):
            yield f"{where}: there is no stream {each}"


def secret_faults(where: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Check that a value that looks like a secret comes from outside the file."""
    secrets = {
        variable(*place, name)
        for place, model in places(list(STREAMS)).items()
        for name, field in model.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    for name, value in environment.items():
        outside = FROM_OUTSIDE.fullmatch(str(value)) is not None
        named = SECRET_NAME.search(name) is not None or (name in secrets and "://" not in str(value))
        if (named and not outside) or WITH_PASSWORD.search(str(value)):
            yield f"{where}: {name} holds what looks like a secret"


# --- docker-compose.yml ---


def compose_faults(compose: Compose) -> list[str]:
    """Return all faults of a compose file."""
    services: dict[str, Any] = compose["services"]
    found = [fault for name, service in services.items() for fault in _service_faults(name, service)]
    found += [
        f"there is no service {each}" for each in ("kafka", "qdrant", "redis", "ticket-worker") if each not in services
    ]
    for name, service in services.items():
        found += _needs_faults(name, service, services)
        found += _volume_faults(name, service, compose.get("volumes") or {})
    for name in _ours(services):
        found += _address_faults(name, services[name], services)
    return [*found, *_topic_faults(services), *profile_faults(services), *extras_faults(services)]


def _ours(services: Mapping[str, Any]) -> list[str]:
    return [name for name, service in services.items() if service["image"].startswith(OURS)]


def _service_faults(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    environment = service.get("environment") or {}
    if not PINNED.match(service["image"]):
        yield f"{name}: image {service['image']} is not pinned"
    if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", []):
        yield f"{name}: keeps capabilities, or may gain privileges"
    if not service.get("read_only") and name not in WRITABLE_ROOT:
        yield f"{name}: its root is not read-only"
    if not service.get("deploy", {}).get("resources", {}).get("limits", {}).get("memory"):
        yield f"{name}: may take all the memory"
    for port in service.get("ports", []):
        if not str(port).startswith("127.0.0.1:"):
            yield f"{name}: port {port} is open to the network"
    if service.get("privileged") or str(service.get("user", "1")).split(":")[0] in ("0", "root"):
        yield f"{name}: runs as root"
    yield from secret_faults(name, environment)
    yield from _health_faults(name, service)
    if service["image"].startswith(OURS):
        yield from settings_faults(name, environment)
        yield from command_faults(name, service.get("command", []))
        yield from _ours_faults(name, service)


def _health_faults(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    check = service.get("healthcheck") or {}
    if name in ONCE:
        if not check.get("disable"):
            yield f"{name}: ends by itself, so nobody can ask how it is"
        return
    if not check.get("test") or check.get("disable"):
        yield f"{name}: has no health check"
    elif service["image"].startswith(OURS):
        yield from probe_faults(name, " ".join(check["test"]))


def probe_faults(where: str, command: str) -> Iterator[str]:
    """Check that a health check of Millrace uses a probe that exists, at the port that exists."""
    if not any(f"'{probe}'" in command for probe in PROBES):
        yield f"{where}: the health check asks none of {', '.join(PROBES)}"
    if str(OPERATION.port) not in command:
        yield f"{where}: the health check does not ask port {OPERATION.port}"


def _ours_faults(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    version = project()["version"]
    if service["image"].rpartition(":")[2] != version:
        yield f"{name}: the image is not that of version {version}"
    if not any(str(each).startswith("/tmp") for each in service.get("tmpfs", [])):  # noqa: S108  (in a container)
        yield f"{name}: has no /tmp that can be written"
    port = OPERATION.port
    for each in service.get("ports", []):
        if int(str(each).rsplit(":", 1)[1]) != port:
            yield f"{name}: publishes {each}, probes are on {port}"
    if "run" in service.get("command", []):
        grace_s = float(str(service.get("stop_grace_period", "10s")).removesuffix("s"))
        drain_s = float(
            (service.get("environment") or {}).get("MILLRACE_OPERATION__DRAIN_TIMEOUT_S", OPERATION.drain_timeout_s)
        )
        if grace_s <= drain_s:
            yield f"{name}: is killed after {grace_s:g} s, before its drain ends"
        if not any(str(each).endswith(":/var/lib/millrace") for each in service.get("volumes", [])):
            yield f"{name}: what it keeps is gone with the container"


def _needs_faults(name: str, service: Mapping[str, Any], services: Mapping[str, Any]) -> Iterator[str]:
    for needed, how in (service.get("depends_on") or {}).items():
        if needed not in services:
            yield f"{name}: waits for {needed}, which there is not"
        elif how.get("condition") != ("service_completed_successfully" if needed in ONCE else "service_healthy"):
            yield f"{name}: does not wait until {needed} is ready"


def _volume_faults(name: str, service: Mapping[str, Any], declared: Mapping[str, Any]) -> Iterator[str]:
    for volume in service.get("volumes", []):
        source = str(volume).split(":")[0]
        if source not in declared:
            yield f"{name}: volume {source} is not declared, or a folder of this machine"


def _address_faults(name: str, service: Mapping[str, Any], services: Mapping[str, Any]) -> Iterator[str]:
    """Check that each address of Millrace names a service, at a port on which it listens inside the network."""
    environment = service.get("environment") or {}
    advertised = services.get("kafka", {}).get("environment", {}).get("KAFKA_ADVERTISED_LISTENERS", "")
    answers = {f"qdrant:{6333}", f"redis:{6379}", *re.findall(r"//([\w.-]+:\d+)", advertised)}
    for setting in ("MILLRACE_BROKER__BOOTSTRAP", "MILLRACE_STORE__URL", "MILLRACE_CACHE__REDIS_URL"):
        address = re.sub(r"^\w+://|/\d*$", "", str(environment.get(setting, "")))
        if address not in answers or address.split(":")[0] not in services:
            yield f"{name}: nobody answers at {setting}={address}"


def _topic_faults(services: Mapping[str, Any]) -> Iterator[str]:
    """Check that Millrace's own command creates the topics of a worker before it starts, and nothing else does."""
    commands = {name: list(services[name].get("command") or ()) for name in _ours(services)}
    makers = {name: words for name, words in commands.items() if words[:2] == ["topics", "create"]}
    for name, words in commands.items():
        needed = set(STREAMS if REDRIVE in words else words) & STREAMS.keys() if words[:1] == ["run"] else set()
        made = {word for maker in services[name].get("depends_on") or () for word in makers.get(maker, ())}
        if not needed <= made:
            yield f"{name}: nobody makes the topics of {', '.join(sorted(needed - made))} before it starts"
    if services.get("kafka", {}).get("environment", {}).get("KAFKA_AUTO_CREATE_TOPICS_ENABLE") != "false":
        yield "kafka: makes topics by itself, with partitions and retention of its own"


# --- Dockerfile ---


def instructions(dockerfile: str) -> list[Instruction]:
    """Return the instructions with their arguments, continuation lines joined and comments left out."""
    kept = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    lines = re.sub(r"\\\n\s*", "", kept).splitlines()
    split = [line.strip().split(None, 1) for line in lines if line.strip()]
    return [(each[0], each[1] if len(each) > 1 else "") for each in split]


def environment_of(dockerfile: str) -> dict[str, str]:
    """Return the environment variables that the last stage sets."""
    return {
        name: value
        for instruction, arguments in _last_stage(instructions(dockerfile))
        if instruction == "ENV"
        for name, value in re.findall(r"(\w+)=(\S+)", arguments)
    }


def health_command(dockerfile: str) -> list[str]:
    """Return the command of the health check."""
    [arguments] = [arguments for name, arguments in instructions(dockerfile) if name == "HEALTHCHECK"]
    command: list[str] = json.loads(arguments.split("CMD", 1)[1])
    return command


def dockerfile_faults(dockerfile: str, makefile: str, ignored: str) -> list[str]:
    """Return all faults of a Dockerfile, given the Makefile and the .dockerignore beside it."""
    steps = instructions(dockerfile)
    last = dict(_last_stage(steps))
    runs = [arguments for name, arguments in steps if name == "RUN"]
    found = list(_base_faults(steps))
    user = last.get("USER", "root").split(":")[0]
    if not user.isdigit() or int(user) == 0:
        found.append(f"it runs as {user}: a number other than 0 is needed")
    if json.loads(last.get("ENTRYPOINT", "[]")) != list(project()["scripts"]):
        found.append("the entry point is not our command")
    found += command_faults("CMD", json.loads(last.get("CMD", "[]")))
    if last.get("EXPOSE") != str(OPERATION.port):
        found.append(f"it does not expose port {OPERATION.port}")
    health = last.get("HEALTHCHECK", "")
    found += probe_faults("HEALTHCHECK", health)
    if "'/readyz'" in health:
        found.append("HEALTHCHECK asks for readiness: a paused worker would be restarted")
    environment = environment_of(dockerfile)
    found += [*settings_faults("ENV", environment), *secret_faults("ENV", environment)]
    if environment.get("MILLRACE_OPERATION__HOST") != "0.0.0.0":  # noqa: S104  (in a container)
        found.append("nobody outside the container can ask its probes")
    for name, arguments in _last_stage(steps):
        if name == "RUN" and re.search(r"apt-get|\bgcc\b|pip install|\buv\b", arguments):
            found.append("the last stage installs, which earlier ones are for")
    if not any("-m millrace.doctor.packages" in run for run in runs):
        found.append("nothing checks that our packages are ours alone")
    if not any("uv pip install" in run and "-c requirements.lock" in run for run in runs):
        found.append("the lock does not bind what is installed")
    if ("ARG", f"EXTRAS={IMAGES['tickets']}") not in steps or not any("millrace[${EXTRAS}]" in run for run in runs):
        found.append("it is not built with the extras of tickets unless others are given")
    return found + list(_same_uv(steps, makefile)) + list(_copied(steps, ignored))


def _last_stage(steps: list[Instruction]) -> list[Instruction]:
    start = max(at for at, (name, _) in enumerate(steps) if name == "FROM")
    return steps[start:]


def _base_faults(steps: list[Instruction]) -> Iterator[str]:
    defaults = dict(arguments.split("=", 1) for name, arguments in steps if name == "ARG" and "=" in arguments)
    for name, arguments in steps:
        if name == "FROM":
            image = re.sub(r"\$\{(\w+)\}", lambda found: defaults.get(found[1], ""), arguments.split()[0])
            if not PINNED.match(image):
                yield f"base {image or arguments} is not pinned"


def _same_uv(steps: list[Instruction], makefile: str) -> Iterator[str]:
    wanted = re.search(r"^UV_VERSION := (\S+)$", makefile, re.MULTILINE)
    if wanted is None or ("ARG", f"UV_VERSION={wanted[1]}") not in steps:
        yield "uv is of another version than the Makefile's"


def _copied(steps: list[Instruction], ignored: str) -> Iterator[str]:
    copied = {
        source
        for name, arguments in steps
        if name == "COPY" and not arguments.startswith("--")
        for source in arguments.split()[:-1]
    }
    let_in = {line[1:] for line in ignored.splitlines() if line.startswith("!")}
    yield from (f"{each} is not in the image" for each in sorted(set(PACKAGES) - copied))
    yield from (f"{each} is not there to copy" for each in sorted(copied) if not (ROOT / each).exists())
    yield from (f"{each} is kept out by .dockerignore" for each in sorted(copied - let_in))
    if "*" not in ignored.splitlines():
        yield ".dockerignore lets in what it does not name"
