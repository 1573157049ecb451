"""`python -m benchmarks.faults.drift_alarms`: false alarms, changes and spikes by the real drift application on Kafka.

Needs `MILLRACE_DATA`. The questions of Banking77 are split into a slice for a head, and two halves: one makes a reference,
the other one what arrives. What arrives is embedded, decided, summed as a worker does it, and published; the hours are
simulated by the times in the messages. `millrace run drift` judges it. `--quick` takes fewer splits and runs.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import numpy as np

from benchmarks.drift import CUT_CHARS, Texts, french_texts, rows_of
from benchmarks.faults.drift_problems import HOUR, QUARTER, Spikes, problems
from benchmarks.faults.drift_tickets import Split
from benchmarks.faults.drift_windows import CUT_EVERY, Answer, Changes, Data, alarms, send_changes, send_null
from millrace.learning.labelled_files import Reading
from shared.drift.building.build import RESAMPLES
from shared.logs import configure
from shared.stream_settings import StreamSettings
from tests.support.drift_live import live
from tests.support.kafka.server import KafkaServer, why_unavailable

WINDOWS = 200
FEWEST_ALARMS, MOST_ALARMS = 4, 17
RATE_OF_FIVE_PERCENT = 1.8
"""False alarms a month at which the level of one subject is 5 %: two windows in a row, 720 windows a month."""

ONE_A_MONTH = 1.0
SPIKES_SEED = 200


def read_data(folder: Path, reading: Reading, most: int | None = None) -> Data:
    """Read and embed the texts; at most some of the questions, evenly spread over the files."""
    texts, labels = rows_of(folder / "text", "banking77")
    chosen = np.linspace(0, len(texts) - 1, min(most or len(texts), len(texts))).astype(int)
    texts, labels = [texts[row] for row in chosen], [labels[row] for row in chosen]
    french = french_texts()
    return Data(
        Texts.read(reading, texts, labels),
        Texts.read(reading, [text[:CUT_CHARS] for text in texts[::CUT_EVERY]], labels[::CUT_EVERY]),
        Texts.read(reading, french, [""] * len(french)),
        reading.fingerprint,
    )


def report_alarms(data: Data, count: int) -> bool:
    """Print the false alarms of some splits; return whether their number is as expected in each."""
    splits = {f"split-{seed}": Split(data.texts, seed, RESAMPLES) for seed in range(count)}
    references = [split.reference(data.subject(tenant)) for tenant, split in splits.items()]
    with KafkaServer() as server, live(server.bootstrap, references, RATE_OF_FIVE_PERCENT * count) as found:
        send_null(found, splits, WINDOWS)
        said = [alarms(found, tenant) for tenant in splits]
    singles, pairs, alerts = ([each[number] for each in said] for number in range(3))
    print(f"1. of {WINDOWS} usual windows of 500 at a level of 5 %, drift was found in, by split: {singles}")
    print(f"   mean {mean(singles):.1f}, expected 10, wanted {FEWEST_ALARMS} to {MOST_ALARMS} in each split")
    print(
        f"   two in a row, of {WINDOWS - 1} pairs: {pairs}, mean {mean(pairs):.2f}, expected {0.05**2 * (WINDOWS - 1):.2f}"
    )
    print(f"   alerts, for which the effect must reach the gate too: {alerts}")
    return all(FEWEST_ALARMS <= each <= MOST_ALARMS for each in singles)


def report_changes(answers: Sequence[Answer]) -> bool:
    """Print what was found of each change; return whether each run was found with the right cause first."""
    print("2. alerts within two windows of 500 after a change, at one false alarm a month")
    for name in dict.fromkeys(each.change.name for each in answers):
        own = [each for each in answers if each.change.name == name]
        alerted, named = sum(each.alert is not None for each in own), sum(each.is_named for each in own)
        print(f"   {name}: alert in {alerted} of {len(own)}, the right cause first in {named}")
        for each in own:
            print(f"      {_words(each)}")
    return all(each.is_named for each in answers)


def _words(answer: Answer) -> str:
    windows = ", ".join(f"p {each.p_value:.4f} effect {each.effect:.3f}" for each in answer.windows)
    if answer.alert is None:
        return f"no alert: {windows}"
    causes = "; ".join(f"{each.kind} {each.name}" for each in answer.alert.causes[:3])
    return f"{causes} ({windows})"


def report(quick: bool) -> bool:
    """Print the figures; return whether all are as wanted."""
    reading = Reading(StreamSettings())
    data, new = read_data(Path(os.environ["MILLRACE_DATA"]), reading), problems(reading)
    few = report_alarms(data, count=1 if quick else 5)
    changes = Changes(data, 1 if quick else 4, RESAMPLES)
    split = Split(data.texts, SPIKES_SEED, RESAMPLES)
    rates = (HOUR,) if quick else (HOUR, QUARTER)
    spikes = Spikes(data, split, split.reference(data.subject("")), new, rates)
    references = [*changes.references, *spikes.references]
    rate = ONE_A_MONTH * len(references)  # the level is that of one subject
    with KafkaServer() as server, live(server.bootstrap, references, rate) as found:
        named = report_changes(send_changes(found, changes.changes))
        spikes.send(found)
        raised = list(spikes.raised(found))
    print("3. spikes")
    for each in raised:
        print(f"   {each.traffic.name}\n      {each.line}")
    return few and named and all(each.is_one if each.traffic.is_due else not each.own for each in raised)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer splits and runs")
    given = parser.parse_args()
    if reason := why_unavailable():
        sys.exit(reason)
    if "MILLRACE_DATA" not in os.environ:
        sys.exit("MILLRACE_DATA is not set")
    configure("error", json_lines=False)
    sys.exit(0 if report(given.quick) else 1)


if __name__ == "__main__":
    main()
