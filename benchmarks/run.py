"""`python -m benchmarks.run`: rates, memory, the cost of each stage, and tickets end to end, printed.

`--quick` takes fewer texts and rounds and leaves out the longest parts; it is for a first look or for CI. These run by
themselves, as `python -m benchmarks.NAME`; the docstring of each states its arguments and what it needs:

- quality: `decisions`, `training`, `similar`, `near_duplicates`, `product_classes`, `zero_shot`,
  `pictures_by_words`, `ticket_screenshots`, `no_speech`
- one model of pictures, on your own pictures: `image_model`
- whole workers, for minutes or hours: `long_calls`, `two_channels`, `media_outage`
- what a load needs, computed from these figures: `scale`; the sizes of records that it takes: `scale.sizes`
- vectors of many files as arrays, for minutes: `bulk`
- what the real drift application finds and what not, on a real Kafka: `faults.drift_alarms`
- what watching costs a worker: `watching` (metrics), `tracing`, `drift_cost`
- how long a worker takes to start, and what it holds: `start`
- models on a GPU: `gpu`
- failures, on a real Kafka: `faults.brokers`, `faults.dlq_memory`, `faults.drift_killed`, `faults.frozen`,
  `faults.kills`, `faults.poison`, `faults.store_outage`
- `peers`, a worker of tickets beside what people write with other libraries, is the last part; it takes arguments too
- the samples of the demo are made by `drawn_samples`, `drawn_screenshots` and `spoken_samples`
"""

import argparse
import os

from benchmarks import (
    audio,
    cache,
    decoding,
    drift,
    encoders,
    end_to_end,
    federated,
    image_backends,
    images,
    importing,
    languages,
    masking,
    masking_rates,
    models,
    quoted_history,
    retrieval,
    screenshots,
    stages,
    throughput,
)
from benchmarks.peers import comparison
from shared.logs import configure


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer texts and rounds: figures with more spread")
    quick = parser.parse_args().quick
    configure("error", json_lines=False)
    masking.report(texts_wanted=1_024 if quick else 8_192, rounds=3 if quick else 9)
    masking_rates.report()
    languages.report(rounds=3 if quick else 9)
    if not quick:
        quoted_history.report()
    importing.report(count=5_000 if quick else 50_000)
    retrieval.report(tickets=1_024 if quick else 8_192, rounds=3 if quick else 9)
    federated.report(tickets=1_024 if quick else 8_192, rounds=1 if quick else 5)
    cache.report(texts_wanted=1_024 if quick else 4_096, rounds=3 if quick else 9)
    decoding.report(quick)
    image_backends.report(compared=100 if quick else 300, timed=32 if quick else 96, rounds=2 if quick else 7)
    images.report(wanted=200 if quick else 600, rounds=2 if quick else 5)
    if not quick:
        images.memory(20_000)
        audio.report_all(quick)
    screenshots.report(quick)
    if not quick:  # tests/faults/test_drift_banking77.py is the short form
        drift.report(quick)
    stages.report(tickets=1_024 if quick else 8_192)
    encoders.report(
        ["speed"] if quick or "MILLRACE_DATA" not in os.environ else encoders.PARTS,
        texts_wanted=128 if quick else 512,
        rounds=2 if quick else 5,
    )
    models.report(models.PACKAGED, None, texts_wanted=256 if quick else 2_048, rounds=2 if quick else 5)
    throughput.report(texts_wanted=512 if quick else 2_048, rounds=2 if quick else 5)
    if not quick:
        end_to_end.report()
        comparison.run_all()


if __name__ == "__main__":
    main()
