"""Tickets of Banking77 as a worker settles them: split into a slice for a head, a reference, and a stream of windows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.drift import Rows, Texts
from schemas.decisions import Decision
from schemas.outcomes import Outcome
from shared.drift.building.build import Origin, build
from shared.drift.reference import Reference, Seen, Subject
from shared.drift.reference_files import identified
from shared.drift.summing import BatchSummer
from shared.drift.traits import counted_by
from shared.facts import Facts, Measures, Traits
from shared.records import Message, Point, Record, Settled
from workers.tickets.stages import RESULT_TOPIC, TICKETS

HEAD, POLICY = "bea0c0de", "0" * 64
BUILT = datetime(2026, 1, 5, tzinfo=UTC)
TAUGHT_SHARE = 0.12
SURE = 0.6


class Split:
    """Three disjoint parts of the texts: for a head, for a reference, and for windows.

    Args:
        texts: The texts.
        seed: Makes the split.
        resamples: Resamples of the reference.

    Attributes:
        rng: Draws the windows.
        known: What the reference is built from.
        stream: What the windows are drawn from.
        stream_rows: The numbers of these among all texts.
    """

    def __init__(self, texts: Texts, seed: int, resamples: int) -> None:
        self.rng, self._resamples = np.random.default_rng(seed), resamples
        order = self.rng.permutation(len(texts))
        first = round(TAUGHT_SHARE * len(texts))
        half = (len(texts) + first) // 2
        self.stream_rows = order[half:]
        self._taught, self.known = texts.take(order[:first]), texts.take(order[first:half])
        self.stream = texts.take(self.stream_rows)

    def without(self, intent: str) -> None:
        """Take an intent out of what the head and the reference are made of."""
        self._taught = self._taught.take(self._taught.labels != intent)
        self.known = self.known.take(self.known.labels != intent)

    def with_share(self, intents: Sequence[str], share: float, kept: int) -> None:
        """Make the reference's share of some intents what it should be, and put their other texts into the stream.

        Args:
            intents: The intents; they become one, named as the first of them.
            share: The wanted share.
            kept: At least this number of their texts stays in the stream.
        """
        for each in (self._taught, self.known, self.stream):
            each.labels[np.isin(each.labels, intents)] = intents[0]
        own = _of(self.known, intents[0]).plus(_of(self.stream, intents[0]))
        usual = self.known.take(self.known.labels != intents[0])
        wanted = round(len(usual) * share / (1 - share))
        counted = min(wanted, len(own) - kept)
        usual = usual.take(
            np.arange(round(counted * (1 - share) / share)) if counted < wanted else np.arange(len(usual))
        )
        self.known = usual.plus(own.take(np.arange(counted)))
        rest = own.take(np.arange(counted, len(own)))
        self.stream = self.stream.take(self.stream.labels != intents[0]).plus(rest)

    def reference(self, subject: Subject) -> Reference:
        """Train the head, and build the reference."""
        self._head = LogisticRegression(C=60, max_iter=200).fit(self._taught.vectors, self._taught.labels)
        rows = []
        for number, (decision, text) in enumerate(zip(self.decisions(self.known), self.known.texts, strict=True)):
            traits = counted_by(decision, traits_of(self.known, number, None))
            at = BUILT + timedelta(minutes=number)
            rows.append(Seen(self.known.vectors[number], f"K-{number}", "bench", at, traits, str(text)))
        origin = Origin(BUILT, head=HEAD, policy=POLICY, empty=0, failed=0)
        return build(subject, rows, origin, resamples=self._resamples)

    def decisions(self, texts: Texts) -> list[Decision]:
        """Return what the head decides about texts."""
        shares = self._head.predict_proba(texts.vectors)
        return [
            Decision(
                action="auto" if sure >= SURE else "review",
                action_reason="confident" if sure >= SURE else "unsure",
                label=str(label),
                queue=str(label),
                priority="normal",
                confidence=float(sure),
                policy=POLICY,
                head=HEAD,
            )
            for label, sure in zip(self._head.classes_[shares.argmax(axis=1)], shares.max(axis=1), strict=True)
        ]

    def some(self, texts: Texts, items: int) -> Texts:
        """Return some of the texts, each at most once.

        Raises:
            ValueError: there are too few.
        """
        return texts.take(self.rng.choice(len(texts), items, replace=False))


class Key:
    """One key of the stream `tickets`, with what arrives for it.

    Args:
        name: Its tenant.
        split: Its texts.
        summer: Builds what a worker publishes.
    """

    def __init__(self, name: str, split: Split, summer: BatchSummer) -> None:
        self.name, self.split, self._summer = name, split, summer
        self._count = 0

    def batch(
        self, texts: Texts, at: datetime, ids: Sequence[str] = (), customers: Sequence[str] = ()
    ) -> list[Message]:
        """Return what a worker publishes about texts that it settles as one batch; each is of a customer of its own.

        Args:
            texts: The texts.
            at: When they are settled.
            ids: The ids of the tickets; new ones by default.
            customers: Their customers; new ones by default.
        """
        settled = []
        for number, decision in enumerate(self.split.decisions(texts)):
            item = ids[number] if ids else f"{self.name}:{self._count + number}"
            traits = traits_of(texts, number, customers[number] if customers else f"c-{item}")
            facts = Facts(self.name, item, at, -1, True, decision, None, Measures(traits=traits))
            point = Point(uuid4(), 1, {"text": texts.vectors[number]}, {})
            record = Record(TICKETS.name, 0, self._count + number, -1, f"{self.name}:{item}".encode(), b"{}")
            results = (Message(RESULT_TOPIC, record.key, b"{}"),)
            settled.append(Settled(record, Outcome.ROUTED, point.id, 1, point, results, facts=facts))
        self._count += len(texts)
        return self._summer.messages(settled, at)


def traits_of(texts: Texts, number: int, customer: str | None) -> Traits:
    """Return the traits of one of the texts, as a ticket from the web has them."""
    text = str(texts.texts[number])
    return Traits(str(texts.languages[number]) or None, "web", len(text), customer, text)


def copied(reference: Reference, subject: Subject) -> Reference:
    """Return the same reference for another subject."""
    return identified(replace(reference, subject=subject), reference.baselines)


def noisy(split: Split, texts: Texts, noise: float) -> Texts:
    """Return texts whose vectors have got noise of this length, relative to theirs."""
    drawn = split.rng.standard_normal(texts.vectors.shape) / np.sqrt(texts.vectors.shape[1])
    vectors = texts.vectors + noise * drawn
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Texts(texts.texts, texts.labels, texts.languages, vectors.astype(np.float32))


def _of(texts: Texts, intent: str) -> Texts:
    rows: Rows = np.flatnonzero(texts.labels == intent)
    return texts.take(rows)
