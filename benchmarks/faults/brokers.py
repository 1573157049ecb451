"""`python -m benchmarks.faults.brokers`: how soon a worker continues after its broker or its connection fails.

On a real Kafka and Qdrant Edge, with a model that costs nothing, under a steady load that waits for the brokers as a
patient producer does. A recovery is measured from the moment when the restarted broker answers, from the leader's kill,
or from the moment when the connection to the broker is restored.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from shared.logs import configure
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.outage import FAULTS, Recovery, Trial, proxied_kafka, trial

MOST_S = 30.0
PARTITIONS = 6


def report(times: int, outage_s: float, way_outage_s: float, records_per_s: int) -> bool:
    """Run the parts, print their lines, and return whether all audits are clean and every recovery is quick enough."""
    print(f"{records_per_s} records/s; seconds until a batch is settled, until a record is delivered to every")
    print("partition again, and until those records are settled")
    return all(
        (
            _part("one broker killed and restarted", 1, times, outage_s, records_per_s),
            _part("three brokers, the leader killed", 3, times, outage_s, records_per_s),
            _connection(way_outage_s, records_per_s),
        )
    )


def _part(name: str, nodes: int, times: int, outage_s: float, records_per_s: int) -> bool:
    print(f"{name}, {times} times{f', {outage_s:.0f} s each' if nodes == 1 else ''}")
    with (
        KafkaServer(nodes=nodes) as server,
        tempfile.TemporaryDirectory(prefix="millrace-brokers-") as folder,
        trial(server, Path(folder), PARTITIONS, records_per_s) as on,
    ):
        return _judge(on, [_once(on, number, outage_s) for number in range(times)])


def _connection(outage_s: float, records_per_s: int) -> bool:
    print(f"the connection to the broker is disturbed, {outage_s:.0f} s each")
    with (
        proxied_kafka() as (server, proxy),
        tempfile.TemporaryDirectory(prefix="millrace-brokers-") as folder,
        trial(server, Path(folder), PARTITIONS, records_per_s, proxy.address) as on,
    ):
        return _judge(
            on,
            [_reported(name, on.disturb(fault, proxy, outage_s)) for name, fault in FAULTS.items()],
        )


def _judge(on: Trial, recoveries_s: list[float]) -> bool:
    findings, sent, slowest_s = on.finish(), on.load.sent, max(recoveries_s)
    print(f"  sent {sent:,}, settled {findings.settled:,}; {findings.line()}; slowest recovery {slowest_s:.1f} s")
    return findings.clean and (findings.settled, findings.pending) == (sent, 0) and slowest_s <= MOST_S


def _once(on: Trial, number: int, outage_s: float) -> float:
    single = len(on.server.nodes) == 1
    return _reported(str(number + 1), on.restart(outage_s) if single else on.move_leader(number % PARTITIONS))


def _reported(name: str, recovery: Recovery) -> float:
    parts = (
        f"settled {recovery.first_s:5.1f} s, delivered {recovery.delivered_s:5.1f} s, whole {recovery.whole_s:5.1f} s"
    )
    print(f"  {name:<18} {parts}", flush=True)
    return recovery.whole_s


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--outage-s", type=float, default=10.0, help="seconds for which the single broker is down")
    parser.add_argument("--way-outage-s", type=float, default=30.0, help="seconds of each connection fault")
    parser.add_argument("--records-per-s", type=int, default=100)
    reported = parser.parse_args()
    if reason := why_unavailable():
        sys.exit(reason)
    configure("critical", json_lines=False)
    sys.exit(0 if report(reported.times, reported.outage_s, reported.way_outage_s, reported.records_per_s) else 1)


if __name__ == "__main__":
    main()
