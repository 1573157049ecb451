"""Peak memory and time of the dead-letter commands, over a short and a long queue.

`python -m benchmarks.faults.dlq_memory`. Each command is the real one, in a process of its own, on a Kafka started for
it (`make kafka`). The dead letters are made up, each of the given size; their bytes are random hexadecimal digits.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from schemas.failures import FailureReason
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.clock import SystemClock
from shared.deadletters.envelope import write_dead_letter
from shared.errors import Rejected
from shared.records import Message, Provenance, Record
from shared.settings import BrokerSettings
from tests.support.kafka.server import KafkaServer
from workers.tickets.stages import TICKETS

CLOCK = SystemClock()
COMMANDS = (
    ("list --limit 20", ["list"]),
    ("list --limit 0 --json", ["list", "--limit", "0", "--json"]),
    ("list --reason too_deep", ["list", "--reason", "too_deep"]),
    ("list --histogram", ["list", "--histogram"]),
    ("replay --dry-run", ["replay", "--dry-run"]),
    ("replay --reason too_deep", ["replay", "--reason", "too_deep"]),
    ("replay", ["replay"]),
)


def dead_letter(number: int, size_bytes: int) -> Message:
    reason = (FailureReason.MODEL_FAILED, FailureReason.TOO_DEEP)[number % 2]
    key = f"tenant-{number % 7}:T-{number}".encode()
    value = os.urandom(size_bytes // 2).hex().encode()
    failed = Record("tickets", number % 12, number, int(CLOCK.now().timestamp() * 1000), key, value)
    return write_dead_letter(
        failed, Rejected(reason, "body", "made up"), Provenance("tickets", "3fa9c1d2"), CLOCK.now()
    )


def fill(bootstrap: str, count: int, size_bytes: int) -> None:
    sink = KafkaSink(bootstrap, BrokerSettings(delivery_timeout_s=60))
    for first in range(0, count, 1_000):
        sink.produce([dead_letter(number, size_bytes) for number in range(first, min(first + 1_000, count))])
        assert sink.flush() == []
    sink.close()


def peak(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Return the peak resident memory in MiB and the wall time in seconds of a command."""
    start_s = CLOCK.monotonic_s()
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "millrace", *arguments], stdout=out, stderr=out)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 2), (folder / "out").read_text()[-2_000:]
    return usage.ru_maxrss / 1024, CLOCK.monotonic_s() - start_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dead-letters", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--bytes", type=int, default=2_000, help="Size of a dead letter's value in bytes.")
    chosen = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        idle = peak(["dlq", "--help"], Path(folder))
        for letters in chosen.dead_letters:
            with KafkaServer() as server:
                create_topics(server.bootstrap, TICKETS.topics(12), replication=1)
                fill(server.bootstrap, letters, chosen.bytes)
                for name, arguments in COMMANDS:
                    command = ["dlq", *arguments, "--bootstrap", server.bootstrap]
                    found[name].append(peak(command, Path(folder)))
    print(f"\nPeak resident memory and wall time; dead letters of {chosen.bytes} bytes, 12 partitions")
    print(f"{'dead letters':<28}" + "".join(f"{letters:>20}" for letters in chosen.dead_letters))
    print(f"{'--help (no broker)':<28}{idle[0]:>9.0f} MiB {idle[1]:>5.1f} s")
    for name, measured in found.items():
        print(f"{name:<28}" + "".join(f"{mib:>9.0f} MiB {seconds:>5.1f} s" for mib, seconds in measured))


if __name__ == "__main__":
    main()
