"""Access rules on the secured Kafka, as `docs/security.md` lists them, and commands run with a user's settings."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import admin as kafka

from tests.support.certificates import Certificates
from tests.support.kafka.config import PASSWORD, USER
from tests.support.kafka.server import KafkaServer
from tests.support.sources import ROOT
from tests.support.waiting import wait_until

TIMEOUT_S = 30.0


class Rule(NamedTuple):
    """One line of the page."""

    role: str
    kind: str
    name: str
    pattern: str
    operations: tuple[str, ...]


def documented() -> list[Rule]:
    """Read the rules from the page: role, topic or group, its name, literal or prefixed, operations."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    block = page.split("```rules\n")[1].split("```")[0]
    lines = (line.split() for line in block.splitlines())
    return [Rule(role, kind, name, pattern, tuple(operations)) for role, kind, name, pattern, *operations in lines]


@contextmanager
def allowed(server: KafkaServer, principal: str, rules: Sequence[Rule]) -> Iterator[None]:
    """Apply the rules to a principal for as long as this context is open."""
    library: Any = kafka  # the types of the library leave these names out
    admin = library.AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})
    user, patterns, operations = f"User:{principal}", library.ResourcePatternType, library.AclOperation
    bindings = [
        library.AclBinding(
            library.ResourceType[rule.kind.upper()],
            rule.name,
            patterns[rule.pattern.upper()],
            user,
            "*",
            operations[operation.upper()],
            library.AclPermissionType.ALLOW,
        )
        for rule in rules
        for operation in rule.operations
    ]
    everything = library.AclBindingFilter(
        library.ResourceType.ANY, None, patterns.ANY, user, None, operations.ANY, library.AclPermissionType.ANY
    )

    def in_force() -> int:
        return len(admin.describe_acls(everything).result(TIMEOUT_S))

    try:
        for future in admin.create_acls(bindings).values():
            future.result(TIMEOUT_S)
        wait_until(lambda: in_force() == len(set(bindings)), TIMEOUT_S, "the rules in force")
        yield
    finally:
        admin.delete_acls([everything])[everything].result(TIMEOUT_S)
        wait_until(lambda: in_force() == 0, TIMEOUT_S, "no rules in force")


def user_environment(server: KafkaServer, certificates: Certificates, folder: Path) -> dict[str, str]:
    """Return the environment of a command that connects with a password over TLS."""
    return {
        "MILLRACE_BROKER__BOOTSTRAP": server.secure_bootstrap,
        "MILLRACE_BROKER__SECURITY_PROTOCOL": "sasl_ssl",
        "MILLRACE_BROKER__SASL_MECHANISM": "SCRAM-SHA-512",
        "MILLRACE_BROKER__USERNAME": USER,
        "MILLRACE_BROKER__PASSWORD": PASSWORD,
        "MILLRACE_BROKER__CA_FILE": str(certificates.authority),
        "MILLRACE_STORE__PATH": str(folder / "store"),
        "MILLRACE_OPERATION__STATE_DIR": str(folder / "state"),
    }


def millrace(
    environment: dict[str, str], *arguments: str, module: str = "millrace"
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; with another module, one that ends in the same command line."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=clean | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
