"""Twelve tickets of a new problem among 2,000 usual ones, of several customers or of one; and a known topic that grows."""

import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift import Texts
from benchmarks.faults.drift_tickets import HEAD, Key, Split, copied
from benchmarks.faults.drift_windows import Data
from millrace.learning.labelled_files import Reading
from shared.drift.reference import Reference
from tests.support.drift_live import Announced, Live
from tests.support.mondays import monday

START = monday(0, hours=12)
USUAL_CUSTOMERS = 1_500
GROWN, GROWN_CUSTOMERS, GROWN_WITHIN_S = 200, 150, 900.0
BATCH_S = 10.0
EACH_S = 30.0
"""From one ticket of a problem to the next."""

Added = tuple[NDArray[np.float64], list[str], str]


@dataclass(frozen=True)
class Rate:
    """How usual tickets arrive.

    Attributes:
        usual: Their number.
        within_s: The time within which they arrive.
        speed: How much faster than that they are sent.
    """

    usual: int
    within_s: float
    speed: float = 60.0


HOUR, QUARTER = Rate(2_000, 3_600), Rate(2_000, 900)


@dataclass(frozen=True)
class Traffic:
    """What arrives for a tenant.

    Attributes:
        tenant: The tenant.
        name: What arrives.
        split: The texts.
        texts: The tickets, in the order in which they arrive.
        seconds: When, shape (n,).
        ids: Their ids.
        customers: Their customers.
    """

    tenant: str
    name: str
    split: Split
    texts: Texts
    seconds: NDArray[np.float64]
    ids: Sequence[str]
    customers: Sequence[str]

    @property
    def is_due(self) -> bool:
        """Whether there should be a spike: it is new, and several customers have it."""
        return len({who for each, who in zip(self.ids, self.customers, strict=True) if _is_new(each)}) > 1

    def batches(self) -> dict[int, list[int]]:
        """Return the numbers of the tickets that are settled together, by the number of the batch."""
        found: dict[int, list[int]] = {}
        for number, second in enumerate(self.seconds.tolist()):
            found.setdefault(int(second // BATCH_S), []).append(number)
        return found


@dataclass(frozen=True)
class Raised:
    """What was said about a tenant.

    Attributes:
        traffic: What arrived.
        own: By the id of each spike about the tickets that were added, its messages.
        others: The number of spikes about usual tickets.
    """

    traffic: Traffic
    own: dict[str, list[Announced]]
    others: int

    @property
    def is_one(self) -> bool:
        """Whether there is one spike, with no other tickets, at most a minute after the ticket that brought it."""
        if len(self.own) != 1:
            return False
        [messages] = self.own.values()
        clean = all(_is_added(each) for each in messages[-1].spike.examples)
        return clean and messages[0].delay_s <= 60 and messages[0].spike.last_at <= self._last

    @property
    def line(self) -> str:
        """What was said, in words."""
        found = []
        for messages in self.own.values():
            first, last = messages[0].spike, messages[-1].spike
            brought = sum(START + timedelta(seconds=each) <= first.last_at for each in self._added)
            found.append(
                f'"{last.name}": opened by ticket {brought}, message after {messages[0].delay_s:.2f} s; at the end '
                f"{last.state}, {last.items} tickets of {last.customers} customers, {len(last.examples)} ids"
            )
        return f"{len(self.own)} spikes about them, {self.others} about others" + "".join(
            f"\n      {each}" for each in found
        )

    @property
    def _added(self) -> list[float]:
        traffic = self.traffic
        return [at for at, each in zip(traffic.seconds.tolist(), traffic.ids, strict=True) if _is_added(each)]

    @property
    def _last(self) -> datetime:
        return START + timedelta(seconds=max(self._added) + BATCH_S)


def problems(reading: Reading) -> dict[str, Texts]:
    """Return the texts of each new problem."""
    written = tomllib.loads(Path(__file__).with_name("new_problems.toml").read_text(encoding="utf-8"))
    return {name: Texts.read(reading, texts, [""] * len(texts)) for name, texts in written.items()}


class Spikes:
    """The tenants whose spikes are looked at; all have copies of one reference.

    Args:
        data: The texts.
        split: The texts of the usual tickets.
        reference: Their reference.
        new: The new problems.
        rates: The rates of usual tickets; the cases are repeated for each.
        grows: Whether there is a case of a known topic that grows.
    """

    def __init__(
        self,
        data: Data,
        split: Split,
        reference: Reference,
        new: dict[str, Texts],
        rates: Sequence[Rate],
        grows: bool = True,
    ) -> None:
        self._split = split
        self.traffic: list[Traffic] = []
        self._speed = min(each.speed for each in rates)
        for rate in rates:
            where = f"{rate.usual:,} usual tickets within {rate.within_s / 60:.0f} minutes"
            for number, (name, texts) in enumerate(new.items()):
                for customers in (8, 1):
                    tenant = f"problem-{number}-{customers}-{rate.within_s:.0f}"
                    words = f'"{name}", {len(texts)} tickets of {customers} customers, {where}'
                    self.traffic.append(self._problem((tenant, words), texts, customers, rate))
            if grows:
                self.traffic.append(self._known(f"known-{rate.within_s:.0f}", where, rate))
        self.references: list[Reference] = [copied(reference, data.subject(each.tenant)) for each in self.traffic]

    def _problem(self, names: tuple[str, str], texts: Texts, customers: int, rate: Rate) -> Traffic:
        at = rate.within_s / 3 + EACH_S * np.arange(len(texts), dtype=np.float64)
        who = [f"n{number % customers}" for number in range(len(texts))]
        return self._among(names, self._split.stream, texts, (at, who, "N"), rate)

    def _known(self, tenant: str, where: str, rate: Rate) -> Traffic:
        """Let a topic grow by 200 other tickets: the commonest intent, and its nearest ones until there are enough."""
        split, stream = self._split, self._split.stream
        labels, counts = np.unique(stream.labels, return_counts=True)
        means = np.stack([stream.vectors[stream.labels == each].mean(axis=0) for each in labels])
        nearest = np.argsort(-(means @ means[counts.argmax()]))
        needed = int(np.searchsorted(np.cumsum(counts[nearest]), GROWN)) + 1
        rows = np.flatnonzero(np.isin(stream.labels, labels[nearest[:needed]]))
        grown = split.rng.choice(rows, GROWN, replace=False)
        rest = stream.take(np.setdiff1d(np.arange(len(stream)), grown))
        at = rate.within_s - GROWN_WITHIN_S + split.rng.uniform(0, GROWN_WITHIN_S, GROWN)
        who = [f"k{number % GROWN_CUSTOMERS}" for number in range(GROWN)]
        name = f"{GROWN} tickets of a known topic ({', '.join(labels[nearest[:needed]])}), {where}"
        return self._among((tenant, name), rest, stream.take(grown), (at, who, "K"), rate)

    def _among(self, names: tuple[str, str], usual: Texts, added: Texts, given: Added, rate: Rate) -> Traffic:
        """Return usual tickets with others among them, whose times, customers and first character of the ids are given."""
        rng = self._split.rng
        texts = self._split.some(usual, rate.usual).plus(added)
        seconds = np.concatenate([rng.uniform(0, rate.within_s, rate.usual), given[0]])
        ids = [f"U{number}" for number in range(rate.usual)] + [f"{given[2]}{number}" for number in range(len(added))]
        customers = [f"u{each}" for each in rng.integers(0, USUAL_CUSTOMERS, rate.usual)] + given[1]
        order = np.argsort(seconds)
        return Traffic(
            *names,
            self._split,
            texts.take(order),
            seconds[order],
            [ids[each] for each in order],
            [customers[each] for each in order],
        )

    def send(self, found: Live) -> None:
        """Send what arrives, faster than in its own time, and one ticket an hour later that closes what is open."""
        keys = [Key(each.tenant, each.split, found.summer(HEAD)) for each in self.traffic]
        batches = [each.batches() for each in self.traffic]
        count = max(max(each) for each in batches) + 1
        began_s = time.monotonic()
        for number in range(count):
            found.pace(began_s, number * BATCH_S / self._speed)
            at = START + timedelta(seconds=(number + 1) * BATCH_S)
            for key, traffic, own in zip(keys, self.traffic, batches, strict=True):
                if rows := own.get(number):
                    given = ([each[row] for row in rows] for each in (traffic.ids, traffic.customers))
                    found.send(key.batch(traffic.texts.take(np.array(rows)), at, *given))
        for key, traffic in zip(keys, self.traffic, strict=True):
            found.send(key.batch(traffic.texts.take(np.arange(1)), START + timedelta(hours=3), ["last"], ["last"]))
        found.wait_closed([each.tenant for each in self.traffic], 1)

    def raised(self, found: Live) -> Iterator[Raised]:
        """Yield what was said about each tenant."""
        said = found.spikes()
        for traffic in self.traffic:
            messages: dict[str, list[Announced]] = {}
            for each in said.get(traffic.tenant, ()):
                messages.setdefault(each.spike.spike_id, []).append(each)
            own = {name: each for name, each in messages.items() if any(map(_is_added, each[-1].spike.examples))}
            yield Raised(traffic, own, len(messages) - len(own))


def _is_added(item: str) -> bool:
    """Return whether an item was added to the usual tickets; messages name it `tenant:id`."""
    return item.rpartition(":")[2][0] in "NK"


def _is_new(item_id: str) -> bool:
    return item_id[0] == "N"
