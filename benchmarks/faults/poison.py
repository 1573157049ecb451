"""`python -m benchmarks.faults.poison`: one poison record in a hundred, then nothing but poison until it ends.

On the embedded broker and Qdrant Edge, with a model that costs nothing and fails on marked texts. The breaker's minute
between two probes is waited for in full: the second part takes a minute for each batch of poison after the first.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from shared.engine.breaker import BreakerLimits
from shared.logs import configure
from shared.stream_settings import BatchSettings
from tests.support.poison import Stream, stream


def one_in_a_hundred(records: int) -> bool:
    """Send records of which one in a hundred is poison, and print their outcomes."""
    print(f"1 % of {records:,} records are poison")
    with _fresh() as folder, stream(Path(folder), BatchSettings()) as on:
        return _send_and_judge(on, [number % 100 == 50 for number in range(records)], 600.0)


def nothing_but_poison(poisonous: int, healthy: int) -> bool:
    """Send poison, then healthy records, and print their outcomes and the breaker's actions."""
    print(f"{poisonous:,} records of nothing but poison, then {healthy:,} healthy ones")
    batch = BatchSettings()
    most_s = 120.0 + BreakerLimits().probe_every_s * (2 + poisonous / batch.max_records * 2)
    with _fresh() as folder, stream(Path(folder), batch) as on:
        on.send([True] * poisonous)
        on.wait_outcomes(most_s)
        good = _send_and_judge(on, [False] * healthy, most_s)
        watch = on.watch
        pauses = len(watch.paused_at_s)
        held_s = sum(watch.resumed_at_s) - sum(watch.paused_at_s)
        closed = pauses > 0 and pauses == len(watch.resumed_at_s)
        print(
            f"  the breaker paused work {pauses} times, {held_s:.0f} s in all; batches per probe: {set(watch.probes())}"
        )
        print(f"  it {'closed by itself' if closed else 'DID NOT OPEN AND CLOSE'}")
    return good and closed


def _fresh() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="millrace-poison-")


def _send_and_judge(on: Stream, poisonous: Sequence[bool], timeout_s: float) -> bool:
    on.send(poisonous)
    on.wait_settled(timeout_s)
    judged = on.judge()
    findings = judged.findings
    print(f"  settled {findings.settled:,}; {findings.line()}")
    print(f"  healthy {len(on.healthy):,}: with a result {len(judged.results):,}")
    once = sum(times == 1 for times in judged.dead_letters.values())
    print(f"  poison {on.poisonous:,}: dead-lettered once {once:,}, more often {len(judged.dead_letters) - once}")
    print(f"  pauses of the breaker: {len(on.watch.paused_at_s)}", flush=True)
    return (
        findings.clean and len(judged.results) == len(on.healthy) and once == len(judged.dead_letters) == on.poisonous
    )


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000, help="number of records of the first part")
    parser.add_argument("--poisonous", type=int, default=1_000, help="number of poison records of the second part")
    parser.add_argument("--healthy", type=int, default=1_000, help="number of healthy records after the poison")
    reported = parser.parse_args()
    configure("critical", json_lines=False)
    good = [one_in_a_hundred(reported.records), nothing_but_poison(reported.poisonous, reported.healthy)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
