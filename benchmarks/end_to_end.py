"""`python -m benchmarks.end_to_end`: train, route and audit all of Banking77, with the assertions of its short test.

Needs `MILLRACE_DATA` and Kafka's jars (`make kafka`). 13,083 questions: 10,003 for training and as solved tickets, then
3,080 to route. It ends with an error if the audit is not clean, if the head is worse than 94 % accuracy or 2 % calibration
error, or if the worker's results do not have the figures that `router evaluate` gives. It takes about three minutes on
two cores. `tests/faults/test_banking77.py` makes the same assertions with a part of the questions.
"""

import os
import tempfile
from pathlib import Path

from shared.clock import SystemClock
from tests.support.end_to_end import ALL, run_end_to_end
from tests.support.kafka.server import KafkaServer, why_unavailable

EXPECTED = (10_003, 3_080)


def report() -> None:
    """Run and print."""
    reason = why_unavailable() if "MILLRACE_DATA" in os.environ else "MILLRACE_DATA names no data"
    if reason:
        print(f"\nEnd to end: skipped, {reason}")
        return
    clock = SystemClock()
    began_s = clock.monotonic_s()
    with KafkaServer() as kafka, tempfile.TemporaryDirectory() as folder:
        found = run_end_to_end(kafka, Path(os.environ["MILLRACE_DATA"]), Path(folder), ALL)
    assert (found.trained, found.routed) == EXPECTED
    print(
        f"\nEnd to end: {found.trained:,} questions of Banking77 learned and indexed, {found.routed:,} routed, in "
        f"{clock.monotonic_s() - began_s:.0f} s; the audit is clean, accuracy {found.accuracy:.4f}, "
        f"calibration error {found.calibration_error:.4f}, as evaluated"
    )


if __name__ == "__main__":
    report()
