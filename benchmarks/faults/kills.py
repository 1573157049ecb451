"""`python -m benchmarks.faults.kills`: workers killed at random moments while they work, against an undisturbed run.

On a real Kafka and the stand-in for Qdrant's server, each worker in a process of its own, with a model that costs
nothing: the figures show the cost of a kill in time and repeats, not the speed of a worker. With `--commit-first` the
workers make the mistake that the audit detects whenever a kill falls between commit and settling; with few kills none
may fall there.
"""

import argparse
import sys
from dataclasses import replace

from tests.support.fleet import Campaign, CampaignResult, run_campaign
from tests.support.kafka.server import KafkaServer, why_unavailable

MOST_REPEATED = 0.05


def report(campaign: Campaign, undisturbed: bool) -> bool:
    """Run, print a line for each run, and return whether all audits are clean and little is repeated."""
    print(f"{campaign.records:,} records, {campaign.partitions} partitions, {campaign.workers} workers")
    print(
        f"{'SIGKILLs':>8}{'settled':>10}{'missing':>9}{'stale':>7}{'conflicting':>13}{'repeated':>17}{'ms/record':>11}"
    )
    plans = [replace(campaign, kills=0)] if undisturbed else []
    good = [_run(each) for each in [*plans, campaign]]
    return all(good)


def _run(campaign: Campaign) -> bool:
    with KafkaServer() as server:
        reported = run_campaign(campaign, server)
    print(_line(reported), flush=True)
    for kind, examples in reported.findings.examples.items():
        if kind != "repeated":
            print(f"  {kind}: {examples[0]}")
    found = reported.findings
    whole = (found.settled, found.pending) == (campaign.records, 0)
    return found.clean and whole and found.repeated < MOST_REPEATED * campaign.records


def _line(reported: CampaignResult) -> str:
    found = reported.findings
    share = found.repeated / max(1, found.settled)
    counts = f"{reported.killed:>8}{found.settled:>10,}{found.missing:>9}{found.stale:>7}{found.conflicting:>13}"
    return f"{counts}{found.repeated:>8} ({share:6.2%}){1_000 * reported.wall_s / max(1, found.settled):>10.2f}"


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--commit-first", action="store_true", help="workers commit before they settle: the run must fail"
    )
    reported = parser.parse_args()
    if reason := why_unavailable():
        sys.exit(reason)
    campaign = Campaign(
        reported.records,
        reported.partitions,
        reported.workers,
        reported.kills,
        commit_first=reported.commit_first,
        seed=reported.seed,
    )
    sys.exit(0 if report(campaign, undisturbed=not reported.commit_first) else 1)


if __name__ == "__main__":
    main()
