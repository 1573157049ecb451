"""What Millrace needs at a given load, computed from measured costs; docs/scale.md explains the model.

Without options it prints the tables of that page. Sizes count all copies. Money is printed for the prices that you give,
per 1,000 tickets, minutes of calls or pictures.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, fields

from benchmarks.scale.costs import COSTS
from benchmarks.scale.model import PROFILES, Assumptions, Needs, gpus, needs
from benchmarks.scale.tables import LOADS, needs_table, number, section

HELP = {
    "peak": "the highest rate as a multiple of the day's mean; look at your own busiest hour",
    "utilisation": "the share of their time that workers may be busy at the peak; the rest works off backlogs",
    "kept_days": "how long points are kept; Millrace removes none by itself",
    "kafka_copies": "replicas of each partition",
    "qdrant_copies": "replicas of each shard",
    "node_gib": "memory of a Qdrant node that vectors may fill",
    "tokens": "tokens of a ticket's text, at most 256 with the default model; a word of English is about 1.3",
    "resolution_tokens": "tokens of a resolution; 0 if tickets have none",
    "call_minutes": "minutes of a call",
    "readers": "consumer groups that read the results",
}
PRICES = {
    "core_hour": "price of a core for an hour",
    "memory_gib_hour": "price of a GiB of memory for an hour",
    "disk_gb_month": "price of a GB of disk for a month",
    "written_gb": "price of a GB that is sent to a broker, such as between zones",
    "gpu_hour": "price of a GPU for an hour; needs --gpu-units-per-s",
}
RESOURCES = {
    "core_hour": "core_hours",
    "memory_gib_hour": "memory_gib_hours",
    "disk_gb_month": "disk_gb_months",
    "written_gb": "written_gb",
}
"""The resource that each price is for."""


def main() -> None:
    """Parse the arguments, compute and print."""
    parser = _parser()
    given = parser.parse_args()
    rate = given.gpu_units_per_s
    if (rate is not None or given.gpu_hour is not None) and (given.stream is None or rate is None):
        parser.error("a GPU needs --stream and --gpu-units-per-s: its rate is different for each stream")
    assumed = Assumptions(**{each.name: getattr(given, each.name) for each in fields(Assumptions)})
    streams = list(PROFILES) if given.stream is None else [given.stream]
    loads = given.per_day or LOADS
    found = {stream: [needs(stream, per_day, assumed) for per_day in loads] for stream in streams}
    money = {stream: dict(prices_of(column[0], given, assumed)) for stream, column in found.items()}
    if given.json:
        print(json.dumps(_document(found, money, rate, assumed), indent=2))
        return
    if given.stream is None and given.per_day is None:
        print("\n".join(section(assumed)).strip())
    else:
        for column in found.values():
            print("\n".join(needs_table(column)))
    for stream, parts in money.items():
        for name, price in parts.items():
            print(f"{stream}, money per 1,000, {name}: {number(price)}")
    if rate is not None:
        for each in found[given.stream]:
            print(f"GPUs for {each.per_day:,.0f} {each.unit}s a day: {gpus(each.stream, each.per_day, rate, assumed)}")


def prices_of(found: Needs, given: argparse.Namespace, assumed: Assumptions) -> Iterator[tuple[str, float]]:
    """Yield the money for 1,000 units: each resource that has a price, and the sum of these."""
    spent = asdict(found.per_1000)
    if given.gpu_hour is not None:
        # A GPU computes what the workers' cores would; the cores beside it are what is left of them.
        spent["core_hours"] = found.workers.cores_beside_gpus / found.peak_per_s * 1000 / 3600
        spent["gpu_hours"] = 1000 / given.gpu_units_per_s / assumed.utilisation / 3600
    wanted = RESOURCES | ({"gpu_hour": "gpu_hours"} if given.gpu_hour is not None else {})
    prices = {name: getattr(given, price) for price, name in wanted.items() if getattr(given, price) is not None}
    yield from ((name, spent[name] * price) for name, price in prices.items())
    if prices:
        yield "all of these", sum(spent[name] * price for name, price in prices.items())


def _document(
    found: dict[str, list[Needs]], money: dict[str, dict[str, float]], rate: float | None, assumed: Assumptions
) -> dict[str, object]:
    every = [
        asdict(each) | ({} if rate is None else {"gpus": gpus(stream, each.per_day, rate, assumed)})
        for stream, column in found.items()
        for each in column
    ]
    return {
        "assumptions": asdict(assumed),
        "costs": [asdict(each) for each in COSTS],
        "needs": every,
        "money_per_1000": money,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--stream", choices=list(PROFILES), help="only this stream; all by default")
    parser.add_argument(
        "--per-day", type=_positive, action="append", metavar="N",
        help="tickets, minutes of calls or pictures a day; may be repeated; 1, 10 and 100 million by default",
    )  # fmt: skip
    for each in fields(Assumptions):
        kind = _whole if isinstance(each.default, int) else _positive
        kind = SPECIAL.get(each.name, kind)
        option = f"--{each.name.replace('_', '-')}"
        parser.add_argument(option, type=kind, default=each.default, help=f"{HELP[each.name]} (%(default)s)")
    parser.add_argument(
        "--gpu-units-per-s", type=_positive, metavar="N",
        help="units of the stream that one GPU settles a second, with all its workers; not measured by us, so measure it",
    )  # fmt: skip
    for name, text in PRICES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=_not_negative, metavar="PRICE", help=text)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    return parser


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 on")
    return value


def _positive(text: str) -> float:
    value = _not_negative(text)
    if not value:
        raise argparse.ArgumentTypeError("it must be more than 0")
    return value


def _share(text: str) -> float:
    value = _positive(text)
    if value > 1:
        raise argparse.ArgumentTypeError("it must be at most 1")
    return value


def _from_one(text: str) -> float:
    value = _positive(text)
    if value < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return value


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return value


SPECIAL = {"resolution_tokens": _not_negative, "utilisation": _share, "peak": _from_one}
"""The options whose values are restricted otherwise than to more than 0."""

if __name__ == "__main__":
    main()
