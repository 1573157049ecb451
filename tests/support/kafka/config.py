"""The settings of the test cluster, as the text of each node's `server.properties`."""

from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import Certificates

USER, PASSWORD = "millrace", "Kw4-broker-8Rt5Lp"
"""Credentials for the listener SECURE. The password is recognisable, so that a leak is found."""

SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")

SESSION_TIMEOUT_S = 6.0
"""Seconds after which a killed member of a group is evicted, instead of the brokers' own 45."""

SHORT_SESSION_TIMEOUT_S = 3.0
"""For tests that wait for evictions."""

HEARTBEATS = 6
"""Heartbeats in a session: room for several misses."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the cluster, broker and controller in one process, and its folder and ports."""

    number: int
    folder: Path
    broker_port: int
    controller_port: int
    secure_port: int = 0
    mutual_port: int = 0

    @property
    def properties(self) -> Path:
        """The node's settings file."""
        return self.folder / "server.properties"

    @property
    def data(self) -> Path:
        """The node's log directory, which survives a kill."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The node's own log."""
        return self.folder / "server.log"

    @property
    def stderr(self) -> Path:
        """The output of the Java machine itself, such as a version it refuses."""
        return self.folder / "stderr.log"


PROTOCOLS = "listener.security.protocol.map"
FIXED = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    PROTOCOLS: "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # A killed node may register again only when its old session has expired.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    # A transaction that has timed out is aborted soon, not within ten seconds.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    # Internal topics are small: they are created, and loaded again, while a test waits.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
}


def secure_properties(node: Node, certificates: Certificates) -> str:
    """Return the settings that add two listeners to a single node, and restrict its users to the access rules.

    SECURE requires a password over TLS, MUTUAL a client certificate. Clients of the open listener may do everything.
    """
    security = "org.apache.kafka.common.security"
    plain = f'{security}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    files = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.server_both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.authority),
    }
    settings = files | {
        "listeners": f"{_open_listeners(node)},SECURE://127.0.0.1:{node.secure_port},MUTUAL://127.0.0.1:{node.mutual_port}",
        PROTOCOLS: f"{FIXED[PROTOCOLS]},SECURE:SASL_SSL,MUTUAL:SSL",
        "sasl.enabled.mechanisms": ",".join(["PLAIN", *SCRAM]),
        "listener.name.secure.plain.sasl.jaas.config": plain,
        "listener.name.mutual.ssl.client.auth": "required",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    settings |= {
        f"listener.name.secure.{name.lower()}.sasl.jaas.config": f"{security}.scram.ScramLoginModule required;"
        for name in SCRAM
    }
    return _text(settings)


def proxied_properties(node: Node, proxy_port: int) -> str:
    """Return the settings that add a listener to a single node whose clients are sent to a proxy."""
    here = "127.0.0.1"
    settings = {
        "listeners": f"{_open_listeners(node)},PROXIED://{here}:{node.secure_port}",
        "advertised.listeners": f"PLAINTEXT://{here}:{node.broker_port},PROXIED://{here}:{proxy_port}",
        PROTOCOLS: f"{FIXED[PROTOCOLS]},PROXIED:PLAINTEXT",
    }
    return _text(settings)


def properties(node: Node, nodes: list[Node], session_timeout_s: float) -> str:
    """Return the settings of `node` in the cluster of `nodes`; internal topics are on every node."""
    copies = str(len(nodes))
    in_sync = str(max(1, len(nodes) - 1))
    session_ms = round(session_timeout_s * 1000)
    settings = FIXED | {
        "group.consumer.session.timeout.ms": str(session_ms),
        "group.consumer.min.session.timeout.ms": str(session_ms),
        "group.consumer.heartbeat.interval.ms": str(session_ms // HEARTBEATS),
        "group.consumer.min.heartbeat.interval.ms": str(session_ms // HEARTBEATS),
        "node.id": str(node.number),
        "controller.quorum.voters": ",".join(f"{n.number}@127.0.0.1:{n.controller_port}" for n in nodes),
        "listeners": _open_listeners(node),
        "log.dirs": str(node.data),
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
    }
    return _text(settings)


def _open_listeners(node: Node) -> str:
    return f"PLAINTEXT://127.0.0.1:{node.broker_port},CONTROLLER://127.0.0.1:{node.controller_port}"


def _text(settings: dict[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in settings.items())
