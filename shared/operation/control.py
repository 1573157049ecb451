"""Controlling a worker on this machine through the port of its probes."""

import json
import threading
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from shared.clock import Clock
from shared.errors import Fatal, Unavailable
from shared.settings import OperationSettings

ALL_INTERFACES = ("0.0.0.0", "::", "")  # noqa: S104  (nothing is bound here: these are values that a setting may have)
LOOPBACK = "127.0.0.1"
ANSWER_TIMEOUT_S = 5.0
LOOK_EVERY_S = 0.1
OK, FORBIDDEN, NOT_FOUND = 200, 403, 404


class NotAWorker(Fatal):
    """The program that answers at the port is not a Millrace worker."""


@dataclass(frozen=True, slots=True)
class WorkerControl:
    """A connection to a worker's port.

    Attributes:
        host: An address of this machine.
        port: The port on which the worker answers probes.
        stream: The stream of the worker's process to control; None means all its streams.
    """

    host: str
    port: int
    stream: str | None = None

    @classmethod
    def of(cls, settings: OperationSettings, port: int | None = None, stream: str | None = None) -> "WorkerControl":
        """Return the control of the worker that these settings describe; `port` overrides the port in the settings.

        Raises:
            Fatal: the settings let the worker choose a free port.
        """
        wanted = settings.port if port is None else port
        if wanted == 0:
            raise Fatal(
                "port 0 is configured, so the worker chose a free port: give the chosen port with --port; "
                "the worker's first log line shows it"
            )
        return cls(LOOPBACK if settings.host in ALL_INTERFACES else settings.host, wanted, stream)

    def faults(self) -> dict[str, str]:
        """Return the reasons why the worker is not ready, by part; empty means ready.

        Raises:
            Unavailable: no program answers at the port.
            NotAWorker: another program answers at the port.
        """
        _, reported = self._request("GET", "/readyz")
        faults = reported.get("faults")
        if not isinstance(faults, dict):
            raise self._not_a_worker()
        return {str(part): str(reason) for part, reason in faults.items()}

    def reasons(self) -> str:
        """Return the reasons why the worker is not ready as one line, empty if it is ready; raises as `faults` does."""
        return "; ".join(f"{part}: {reason}" for part, reason in self.faults().items())

    def pause(self, clock: Clock, wait_s: float) -> str:
        """Ask the worker to pause, wait until it has paused, and return its description of the pause.

        Raises:
            Unavailable: no program answers, or the worker has not paused in time; it will still pause later.
            Fatal: the worker refuses, or the program that answers is not a worker.
        """
        reported = self._control("POST", "/pause")
        until_s = clock.monotonic_s() + wait_s
        while reported.get("paused") is None:
            if not reported.get("wanted"):
                raise Unavailable(
                    "worker", "it was resumed by someone else in the meantime; run the command again to pause it"
                )
            if clock.monotonic_s() >= until_s:
                raise Unavailable("worker", self._not_paused_yet(wait_s))
            clock.wait(threading.Event(), LOOK_EVERY_S)
            reported = self._control("GET", "/pause")
        return str(reported["paused"])

    def resume(self, clock: Clock, wait_s: float) -> None:
        """Ask the worker to resume, and wait until it has resumed.

        Raises:
            Unavailable: no program answers, or the worker is still paused.
            Fatal: the worker refuses, or the program that answers is not a worker.
        """
        reported = self._control("POST", "/resume")
        until_s = clock.monotonic_s() + wait_s
        while reported.get("paused") is not None:
            if reported.get("wanted") or clock.monotonic_s() >= until_s:
                raise Unavailable(
                    "worker", f"the worker has not resumed yet, or was paused again: {reported['paused']}"
                )
            clock.wait(threading.Event(), LOOK_EVERY_S)
            reported = self._control("GET", "/pause")

    def hurry(self) -> None:
        """Ask the redrive of a process to send all waiting records now.

        Raises:
            Unavailable: no program answers at the port.
            Fatal: the process runs no redrive, it refuses, or the program that answers is not Millrace.
        """
        status, reported = self._request("POST", "/hurry")
        if status != OK or "hurried_at_ms" not in reported:
            raise self._not_a_worker()

    def _not_paused_yet(self, wait_s: float) -> str:
        reasons = self.reasons()
        still = f" and is not ready ({reasons})" if reasons else ""
        return f"after {wait_s:g} s the worker still works on a batch{still}; it pauses when that batch is committed"

    def _control(self, method: str, path: str) -> dict[str, Any]:
        """Send a pause or resume request and return the answer; an answer in another form is not from a worker."""
        status, reported = self._request(method, path)
        if status != OK or "wanted" not in reported:
            raise self._not_a_worker()
        return reported

    def _not_a_worker(self) -> NotAWorker:
        return NotAWorker(
            f"the program that answers at {self.host}:{self.port} is not a Millrace worker; check the host and the port"
        )

    def _request(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        """Send a request and return the status and the JSON object of the answer."""
        connection = HTTPConnection(self.host, self.port, timeout=ANSWER_TIMEOUT_S)
        try:
            connection.request(method, path if self.stream is None else f"{path}/{self.stream}")
            response = connection.getresponse()
            body = response.read(1 << 16)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Unavailable(
                "worker",
                f"nothing answers at {self.host}:{self.port} ({why}): is the worker running, and is this the "
                "port of its probes?",
            ) from error
        except HTTPException as error:
            raise self._not_a_worker() from error
        finally:
            connection.close()
        if response.status == NOT_FOUND and self.stream is not None:
            raise Fatal(f"the process at {self.host}:{self.port} does not run {self.stream}")
        if response.status == FORBIDDEN:
            raise Fatal(
                f"the worker at {self.host}:{self.port} refuses the request: "
                "run the command on the worker's machine, inside its container"
            )
        try:
            reported = json.loads(body)
        except ValueError as error:
            raise self._not_a_worker() from error
        if not isinstance(reported, dict):
            raise self._not_a_worker()
        return response.status, reported
