"""The formatted storage of the nodes: Kafka's own tool formats one node, and the others get copies with their own ids."""

import base64
import re
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.support.kafka.config import PASSWORD, SCRAM, USER, Node
from tests.support.kafka.java import java_command

TOOL_TIMEOUT_S = 60.0
META, CHECKPOINT = "meta.properties", "bootstrap.checkpoint"


def format_nodes(nodes: Sequence[Node]) -> None:
    """Format the storage of the nodes of one cluster.

    Raises:
        RuntimeError: Kafka's tool failed; the message has its output.
    """
    cluster = _new_id()
    meta, checkpoint = _formatted()
    for node in nodes:
        ids = {"node.id": str(node.number), "directory.id": _new_id(), "cluster.id": cluster}
        text = meta
        for name, value in ids.items():
            text, replaced = re.subn(rf"(?m)^{re.escape(name)}=.*$", f"{name}={value}", text)
            assert replaced == 1, f"{META} has no {name}"
        node.data.mkdir()
        (node.data / META).write_text(text, encoding="utf-8")
        (node.data / CHECKPOINT).write_bytes(checkpoint)


@cache
def _formatted() -> tuple[str, bytes]:
    """Format one node; return its identity as text, and the first records of the cluster, which hold the users."""
    with tempfile.TemporaryDirectory(prefix="millrace-kafka-format-") as name:
        data, settings = Path(name) / "data", Path(name) / "server.properties"
        settings.write_text(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:9093\n"
            "controller.listener.names=CONTROLLER\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
            f"listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\nlog.dirs={data}\n",
            encoding="utf-8",
        )
        users = [f"{mechanism}=[name={USER},password={PASSWORD}]" for mechanism in SCRAM]
        added = [word for user in users for word in ("--add-scram", user)]
        _storage_tool("format", "--cluster-id", _new_id(), "--config", str(settings), *added)
        return (data / META).read_text(encoding="utf-8"), (data / CHECKPOINT).read_bytes()


def _new_id() -> str:
    """Return a random id in Kafka's form, 16 bytes in base64; it never begins with a hyphen, as an option would."""
    return base64.urlsafe_b64encode(b"M" + uuid.uuid4().bytes[1:]).decode().rstrip("=")


def _storage_tool(*arguments: str) -> None:
    command = java_command("kafka.tools.StorageTool", Path("/dev/null"))
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=TOOL_TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"StorageTool {arguments[0]} failed\n{done.stdout}{done.stderr}")
