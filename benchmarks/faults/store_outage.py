"""`python -m benchmarks.faults.store_outage`: how soon a worker pauses when its store fails, and then resumes.

On the stand-in for Qdrant's server and the embedded broker, with a model that costs nothing. The times are those of the
worker's own back-off and time-outs; a real server takes longer to start, and loads its collections first.
"""

import argparse
import threading
from collections.abc import Callable

from schemas.outcomes import Outcome
from shared.clock import SystemClock
from shared.logs import configure
from shared.settings import StoreSettings
from shared.stream_settings import BatchSettings
from tests.support.qdrant.trial import Trial, trial

EVERY_S = 0.5

Step = Callable[[Trial], None]
FAULTS: dict[str, tuple[Step, Step]] = {
    "killed (SIGKILL)": (lambda on: on.server.kill(), lambda on: on.server.start()),
    "cut off": (lambda on: on.proxy.set_mode("cut"), lambda on: on.proxy.set_mode("open")),
    "silent": (lambda on: on.proxy.set_mode("silent"), lambda on: on.proxy.set_mode("open")),
    "10 s late": (lambda on: on.server.set_faults(delay_s=10), lambda on: on.server.set_faults()),
    "full": (lambda on: on.server.set_faults(full=True), lambda on: on.server.set_faults()),
    "every 2nd upsert fails half-way": (
        lambda on: on.server.set_faults(fail_upsert=2, written="half"),
        lambda on: on.server.set_faults(),
    ),
}


def report(outage_s: float, records_per_s: int, timeout_s: int) -> None:
    """Measure each fault and print a line."""
    print(f"outages of {outage_s:.0f} s under {records_per_s} records/s, time-out of a call {timeout_s} s")
    print(f"{'the store is':<34}{'paused':>9}{'resumed':>9}{'settled':>9}{'dead':>6}{'missing':>9}{'twice':>7}")
    for name, (begin, end) in FAULTS.items():
        print(f"{name:<34}{_measure(begin, end, outage_s, records_per_s, timeout_s)}", flush=True)


def _measure(begin: Step, end: Step, outage_s: float, records_per_s: int, timeout_s: int) -> str:
    clock, stop = SystemClock(), threading.Event()
    with trial(StoreSettings(timeout_s=timeout_s), BatchSettings()) as on:
        load = threading.Thread(target=_load, args=(on, records_per_s, clock, stop))
        load.start()
        on.watch.wait_settled(2 * records_per_s)
        begin(on)
        began_s = clock.monotonic_s()
        clock.wait(threading.Event(), outage_s)
        repaired_s = clock.monotonic_s()
        end(on)
        back_s = clock.monotonic_s()
        clock.wait(threading.Event(), 2.0)
        stop.set()
        load.join()
        findings = on.finish()
        paused_s = min((at_s for at_s in on.watch.paused_at_s if at_s > began_s), default=float("nan")) - began_s
        resumed_s = max(on.watch.resumed_at_s, default=float("nan")) - (
            back_s if back_s - repaired_s > 0.1 else repaired_s
        )
        dead = on.watch.outcomes.count(Outcome.DEAD_LETTERED)
        twice = len(on.embedded_twice())
    whole = f"{findings.settled:>9}{dead:>6}{findings.missing + findings.stale:>9}{twice:>7}"
    return f"{paused_s:>7.1f} s{max(0.0, resumed_s):>7.1f} s{whole}{'' if findings.clean else '  NOT CLEAN'}"


def _load(on: Trial, records_per_s: int, clock: SystemClock, stop: threading.Event) -> None:
    began_s = clock.monotonic_s()
    while not clock.wait(stop, EVERY_S):
        due = int((clock.monotonic_s() - began_s) * records_per_s)
        on.send(max(0, due - on.sent))


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outage-s", type=float, default=30.0)
    parser.add_argument("--records-per-s", type=int, default=100)
    parser.add_argument("--timeout-s", type=int, default=StoreSettings().timeout_s)
    reported = parser.parse_args()
    configure("error", json_lines=False)
    report(reported.outage_s, reported.records_per_s, reported.timeout_s)


if __name__ == "__main__":
    main()
