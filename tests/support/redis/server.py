"""A real Redis on a free loopback port, without any data file: its data is lost when it is killed.

If the test run itself is killed, the reaper of the Kafka tests ends it.
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import redis

from tests.support.certificates import Certificates
from tests.support.kafka.server import HERE as KAFKA_TESTS
from tests.support.ports import free_ports
from tests.support.waiting import wait_until

START_TIMEOUT_S = 20.0


def why_unavailable() -> str:
    """Return why no Redis can be started here; empty if one can."""
    return "" if shutil.which("redis-server") else "no redis-server on the PATH"


class RedisServer:
    """A server that runs while the context is open.

    Args:
        certificates: If given, the server accepts TLS only.
        mutual: Whether clients must show a certificate.
        settings: More lines of `redis.conf`, such as users.
    """

    def __init__(
        self, certificates: Certificates | None = None, mutual: bool = False, settings: tuple[str, ...] = ()
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="millrace-redis-"))
        [self.port] = free_ports(1)
        lines = ["bind 127.0.0.1", 'save ""', "appendonly no", f"dir {self.folder}", *settings]
        if certificates is None:
            lines.append(f"port {self.port}")
        else:
            files = {"cert": certificates.server, "key": certificates.server_key, "ca-cert": certificates.authority}
            lines += ["port 0", f"tls-port {self.port}", f"tls-auth-clients {'yes' if mutual else 'no'}"]
            lines += [f"tls-{name}-file {path}" for name, path in files.items()]
        (self.folder / "redis.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self._reaper = subprocess.Popen(
            [sys.executable, str(KAFKA_TESTS / "reaper.py"), str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    @property
    def url(self) -> str:
        """The address for a client without TLS and password; the same before and after a restart."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["redis-server", str(self.folder / "redis.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._notify_reaper(f"+{self._process.pid}")
        wait_until(self._answers, START_TIMEOUT_S, f"Redis answers; its log: {self.folder / 'log'}")

    def empty(self) -> None:
        """Delete all data."""
        self.command("FLUSHALL")

    def command(self, *words: str) -> None:
        """Run a command; for a server without TLS and users."""
        with closing(redis.Redis(port=self.port)) as client:
            client.execute_command(*words)  # type: ignore[no-untyped-call]  # it has no types

    def freeze(self) -> None:
        """Suspend the process: it still accepts connections, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the process."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it by SIGKILL; its data is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._notify_reaper(f"-{self._process.pid}")
            self._process = None

    def __enter__(self) -> "RedisServer":
        """Start, and clean up if that fails or is interrupted."""
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it and remove its folder."""
        self.kill()
        self._reaper.communicate(timeout=START_TIMEOUT_S)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text(encoding="utf-8")[-2_000:]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _notify_reaper(self, line: str) -> None:
        assert self._reaper.stdin is not None
        self._reaper.stdin.write(line + "\n")
        self._reaper.stdin.flush()
