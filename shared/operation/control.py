"""A worker that runs on this machine, spoken to through the port of its probes."""

import json
import threading
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from shared.clock import Clock
from shared.errors import Fatal, Unavailable
from shared.settings import OperationSettings

EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104  (nothing is bound here: it is what a setting may say)
LOOPBACK = "127.0.0.1"
ANSWER_TIMEOUT_S = 5.0
LOOK_EVERY_S = 0.1
OK, FORBIDDEN, NOT_FOUND = 200, 403, 404


class NotAWorker(Fatal):
    """What answers at the port is something else."""


@dataclass(frozen=True, slots=True)
class WorkerControl:
    """The port of a worker.

    Attributes:
        host: An address of this machine.
        port: Where the worker answers probes.
        stream: Which of the streams of its process is meant; None stands for all of them.
    """

    host: str
    port: int
    stream: str | None = None

    @classmethod
    def of(cls, settings: OperationSettings, port: int | None = None, stream: str | None = None) -> "WorkerControl":
        """Return the worker that these settings describe; `port` stands in for theirs.

        Raises:
            Fatal: the settings let the worker pick its port.
        """
        wanted = settings.port if port is None else port
        if wanted == 0:
            raise Fatal("port 0 lets a worker pick a free one: give --port, its first log line says which it took")
        return cls(LOOPBACK if settings.host in EVERYWHERE else settings.host, wanted, stream)

    def faults(self) -> dict[str, str]:
        """Return what keeps the worker from being ready, by part; empty means ready.

        Raises:
            Unavailable: nothing answers.
            NotAWorker: something else does.
        """
        _, reported = self._ask("GET", "/readyz")
        faults = reported.get("faults")
        if not isinstance(faults, dict):
            raise self._other()
        return {str(part): str(reason) for part, reason in faults.items()}

    def reasons(self) -> str:
        """Return what speaks against the worker's readiness in one line, empty when it is ready; raises as `faults`."""
        return "; ".join(f"{part}: {reason}" for part, reason in self.faults().items())

    def pause(self, clock: Clock, wait_s: float) -> str:
        """Ask the worker to pause, wait until it has, and return what it says of it.

        Raises:
            Unavailable: nothing answers, or it has not paused in time; it still will.
            Fatal: it refuses, or is no worker.
        """
        reported = self._steer("POST", "/pause")
        until_s = clock.monotonic_s() + wait_s
        while reported.get("paused") is None:
            if not reported.get("wanted"):
                raise Unavailable("worker", "somebody else has resumed it meanwhile")
            if clock.monotonic_s() >= until_s:
                raise Unavailable("worker", self._late(wait_s))
            clock.wait(threading.Event(), LOOK_EVERY_S)
            reported = self._steer("GET", "/pause")
        return str(reported["paused"])

    def resume(self, clock: Clock, wait_s: float) -> None:
        """Ask the worker to go on, and wait until it does.

        Raises:
            Unavailable: nothing answers, or it still pauses.
            Fatal: it refuses, or is no worker.
        """
        reported = self._steer("POST", "/resume")
        until_s = clock.monotonic_s() + wait_s
        while reported.get("paused") is not None:
            if reported.get("wanted") or clock.monotonic_s() >= until_s:
                raise Unavailable("worker", f"it still pauses: {reported['paused']}")
            clock.wait(threading.Event(), LOOK_EVERY_S)
            reported = self._steer("GET", "/pause")

    def _late(self, wait_s: float) -> str:
        reasons = self.reasons()
        still = f", it waits for {reasons}" if reasons else ""
        return f"after {wait_s:g} s it still has a batch in hand{still}; it pauses when that is committed"

    def _steer(self, method: str, path: str) -> dict[str, Any]:
        """Return what the worker says of pausing: an answer of any other form is somebody else's."""
        status, reported = self._ask(method, path)
        if status != OK or "wanted" not in reported:
            raise self._other()
        return reported

    def _other(self) -> NotAWorker:
        return NotAWorker(f"{self.host}:{self.port} answers, but is no worker")

    def _ask(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON object of an answer."""
        connection = HTTPConnection(self.host, self.port, timeout=ANSWER_TIMEOUT_S)
        try:
            connection.request(method, path if self.stream is None else f"{path}/{self.stream}")
            response = connection.getresponse()
            body = response.read(1 << 16)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Unavailable("worker", f"nothing answers at {self.host}:{self.port} ({why})") from error
        except HTTPException as error:
            raise self._other() from error
        finally:
            connection.close()
        if response.status == NOT_FOUND and self.stream is not None:
            raise Fatal(f"the process at {self.host}:{self.port} runs no worker of {self.stream}")
        if response.status == FORBIDDEN:
            raise Fatal(
                f"the worker at {self.host}:{self.port} refuses: run the command on its machine, in its container"
            )
        try:
            reported = json.loads(body)
        except ValueError as error:
            raise self._other() from error
        if not isinstance(reported, dict):
            raise self._other()
        return response.status, reported
