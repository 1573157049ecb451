"""`python -m benchmarks.faults.drift_killed`: whether sums survive kills and rebalances of the drift application.

On a real Kafka, two instances share four partitions; one of them is killed at a random moment and started again, so each
kill causes two rebalances. Afterwards the sums in the changelog are compared, bit for bit, with those of the same batches
without a crash, and the alerts with those that are due.
"""

import argparse
import sys

from shared.logs import configure
from tests.support.drift_crashes import Crashes, crashed
from tests.support.kafka.config import SHORT_SESSION_TIMEOUT_S
from tests.support.kafka.server import KafkaServer


def report(times: int, seed: int) -> bool:
    """Kill, print what was found, and return whether all is as without a crash."""
    with KafkaServer(session_timeout_s=SHORT_SESSION_TIMEOUT_S) as server:
        found = crashed(server.bootstrap, Crashes(times, seed, hours=4 * times))
    doubled = len(found.alerts) - len(set(found.alerts))
    print(f"{found.kills} kills with two rebalances each, {found.batches:,} batches, {found.took_s:.0f} s")
    print(f"subjects with other sums than without a crash: {len(found.differing)} of {found.expected_subjects}")
    print(f"alerts sent: {len(found.alerts)}, due: {found.expected_alerts}, sent twice: {doubled}")
    print(f"messages that Faust had dropped and that were read from the topic: {found.read_between}")
    print(f"stopped within {found.stopped_s:.1f} s, not committed: {found.uncommitted} messages")
    return not (found.differing or doubled or found.uncommitted or len(found.alerts) != found.expected_alerts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="Number of kills.")
    parser.add_argument("--seed", type=int, default=11, help="For the moments of the kills.")
    given = parser.parse_args()
    configure("error", json_lines=False)
    sys.exit(0 if report(given.times, given.seed) else 1)
