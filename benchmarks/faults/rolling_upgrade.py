"""`python -m benchmarks.faults.rolling_upgrade`: a release with a new field is rolled out and back, ten times, under load.

On a real Kafka and the stand-in for Qdrant's server, each worker in a process of its own, with a model that costs
nothing. The next release is this code with the edits of docs/schema-evolution.md (`tests/support/next_release.py`). For
each change a line says how long it took, how many records the workers of each release settled while both were in the
group, and the longest time without a result. With `--producers-first` each upgrade begins with the producers, so that old
workers wait. If the release does not raise the version either (`--without-version`), old workers dead-letter what they do
not know, and the run must fail.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shared.logs import configure
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.next_release import next_release
from tests.support.rolling_upgrade import Change, Group, group_under_load

HEADER = f"{'change':<14}{'took':>8}{'by old':>9}{'by new':>9}{'no result':>12}{'of a partition':>17}"


@dataclass(frozen=True)
class Run:
    """The size of a run, and what it does wrong."""

    changes: int
    workers: int
    partitions: int
    records_per_s: int
    producers_first: bool
    without_version: bool


def report(run: Run) -> bool:
    """Run, print a line for each change, and return whether the audit is clean and nothing is dead-lettered."""
    print(f"{run.records_per_s} records/s, {run.partitions} partitions, {run.workers} workers, {run.changes} changes")
    with (
        KafkaServer() as server,
        tempfile.TemporaryDirectory(prefix="millrace-release-") as folder,
        group_under_load(
            server,
            next_release(Path(folder), raises_the_version=not run.without_version),
            run.partitions,
            run.workers,
            run.records_per_s,
        ) as group,
    ):
        print(HEADER)
        for number in range(run.changes):
            change = group.roll_back() if number % 2 else group.upgrade(run.producers_first)
            print(_line(number + 1, change, group), flush=True)
        group.finish()
        return _judge(group)


def _line(number: int, change: Change, group: Group) -> str:
    of_all_s, of_one_s = group.longest_gaps_s(change)
    counts = f"{change.ended_s - change.began_s:>6.1f} s{change.by_old:>9,}{change.by_new:>9,}"
    return f"{number:>2} {change.name:<11}{counts}{of_all_s:>10.1f} s{of_one_s:>15.1f} s"


def _judge(group: Group) -> bool:
    found, dead_letters = group.audit(), group.dead_letters()
    names = ("settled", "missing", "stale", "conflicting", "repeated", "pending")
    print(f"sent {group.load.sent.total():,}: " + ", ".join(f"{found[name]:,} {name}" for name in names))
    print(f"of these, schema version 2: {group.load.sent[2]:,}; dead-lettered: {dict(dead_letters) or 0}")
    whole = found["settled"] == group.load.sent.total() and found["pending"] == found["repeated"] == 0
    return bool(found["clean"]) and whole and not dead_letters


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=10)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--records-per-s", type=int, default=60)
    parser.add_argument("--producers-first", action="store_true", help="upgrade in the wrong order: old workers wait")
    parser.add_argument("--without-version", action="store_true", help="the release does not raise the version")
    given = parser.parse_args()
    if reason := why_unavailable():
        sys.exit(reason)
    configure("critical", json_lines=False)
    sys.exit(0 if report(Run(**vars(given))) else 1)


if __name__ == "__main__":
    main()
