"""A real Kafka cluster in KRaft mode, of one node or three, on free loopback ports and in a folder of its own.

It is started from jars (`make kafka`, or the folder `MILLRACE_TEST_KAFKA_LIBS` names), can be killed and started again
on the same data, and leaves nothing behind: if the test run itself is killed, the reaper ends the brokers.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support.certificates import Certificates
from tests.support.kafka.config import SESSION_TIMEOUT_S, Node, properties, proxied_properties, secure_properties
from tests.support.kafka.java import archive, java_command
from tests.support.kafka.java import why_unavailable as why_unavailable
from tests.support.kafka.storage import format_nodes
from tests.support.ports import free_ports

HERE = Path(__file__).resolve().parent
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
OTHER_PORTS = 2
PORT_TAKEN = "Address already in use"
HEAP = "-Xmx400m"
RECONNECT_MS = 100
"""Longest pause between two attempts of the client that waits for the start; librdkafka's own is ten seconds."""


class KafkaServer:
    """A cluster that runs from `start` (or entering) to `close` (or leaving); `node` counts from 1, None means all."""

    def __init__(
        self,
        nodes: int = 1,
        certificates: Certificates | None = None,
        proxy_port: int | None = None,
        session_timeout_s: float = SESSION_TIMEOUT_S,
        java_options: Sequence[str] = (),
    ) -> None:
        """Choose ports and a folder; no process is started yet.

        Args:
            nodes: Number of nodes.
            certificates: Certificates of a single node with secured listeners.
            proxy_port: Port to which a single node sends the clients of its listener `proxied_port`.
            session_timeout_s: Seconds after which a silent member of a group is evicted, under the new protocol.
            java_options: Options of the nodes' Java; empty: the archive of classes, if it exists.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="millrace-kafka-"))
        self._certificates, self._proxy_port, self._session_timeout_s = certificates, proxy_port, session_timeout_s
        found = archive()
        self._java_options = java_options or ([f"-XX:SharedArchiveFile={found}"] if found.exists() else [])
        self.nodes = self._with_free_ports(nodes)
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._reaper = subprocess.Popen(
            [sys.executable, str(HERE / "reaper.py"), str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, as `bootstrap.servers` expects them; the same before and after a restart."""
        return ",".join(f"127.0.0.1:{node.broker_port}" for node in self.nodes)

    @property
    def secure_bootstrap(self) -> str:
        """The address that requires a password over TLS."""
        return f"127.0.0.1:{self.nodes[0].secure_port}"

    @property
    def proxied_port(self) -> int:
        """The port to which a proxy forwards its bytes."""
        return self.nodes[0].secure_port

    @property
    def mutual_bootstrap(self) -> str:
        """The address that requires a client certificate."""
        return f"127.0.0.1:{self.nodes[0].mutual_port}"

    def start(self, node: int | None = None) -> None:
        """Start the nodes that are not running, on their existing data, and wait until the cluster answers.

        A port may be taken between its choice and the moment a node listens. Until the cluster has answered once, no
        client knows its ports: then it is started again on others.

        Raises:
            RuntimeError: a node ended, or the cluster did not answer in time; the message ends with the nodes' logs.
        """
        others_left = 0 if self.nodes[-1].data.exists() else OTHER_PORTS
        while not self._starts(node, last_try=not others_left):
            others_left -= 1
            self.kill()
            self.nodes = self._with_free_ports(len(self.nodes))

    def stop(self, node: int | None = None) -> None:
        """Stop nodes as an operator would; kill them if that takes too long."""
        self._end(node, signal.SIGTERM)

    def kill(self, node: int | None = None) -> None:
        """End nodes by SIGKILL, as a crash would; log data in the operating system's cache survives."""
        self._end(node, signal.SIGKILL)

    def restart(self, node: int | None = None) -> None:
        """Stop and start again on the same data."""
        self.stop(node)
        self.start(node)

    def close(self) -> None:
        """Kill the running nodes and remove the folder."""
        self.kill()
        self._reaper.communicate(timeout=STOP_TIMEOUT_S)

    def __enter__(self) -> "KafkaServer":
        """Start, and clean up if that fails or is interrupted."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _starts(self, node: int | None, last_try: bool) -> bool:
        if not self.nodes[-1].data.exists():
            format_nodes(self.nodes)
        for each in self._chosen(node):
            if each.number not in self._running:
                self._launch(each)
        try:
            self._wait_until_ready()
        except RuntimeError as error:
            if last_try or PORT_TAKEN not in str(error):
                raise
            return False
        return True

    def _chosen(self, node: int | None) -> list[Node]:
        return [each for each in self.nodes if node in (None, each.number)]

    def _with_free_ports(self, count: int) -> list[Node]:
        ports = free_ports(4 * count)
        nodes = [
            Node(n, self.folder / f"node-{n}", ports.pop(), ports.pop(), ports.pop(), ports.pop())
            for n in range(1, count + 1)
        ]
        for node in nodes:
            shutil.rmtree(node.folder, ignore_errors=True)
            node.folder.mkdir()
            more = "" if self._certificates is None else secure_properties(node, self._certificates)
            more += "" if self._proxy_port is None else proxied_properties(node, self._proxy_port)
            settings = properties(node, nodes, self._session_timeout_s) + more  # the last line of a name wins
            node.properties.write_text(settings, encoding="utf-8")
        return nodes

    def _launch(self, node: Node) -> None:
        command = java_command("kafka.Kafka", node.log, HEAP, "-XX:+UseSerialGC", *self._java_options)
        with node.stderr.open("ab") as stderr:
            process = subprocess.Popen(
                [*command, str(node.properties)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        self._running[node.number] = process
        self._notify_reaper(f"+{process.pid}")

    def _end(self, node: int | None, number: signal.Signals) -> None:
        ending = {n.number: self._running[n.number] for n in self._chosen(node) if n.number in self._running}
        for process in ending.values():
            process.send_signal(number)
        for which, process in ending.items():
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._notify_reaper(f"-{process.pid}")
            del self._running[which]

    def _notify_reaper(self, line: str) -> None:
        assert self._reaper.stdin is not None
        self._reaper.stdin.write(line + "\n")
        self._reaper.stdin.flush()

    def _wait_until_ready(self) -> None:
        pauses = {"reconnect.backoff.ms": RECONNECT_MS, "reconnect.backoff.max.ms": RECONNECT_MS}
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, **pauses})
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self._running.values()):
                raise RuntimeError(f"a Kafka node ended while starting\n{self._logs()}")
            try:
                if len(admin.list_topics(timeout=1).brokers) == len(self._running):
                    return
            except KafkaException:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"Kafka did not answer within {START_TIMEOUT_S:.0f} s\n{self._logs()}")

    def _logs(self) -> str:
        files = [path for node in self.nodes for path in (node.log, node.stderr) if path.exists()]
        return "\n".join(path.read_text(encoding="utf-8", errors="replace")[-3000:] for path in files)
