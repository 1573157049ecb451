"""Spikes among Banking77's questions with the packaged model: 12 tickets of one new problem among 2,000 usual ones.

Some of the questions are the reference, as `millrace drift reference build` makes it but without its resampling; others
are the traffic of an hour. docs/spikes.md has the rates over many draws; a green run shows one draw of each kind. It
does not prove that a new problem that is worded like a known one is found: it is not.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from millrace.learning.labelled_files import Reading, read_labelled
from schemas.drift import BatchSums, Outlier, Spike, packed, packed_half
from shared.drift.building.clusters import spherical_centroids
from shared.drift.reference import Reference, Subject
from shared.drift.spikes import SpikeRules, SpikeWatch
from shared.drift.terms import characteristic_terms
from shared.stream_settings import StreamSettings

pytestmark = pytest.mark.timeout(600)

START = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
SUBJECT = Subject("tickets", "text", "0a0b0c0d", "all")
WHITE_SCREEN = (
    "The app shows a white screen after the update 5.2",
    "After updating to 5.2 I only see a white screen",
    "white screen since the update, can't open the app",
    "App is stuck on a blank white page after today's update",
    "Since version 5.2 the app opens to a white screen and nothing else",
    "I updated the app and now the screen stays white",
    "Your new update broke the app, just a white screen",
    "My phone app is only white after I installed version 5.2",
    "blank white screen when I launch the app after update",
    "The app won't load, all white since the latest update",
    "Why does the app show nothing but a white screen now?",
    "I reinstalled the app 5.2 and the screen is still white",
)
KNOWN = "card_arrival"
BATCH_S, USUAL = 10, 2_000


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts with their vectors, shape (n, dim), and the reference that some of them make."""

    reference: Reference
    usual: list[str]
    usual_vectors: NDArray[np.float32]
    known: NDArray[np.int64]
    new_vectors: NDArray[np.float32]


@pytest.fixture(scope="module")
def texts(data_dir: Path) -> Texts:
    """Return the reference of the training questions, and the test questions as traffic."""
    reading = Reading(StreamSettings())
    train = read_labelled(data_dir / "text" / "banking77" / "train.csv", "text", "category")
    test = read_labelled(data_dir / "text" / "banking77" / "test.csv", "text", "category")
    rng = np.random.default_rng(3)
    chosen = rng.permutation(len(train.texts))[:4_500]
    vectors = reading.embed(reading.prepare([train.texts[number] for number in chosen]))
    centroids = spherical_centroids(vectors[:2_500], rng)
    below = float(np.quantile((vectors[2_500:] @ centroids.T).max(axis=1), 0.01))
    reference = Reference(
        SUBJECT, "5eedf00d", START, START, START, centroids, (), np.zeros(len(centroids), np.float32), below, None, None
    )
    order = rng.permutation(len(test.texts))
    usual = [test.texts[number] for number in order]
    known = np.flatnonzero([test.labels[number] == KNOWN for number in order])
    return Texts(
        reference, usual, reading.embed(reading.prepare(usual)), known, reading.embed(reading.prepare(WHITE_SCREEN))
    )


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket of the traffic."""

    second: float
    customer: str
    item_id: str
    text: str
    vector: NDArray[np.float32]


def usual_tickets(texts: Texts) -> list[Ticket]:
    """Return an hour of usual tickets, of 1,500 customers."""
    rng = np.random.default_rng(8)
    seconds, customers = rng.uniform(0, 3_600, USUAL), rng.integers(0, 1_500, USUAL)
    return [
        Ticket(float(second), f"u{customer}", f"U:{number}", text, vector)
        for number, (second, customer, text, vector) in enumerate(
            zip(seconds, customers, texts.usual[:USUAL], texts.usual_vectors[:USUAL], strict=True)
        )
    ]


def published(texts: Texts, tickets: Sequence[Ticket]) -> list[Spike]:
    """Return what a watch publishes for these tickets, as a worker settles them in batches of ten seconds."""
    watch, said = SpikeWatch(SUBJECT, SpikeRules(900, 3), texts.reference), list[Spike]()
    batches: dict[int, list[Ticket]] = {}
    for ticket in sorted(tickets, key=lambda each: each.second):
        batches.setdefault(int(ticket.second // BATCH_S), []).append(ticket)
    for number, batch in batches.items():
        at = START + timedelta(seconds=(number + 1) * BATCH_S)
        nearest = texts.reference.nearest(np.stack([each.vector for each in batch]))
        watch.add_traffic(sums(at, len(batch), Counter(map(str, nearest.centroids))))
        for place in np.flatnonzero(nearest.is_outlier):
            said += watch.add(outlier(at, batch[place], int(nearest.centroids[place]), float(nearest.cosines[place])))
    return [*said, *watch.tick(START + timedelta(hours=2))]


def sums(at: datetime, items: int, centroids: Counter[str]) -> BatchSums:
    """Return the sums of a batch, as far as the watch for spikes reads them."""
    subject = SUBJECT._asdict()
    return BatchSums(
        **subject,
        traffic="live",
        reference="5eedf00d",
        settled_at=at,
        items=items,
        vector_sum=packed(np.zeros(1)),
        squared_norms=items,
        cosines=0.0,
        centroids=dict(centroids),
    )


def outlier(at: datetime, ticket: Ticket, centroid: int, cosine: float) -> Outlier:
    """Return the message about a ticket that is an outlier."""
    return Outlier(
        **SUBJECT._asdict(),
        reference="5eedf00d",
        tenant_id="acme",
        item_id=ticket.item_id,
        event_version=1,
        customer=ticket.customer,
        occurred_at=at,
        settled_at=at,
        vector=packed_half(ticket.vector),
        centroid=centroid,
        cosine=cosine,
        terms=characteristic_terms(ticket.text, 8),
    )


def white_screens(texts: Texts, customers: int) -> list[Ticket]:
    """Return the 12 tickets of the new problem, from half past nine on, within six minutes."""
    return [
        Ticket(1_800 + 30 * number, f"n{number % customers}", f"N:{number}", text, vector)
        for number, (text, vector) in enumerate(zip(WHITE_SCREEN, texts.new_vectors, strict=True))
    ]


def test_a_new_problem_of_eight_customers_is_one_spike_within_minutes(texts: Texts) -> None:
    said = published(texts, [*usual_tickets(texts), *white_screens(texts, 8)])
    new = [spike for spike in said if any(example.startswith("acme:N:") for example in spike.examples)]
    assert len({spike.spike_id for spike in new}) == 1
    assert all(example.startswith("acme:N:") for example in new[-1].examples)
    assert (new[0].state, new[-1].state) == ("open", "closed")
    assert new[0].last_at - (START + timedelta(seconds=1_800)) < timedelta(minutes=5)
    assert new[-1].customers >= 4
    assert {"white", "update"} & set(new[-1].name.split(", "))


def test_the_same_tickets_of_one_customer_are_no_spike(texts: Texts) -> None:
    said = published(texts, [*usual_tickets(texts), *white_screens(texts, 1)])
    assert not any(example.startswith("acme:N:") for spike in said for example in spike.examples)


def test_a_known_intent_that_grows_is_no_spike(texts: Texts) -> None:
    rng = np.random.default_rng(5)
    drawn = rng.choice(texts.known, 200)
    grown = [
        Ticket(float(second), f"k{number % 150}", f"K:{number}", texts.usual[place], texts.usual_vectors[place])
        for number, (second, place) in enumerate(zip(rng.uniform(1_800, 2_700, 200), drawn, strict=True))
    ]
    assert published(texts, [*usual_tickets(texts), *grown]) == published(texts, usual_tickets(texts))
