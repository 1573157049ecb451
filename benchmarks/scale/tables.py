"""The tables of docs/scale.md and of the command, in Markdown."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.scale.costs import COSTS, POINTS, RECORDS, SIZES_COMMAND
from benchmarks.scale.model import PROFILES, Assumptions, Needs, checks, needs

LOADS = (1e6, 10e6, 100e6)
"""Units a day."""

ROWS: Sequence[tuple[str, Callable[[Needs], float]]] = (
    ("a second: mean", lambda each: each.mean_per_s),
    ("a second: peak", lambda each: each.peak_per_s),
    ("workers of two cores, without a GPU", lambda each: each.workers.workers),
    ("their memory, GiB", lambda each: each.workers.memory_gib),
    ("cores beside GPUs, at least", lambda each: each.workers.cores_beside_gpus),
    ("partitions of each topic", lambda each: each.kafka.partitions),
    ("brokers for these partitions, at least", lambda each: each.kafka.brokers),
    ("Kafka writes, all copies, MB/s", lambda each: each.kafka.written_mb_s),
    ("Kafka is read by clients, MB/s", lambda each: each.kafka.read_mb_s),
    ("Kafka's disk, all copies, GB", lambda each: each.kafka.disk_raw_gb),
    ("the same, compressed as the samples", lambda each: each.kafka.disk_zstd_gb),
    ("points", lambda each: each.store.points),
    ("Qdrant's memory, all copies, GiB", lambda each: each.store.memory_gib),
    ("Qdrant's disk, all copies, GB", lambda each: each.store.disk_gb),
    ("shards", lambda each: each.store.shards),
    ("writes of points a second", lambda each: each.store.writes_per_s),
    ("servers of two cores for these, each as fast as a small one", lambda each: each.store.writing_servers),
    ("searches a second", lambda each: each.store.searches_per_s),
    ("Redis (optional), GiB", lambda each: each.redis_gib),
)
PER_1000: Sequence[tuple[str, Callable[[Needs], float]]] = (
    ("core hours of workers", lambda each: each.per_1000.core_hours),
    ("GiB hours of memory: workers, Qdrant, Redis", lambda each: each.per_1000.memory_gib_hours),
    ("GB months of disk: Kafka, Qdrant", lambda each: each.per_1000.disk_gb_months),
    ("GB that Kafka writes, all copies", lambda each: each.per_1000.written_gb),
)


def section(assumed: Assumptions | None = None) -> Iterator[str]:
    """Yield the lines of all tables: measured costs, sizes, needs of each stream, resources for 1,000 units."""
    assumed = assumed or Assumptions()
    yield from ("", "## Measured costs", "", *costs_table())
    yield from ("", f"Sizes of the demo's samples (`{SIZES_COMMAND}`), in bytes:", "", *records_table())
    yield from ("", *points_table())
    yield from ("", "## Compared with whole workers", "", *checks_table())
    yield from ("", "## Rates", "", *rates_table(assumed))
    for stream in PROFILES:
        found = [needs(stream, per_day, assumed) for per_day in LOADS]
        yield from ("", f"## {stream.capitalize()}", "", *needs_table(found))
    yield from ("", "## Resources for 1,000", "", *per_1000_table(assumed))


def costs_table() -> Iterator[str]:
    """Yield the table of measured costs."""
    yield from _table(
        ("what", "value", "unit", "command"),
        [(each.what, number(each.value), each.unit, _command(each.command)) for each in COSTS],
    )


def records_table() -> Iterator[str]:
    """Yield the table of the sizes of records."""
    rows = [(f"`{name}`", number(each.raw_bytes), number(each.disk_bytes)) for name, each in RECORDS.items()]
    yield from _table(("a record of", "raw", "on a broker's disk"), rows)


def points_table() -> Iterator[str]:
    """Yield the table of what points consist of."""
    rows = [
        (name, number(each.payload_bytes), f"{each.numbers:,}", number(each.terms)) for name, each in POINTS.items()
    ]
    yield from _table(("a point of", "payload as JSON", "numbers of its vectors", "terms"), rows)


def checks_table() -> Iterator[str]:
    """Yield what the model expects of whole workers beside what was measured."""
    rows = [(each.what, number(each.expected), number(each.measured), _command(each.command)) for each in checks()]
    yield from _table(("tickets a second of one worker on two cores", "expected", "measured", "command"), rows)


def rates_table(assumed: Assumptions) -> Iterator[str]:
    """Yield what one core and one GPU settle a second."""
    found = [needs(stream, LOADS[0], assumed) for stream in PROFILES]
    titles = ("a second", *(f"{each.unit}s" for each in found))
    cores = ("one core, always busy", *(number(each.workers.units_per_core_s) for each in found))
    yield from _table(titles, [cores, ("one GPU", *("not measured" for _ in found))])


def needs_table(found: Sequence[Needs]) -> Iterator[str]:
    """Yield the table of one stream, a column for each load."""
    titles = ("", *(f"{each.per_day / 1e6:,.6g} million {each.unit}s a day" for each in found))
    yield from _table(titles, [(name, *(number(value(each)) for each in found)) for name, value in ROWS])


def per_1000_table(assumed: Assumptions) -> Iterator[str]:
    """Yield the resources for 1,000 units of each stream; they do not depend on the load."""
    found = [needs(stream, LOADS[-1], assumed) for stream in PROFILES]
    titles = ("for 1,000", *(f"{each.unit}s" for each in found))
    yield from _table(titles, [(name, *(number(value(each)) for each in found)) for name, value in PER_1000])


def number(value: float) -> str:
    """Return a number as text: whole ones as they are, others with three digits."""
    if isinstance(value, int):
        return f"{value:,}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def _command(command: str) -> str:
    return f"`{command}`" if command.startswith("python") else command


def _table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield f"|{' --- |' * len(titles)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
