"""Starts, configures, kills and restarts the stand-in of `tests.support.qdrant.server`."""

import http.client
import json
import subprocess
import sys
import tempfile
from typing import Any

from tests.support.ports import free_ports
from tests.support.sources import ROOT

ANSWER_TIMEOUT_S = 30.0


class StandinProcess:
    """A stand-in that runs while the context is open, always on one port and one folder; `key` is required of clients."""

    def __init__(self, key: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="millrace-standin-")
        self._key = key
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it on the data in its folder, and wait until it is ready.

        Raises:
            RuntimeError: it ended at once; its output is on standard error.
        """
        command = [
            sys.executable,
            "-m",
            "tests.support.qdrant.server",
            "--port",
            str(self.port),
            "--path",
            self._folder.name,
        ]
        command += [] if self._key is None else ["--key", self._key]
        self._process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != f"{self.port}\n":
            self.kill()
            raise RuntimeError("the stand-in did not start")

    def kill(self) -> None:
        """End it by SIGKILL; data of its folder in the operating system's cache survives."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def set_faults(self, **faults: Any) -> None:
        """Put these faults of `tests.support.qdrant.faults` in force, and no others."""
        self._ask("PUT", faults)

    def report(self) -> dict[str, Any]:
        """Return the counts since the last call."""
        return self._ask("GET", None)

    def _ask(self, method: str, body: dict[str, Any] | None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_TIMEOUT_S)
        try:
            connection.request(method, "/standin/faults", content)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            found: dict[str, Any] = json.load(answer)
            return found
        finally:
            connection.close()

    def __enter__(self) -> "StandinProcess":
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it and remove its folder."""
        self.kill()
        self._folder.cleanup()
