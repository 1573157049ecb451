"""`python -m benchmarks.run`: every benchmark, printed. `--quick` takes fewer texts and rounds.

The quick run is for a first look or for CI.
"""

import argparse

from benchmarks import (
    audio,
    cache,
    decoding,
    end_to_end,
    images,
    importing,
    languages,
    masking,
    masking_rates,
    models,
    quoted_history,
    retrieval,
    stages,
    throughput,
)
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
    cache.report(texts_wanted=1_024 if quick else 4_096, rounds=3 if quick else 9)
    decoding.report(quick)
    images.report(wanted=200 if quick else 600, rounds=2 if quick else 5)
    if not quick:
        images.memory(20_000)
        audio.report_all(quick)
    stages.report(tickets=1_024 if quick else 8_192)
    models.report(models.PACKAGED, None, texts_wanted=256 if quick else 2_048, rounds=2 if quick else 5)
    throughput.report(texts_wanted=512 if quick else 2_048, rounds=2 if quick else 5)
    if not quick:
        end_to_end.report()


if __name__ == "__main__":
    main()
