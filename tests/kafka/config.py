"""The settings of the test cluster, as the text of each node's `server.properties`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the cluster, broker and controller in one process, and where it lives."""

    number: int
    folder: Path
    broker_port: int
    controller_port: int

    @property
    def properties(self) -> Path:
        """The node's settings file."""
        return self.folder / "server.properties"

    @property
    def data(self) -> Path:
        """The node's log directory: what survives a kill."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the node complains of."""
        return self.folder / "server.log"

    @property
    def stderr(self) -> Path:
        """What the Java machine itself said, such as a version it refuses."""
        return self.folder / "stderr.log"


FIXED = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    # A killed member is noticed after six seconds and not after 45; the heartbeat leaves room for several misses.
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.heartbeat.interval.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    # A killed node may register again only when its old session has run out.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    # Internal topics small: they are made, and loaded again, while a test waits.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
}


def properties(node: Node, nodes: list[Node]) -> str:
    """Return the settings of `node` in the cluster of `nodes`; internal topics are on every node."""
    copies = str(len(nodes))
    in_sync = str(max(1, len(nodes) - 1))
    settings = FIXED | {
        "node.id": str(node.number),
        "controller.quorum.voters": ",".join(f"{n.number}@127.0.0.1:{n.controller_port}" for n in nodes),
        "listeners": f"PLAINTEXT://127.0.0.1:{node.broker_port},CONTROLLER://127.0.0.1:{node.controller_port}",
        "log.dirs": str(node.data),
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())
