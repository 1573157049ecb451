"""`python -m benchmarks.faults.frozen`: workers frozen past their sessions while the votes change all the time.

On a real Kafka and the stand-in for Qdrant's server. A round is one SIGSTOP of nine seconds, in which the others take
over the batch that the worker had in hand, and decide on it with other votes; after SIGCONT it resumes where it
stopped. No version may have two decisions afterwards. The model takes up to a second per batch, so that most of the
moments are within a batch.
"""

import argparse
import sys

from tests.support.fleet import Campaign, run_campaign
from tests.support.kafka.server import KafkaServer, why_unavailable

RECORDS_A_ROUND = 700


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--kills", type=int, default=2, help="number of SIGKILLs before the rounds, which cause rebalances"
    )
    parser.add_argument("--seed", type=int, default=1)
    reported = parser.parse_args()
    if reason := why_unavailable():
        sys.exit(reason)
    campaign = Campaign(
        records=RECORDS_A_ROUND * reported.rounds,
        partitions=3,
        kills=reported.kills,
        freezes=reported.rounds,
        slow_s=1.0,
        votes=True,
        max_records=12,
        seed=reported.seed,
    )
    with KafkaServer() as server:
        found = run_campaign(campaign, server)
    counts = found.findings
    print(
        f"{found.frozen} rounds, {found.killed} kills, {found.records:,} records in {found.wall_s:.0f} s: {counts.line()}, "
        f"settled {counts.settled:,}, pending {counts.pending}"
    )
    sys.exit(0 if counts.clean and (counts.settled, counts.pending) == (found.records, 0) else 1)


if __name__ == "__main__":
    main()
