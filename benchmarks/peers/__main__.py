"""`python -m benchmarks.peers`: a Millrace worker of tickets beside what people write with other libraries.

All contenders work on the same stream of a real Kafka, with the same encoder (all-MiniLM-L6-v2 on the CPU), the same
trained head and Qdrant Edge, each in a process of its own, in turn. The peers are a naive loop of confluent-kafka and
sentence-transformers, taking one record or 256 at a time; FastStream's batch subscriber; an agent of Faust with
`take()`; and a loop with fastembed. They do what is common to all: encode, route, store, send the result, commit.
Millrace also masks personal data, finds similar tickets and publishes its outcomes; the row without similar tickets
shows what they cost. Its cache is switched off.

In each round a contender starts, works off a backlog (tickets/s, CPU seconds), gets tickets at a steady rate (age: from
the append of the ticket to that of its result), and stops. The bare encoders follow in the same round.

It needs Kafka's jars (`make kafka`), and takes Banking77's questions if `MILLRACE_DATA` names them. The defaults take
about half an hour on two quiet cores.
"""

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.peers.comparison import KEPT, Plan, report
from benchmarks.peers.contenders import ALL, chosen, own_model
from shared.logs import configure
from tests.support.kafka.server import why_unavailable


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(each.name for each in ALL)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--records", type=int, default=640,
        help="tickets of the naive loop's backlog; the others get 2 to 8 times as many; 640 take it about 15 s",
    )  # fmt: skip
    parser.add_argument("--age-s", type=float, default=30.0, help="seconds of tickets at a steady rate")
    parser.add_argument("--age-rate", type=float, default=20.0, help="of these, tickets per second")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", choices=[each.name for each in ALL],
        help=f"only these contenders, of {names}; ratios are to the first of them and to the best peer",
    )  # fmt: skip
    parser.add_argument("--no-bare", dest="bare", action="store_false", help="leave out the bare encoders")
    parser.add_argument("--model", help="a further row: Millrace with this model of --models-file, such as an int8 one")
    parser.add_argument("--models-file", type=Path, help="your own models.toml, for --model")
    parser.add_argument("--json", type=Path, default=KEPT, help=f"where the figures are kept; {KEPT} by default")
    parser.add_argument("--picture", type=Path, help="where a picture is written, such as peers.svg")
    given = parser.parse_args()
    own = [own_model(given.model, given.models_file)] if given.model and given.models_file else []
    contenders = [*chosen(ALL, given.only), *own]
    if (given.model is None) != (given.models_file is None):
        parser.error("--model and --models-file belong together")
    if reason := why_unavailable():
        sys.exit(reason)
    configure("critical", json_lines=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the contender and Kafka are stopped too
    plan = Plan(contenders, given.rounds, given.records, given.age_s, given.age_rate, given.bare)
    report(plan, given.json, given.picture)


if __name__ == "__main__":
    main()
