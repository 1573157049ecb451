"""The requests to one collection of Qdrant's server, split to fit its strict mode, rate limits and request size.

The meaning of points and answers is the business of `shared.vectorstore.qdrant.store`.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from qdrant_client import QdrantClient, models

from shared.errors import Fatal, MillraceError, Unavailable
from shared.records import Point
from shared.vectorstore.port import CollectionSpec
from shared.vectorstore.qdrant.client_errors import Forbidden, Throttled, TooLarge, translated
from shared.vectorstore.qdrant.limits import (
    READ_POINTS,
    AnswerT,
    KeptAnswers,
    Limits,
    batches,
    check_filter,
    cut_to_limits,
    halves,
    request_digest,
)
from shared.vectorstore.qdrant.query import BYTES_PER_CALL, size_of, to_point
from shared.vectorstore.qdrant.setup import check_done, check_limits

LOOKUP_POINTS = 250
"""Points read in one call with their vectors or their whole payload; they take some megabytes."""

QUERIES_PER_CALL = 100_000
"""In practice no limit: a batch has three queries per ticket."""


@dataclass(frozen=True, slots=True)
class Link:
    """The connection to a server: its client, its address for messages, and the threads that write."""

    client: QdrantClient
    where: str
    pool: ThreadPoolExecutor


class Requests:
    """Sends requests to one collection.

    Args:
        link: The connection to the server.
        name: The physical name of the collection.
        limits: The limits of a request; they are read again if the server rejects one.
        spec: The spec with which a worker opened the collection; None for readers.

    Attributes:
        limits: The limits in force.
        most_bytes: The largest size of one write; halved if the server accepts less.
        kept: The answers to reads of the current batch, kept if reads have a rate limit.
    """

    def __init__(self, link: Link, name: str, limits: Limits, spec: CollectionSpec | None) -> None:
        self._link, self._name, self._spec = link, name, spec
        self.limits, self.most_bytes, self.kept = limits, BYTES_PER_CALL, KeptAnswers()
        self._most_queries = QUERIES_PER_CALL

    def write(self, points: list[Point], how: Callable[[list[Point]], dict[str, Any]]) -> None:
        """Write points in one call, or in several if one is too large; `how` returns the other arguments of a call.

        Raises:
            Fatal: a single point is too large.
            Unavailable: the server cannot write, or has not yet applied the write.
        """
        try:
            with translated(self._link.where):
                sent = [to_point(point) for point in points]
                done = self._link.client.upsert(self._name, sent, wait=True, **how(points))
        except TooLarge as refusal:
            if len(points) == 1:
                raise Fatal(
                    f"point {points[0].id} takes up to {size_of(points[0])} bytes and was refused: {refusal}; "
                    "raise the size limit of the server or proxy"
                ) from None
            self.most_bytes = max(1, min(self.most_bytes, sum(map(size_of, points)) // 2))
            for half in halves(points):
                self.write(half, how)
            return
        check_done(done, self._link.where)

    def ask(self, queries: Sequence[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        """Return the hits of each query; if a query was split, a hit that two parts found is returned once."""
        return self.fitting(lambda: self._answered(queries))

    def retrieve(
        self, purpose: str, ids: Sequence[str], payload: bool | list[str], vectors: bool | list[str] = False
    ) -> list[models.Record]:
        """Read points by their ids; `purpose` distinguishes reads of the same ids before and after a write."""

        def read(part: Sequence[str]) -> list[models.Record]:
            with translated(self._link.where):
                return self._link.client.retrieve(self._name, part, with_payload=payload, with_vectors=vectors)

        def read_all() -> list[models.Record]:
            size = min(self.limits.read_ids, LOOKUP_POINTS if vectors else READ_POINTS)
            found: list[models.Record] = []
            for start in range(0, len(ids), size):
                part = tuple(ids[start : start + size])
                key = (purpose, str(payload), *part)
                found += self._resumed(key, lambda part=part: read(part))  # type: ignore[misc]  # binds this `part`
            return found

        return self.fitting(read_all)

    def count(self, condition: models.Filter) -> int:
        """Return the exact number of matching points, by reading their ids if strict mode forbids exact counts."""

        def counted() -> int:
            if not self.limits.exact:
                return sum(1 for _ in self.pages(condition, []))
            with translated(self._link.where):
                return self._link.client.count(self._name, condition, exact=True).count

        return self.fitting(counted)

    def pages(self, condition: models.Filter | None, payload: list[str]) -> Iterator[models.Record]:
        """Yield every point that matches the condition."""
        offset: Any = None

        def page() -> tuple[list[models.Record], Any]:
            with translated(self._link.where):
                return self._link.client.scroll(
                    self._name,
                    condition,
                    limit=min(self.limits.page_points, LOOKUP_POINTS),
                    offset=offset,
                    with_payload=payload or False,
                    with_vectors=False,
                )

        while True:
            records, offset = self.fitting(page)
            yield from records
            if offset is None:
                return

    def fitting(self, work: Callable[[], AnswerT]) -> AnswerT:
        """Do the work; if the server rejects it and its limits have changed, do it again within the new limits."""
        try:
            return work()
        except (Forbidden, TooLarge):
            raise
        except (Fatal, Throttled):
            if not self.read_limits():
                raise
            return work()

    def read_limits(self) -> bool:
        """Read the limits again, because an operator may have changed them; return whether they have changed.

        Raises:
            Fatal: the new limits are too low for any request of a worker.
        """
        try:
            with translated(self._link.where):
                info = self._link.client.get_collection(self._name)
        except MillraceError:
            return False  # the error of the work itself says more
        if self._spec is not None:
            check_limits(info, self._spec, self._link.where)
        before, self.limits = self.limits, Limits.of(info)
        return before != self.limits

    def _answered(self, queries: Sequence[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        for query in queries:
            check_filter(query, self.limits)
        parts = [cut_to_limits(query, self.limits) for query in queries]
        groups = batches([part for each in parts for part in each], self.limits, self._most_queries)
        answers = iter([answer for group in groups for answer in self._queried(group)])
        return [_merged([next(answers) for _ in each]) for each in parts]

    def _queried(self, group: list[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        try:
            return self._resumed(lambda: ("query", request_digest(group)), lambda: self._query(group))
        except TooLarge:
            if len(group) == 1:
                raise
            self._most_queries = max(1, len(group) // 2)
            return [answer for half in halves(group) for answer in self._queried(half)]

    def _query(self, group: list[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        with translated(self._link.where):
            answers = self._link.client.query_batch_points(self._name, group)
        if len(answers) != len(group):
            raise Unavailable("store", f"{self._link.where} answered only {len(answers)} of {len(group)} queries")
        return [answer.points for answer in answers]

    def _resumed(self, key: Hashable | Callable[[], Hashable], ask: Callable[[], AnswerT]) -> AnswerT:
        """Ask; if reads have a rate limit, return the answer of an earlier try with this batch if there was one."""
        if self._spec is None or self.limits.read_cost is None:
            return ask()
        return self.kept.ask(key() if callable(key) else key, ask)


def _merged(answers: list[list[models.ScoredPoint]]) -> list[models.ScoredPoint]:
    if len(answers) == 1:
        return answers[0]
    return list({hit.id: hit for answer in answers for hit in answer}.values())
