"""The drift application on Faust: reads sums of batches, keeps the windows in tables with changelogs, sends alerts.

Only this module imports faust. `docs/decisions/0035-drift-on-faust.md` says why its settings are what they are.
"""

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.drift import BatchSums, DriftAlert
from shared.broker.security import Address
from shared.clock import Clock
from shared.drift.board import Board
from shared.drift.reference import Subject
from shared.drift.watched import Place, Watched, newest, read_to
from shared.errors import Fatal, MillraceError, Unavailable
from shared.logs import get_logger

APPLICATION = "millrace-drift"
"""The consumer group, and the beginning of the names of the changelogs."""

UNSETTLED = 256
"""Batches of a stream whose sums have been sent to the changelog and not confirmed yet."""

COMMIT_EVERY_S = 1.0
QUIET_AFTER_S = 60.0
"""A partition from which nothing was read for this long is quiet: the clock may close its windows."""

REFUSALS = ("AuthorizationFailed", "SaslAuthentication", "UnsupportedSasl", "PartitionsMismatch", "InvalidReplication")
"""Parts of the names of the errors that waiting does not fix."""

log = get_logger("drift")


def changelog_topic(stream: str) -> str:
    """Return the name of the changelog of a stream's table of windows, as Faust makes it."""
    return f"{APPLICATION}-{stream}.windows-changelog"


@dataclass(frozen=True, slots=True)
class Lane:
    """One topic with sums, and its table.

    Attributes:
        stream: The stream.
        topic: The topic.
        topic_id: The id that the brokers gave it; None if they give none.
        partitions: The number of its partitions, and of those of the changelog.
    """

    stream: str
    topic: str
    topic_id: str | None
    partitions: int


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the application is connected to.

    Attributes:
        address: The brokers.
        session_timeout_s: After this time without a heartbeat, its partitions move to another instance.
        lanes: What it reads.
        alerts_topic: Where it sends alerts.
        recent_alerts: Returns the ids of the last alerts; called on another thread.
        clock: Gives the time.
    """

    address: Address
    session_timeout_s: float
    lanes: tuple[Lane, ...]
    alerts_topic: str
    recent_alerts: Callable[[], frozenset[str]]
    clock: Clock


@dataclass(slots=True)
class _Table:
    """A table of windows: what is in hand of its stream."""

    lane: Lane
    table: Any
    unsettled: asyncio.Queue[tuple[Any, Awaitable[Any] | None]]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    restored: dict[bytes, bytes] = field(default_factory=dict)
    read_s: dict[int, float] = field(default_factory=dict)


class DriftApplication:
    """One life of the Faust application: after an outage the service makes another one.

    Args:
        wiring: What it is connected to.
        board: The windows; forgotten now, because they are restored from the changelogs.

    Raises:
        Fatal: Faust is not installed.
    """

    def __init__(self, wiring: Wiring, board: Board) -> None:
        self._wiring, self._board, self._clock = wiring, board, wiring.clock
        board.forget()
        self._app = _application(wiring)
        self._tables = [self._table(lane) for lane in wiring.lanes]
        self._alerts = self._app.topic(wiring.alerts_topic, **_raw())
        self._failure: MillraceError | None = None
        self._ends: Mapping[tuple[str, int], int] = {}

    async def run(self, is_stopping: Callable[[], bool], turn: Callable[[], None]) -> None:
        """Work until asked to stop; then finish what is in hand, commit and leave the group.

        Args:
            is_stopping: Whether to stop.
            turn: Called about twice a second.

        Raises:
            Unavailable: the brokers are down, or Faust has given up.
            Fatal: waiting does not fix what failed.
        """
        tasks = [asyncio.create_task(self._app.start()), *(asyncio.create_task(self._settle(each)) for each in self._tables)]
        try:
            while not is_stopping():
                turn()
                await self._close_quiet()
                await asyncio.wait(tasks, timeout=0.5, return_when=asyncio.FIRST_EXCEPTION)
                self._check(tasks)
        finally:
            await self._stop(tasks)

    @property
    def is_ready(self) -> bool:
        """Whether the tables are restored and batches are read."""
        app = self._app
        return bool(app.started and app.tables.actives_ready and not app.rebalancing and not app.in_recovery)

    def ends(self, ends: Mapping[tuple[str, int], int]) -> None:
        """Take note of the ends of the partitions, by topic and number."""
        self._ends = ends

    def owned(self) -> set[tuple[str, int]]:
        """Return the partitions of sums that this instance reads, by topic and number."""
        topics = {each.lane.topic for each in self._tables}
        return {(tp.topic, tp.partition) for tp in self._app.assignor.assigned_actives() if tp.topic in topics}

    def _table(self, lane: Lane) -> _Table:
        held = _Table(lane, None, asyncio.Queue(UNSETTLED))

        async def remember(event: Any) -> None:
            self._remember(held, event)

        async def restore() -> None:
            self._restore(held)

        async def read(stream: Any) -> None:
            stream.enable_acks = False  # a batch is acknowledged when its sums are in the changelog
            async for event in stream.events():
                await self._take(held, event)

        held.table = self._app.Table(
            f"{lane.stream}.windows",
            partitions=lane.partitions,
            key_type=bytes,
            value_type=bytes,
            on_changelog_event=remember,
            on_recover=restore,
        )
        self._app.agent(self._app.topic(lane.topic, **_raw()), name=f"read {lane.topic}")(read)
        return held

    async def _take(self, held: _Table, event: Any) -> None:
        """Add a batch to its window. Whatever fails here ends this life of the application, with the batch unacknowledged."""
        lane, message = held.lane, event.message
        held.read_s[message.partition] = self._clock.monotonic_s()
        try:
            async with held.lock:
                try:
                    sums = BatchSums.model_validate_json(event.value or b"")
                    if sums.stream != lane.stream:
                        raise ValueError("of another stream")
                    watched, alert = self._board.take(sums, Place(lane.topic_id, message.partition), message.offset)
                except (ValidationError, ValueError) as error:
                    self._board.tallies.unreadable[lane.topic] += 1
                    place = {"topic": lane.topic, "partition": message.partition, "offset": message.offset}
                    log.warning("skipped an unreadable message", **place, error=type(error).__name__)
                    watched, alert = None, None
                if alert is not None:
                    await self._send(alert)
                sent = None if watched is None else self._write(held, watched)
            await held.unsettled.put((event, sent))
        except Exception as error:  # noqa: BLE001  (raised by `run`)
            self._fail(error)
            await asyncio.Event().wait()  # Faust would acknowledge or restart; `run` stops it

    def _write(self, held: _Table, watched: Watched) -> Awaitable[Any]:
        key, value = str(watched.subject).encode(), watched.to_bytes()
        sent: Awaitable[Any] = held.table.send_changelog(watched.place.partition, key, value, "raw", "raw")
        return sent

    async def _settle(self, held: _Table) -> None:
        """Acknowledge batches in their order, each when its sums are in the changelog."""
        while True:
            event, sent = await held.unsettled.get()
            if sent is not None:
                await sent
            event.ack()

    async def _send(self, alert: DriftAlert) -> None:
        """Send an alert, unless it was sent before a crash; it is confirmed before its window is written as closed."""
        if alert.alert_id in await asyncio.to_thread(self._wiring.recent_alerts):
            return
        sent = await self._alerts.send(key=alert.alert_id.encode(), value=alert.model_dump_json().encode())
        await sent

    async def _close_quiet(self) -> None:
        if not self.is_ready:
            return
        for held in self._tables:
            async with held.lock:
                quiet = {partition for partition in held.read_s if self._is_quiet(held, partition)}
                theirs = self._board.close_quiet(
                    self._clock.now(), lambda each: each.subject.stream == held.lane.stream and each.place.partition in quiet
                )
                for watched, alert in theirs:
                    if alert is not None:
                        await self._send(alert)
                    await self._write(held, watched)

    def _is_quiet(self, held: _Table, partition: int) -> bool:
        """Return whether nothing was read from a partition for a while, and nothing waits there."""
        if self._clock.monotonic_s() - held.read_s[partition] < QUIET_AFTER_S:
            return False
        where = (held.lane.topic, partition)
        offsets = {tp.partition: read for tp, read in self._app.consumer._read_offset.items() if tp.topic == where[0]}
        read = offsets.get(partition)
        return where in self._ends and self._ends[where] <= (read or 0) + 1

    def _remember(self, held: _Table, event: Any) -> None:
        """Keep the newest state of a subject while a changelog is read. Faust only logs what is raised here."""
        try:
            key, value = event.key, event.value
            if value is not None:
                known = held.restored.get(key)
                if known is None or _reads_further(value, known, held.lane.topic_id):
                    held.restored[key] = value
        except ValueError as error:
            topic = changelog_topic(held.lane.stream)
            self._fail(Fatal(f"{topic} holds a value that cannot be read: {error}; delete the topic to begin new windows"))

    def _restore(self, held: _Table) -> None:
        lane = held.lane
        owned = {partition for topic, partition in self.owned() if topic == lane.topic}
        try:
            states = [Watched.from_bytes(each) for each in held.restored.values()]
        except ValueError as error:
            self._fail(Fatal(f"{changelog_topic(lane.stream)} holds a value that cannot be read: {error}"))
            return
        held.restored = {}
        self._board.restore(
            states, lambda each: each.subject.stream != lane.stream or each.place.partition in owned, lane.topic_id
        )
        now_s = self._clock.monotonic_s()
        held.read_s = dict.fromkeys(owned, now_s)
        log.info("restored", stream=lane.stream, partitions=sorted(owned), subjects=len(states))

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = failure_of(error)

    def _check(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                self._fail(error)
        if self._app.crashed:
            self._fail(self._app.crash_reason or RuntimeError("crashed"))
        if self._failure is not None:
            raise self._failure

    async def _stop(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        start, *settling = tasks
        if self._failure is not None:
            for task in settling:
                task.cancel()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._app.stop(), 10)
        for task in (start, *settling):
            task.cancel()
        await asyncio.gather(start, *settling, return_exceptions=True)


def failure_of(error: BaseException) -> MillraceError:
    """Return the error that the service acts on: `Fatal` if waiting does not fix it, otherwise `Unavailable`."""
    if isinstance(error, MillraceError):
        return error
    name = type(error).__name__
    if any(part in name for part in REFUSALS):
        return Fatal(f"the brokers refuse this user, or the topics do not fit: {name}; see docs/security.md, docs/drift.md")
    return Unavailable("broker", name)


def _reads_further(value: bytes, known: bytes, topic_id: str | None) -> bool:
    (place, offset), (known_place, known_offset) = read_to(value), read_to(known)
    return (place.topic_id == topic_id, offset) >= (known_place.topic_id == topic_id, known_offset)


def _raw() -> dict[str, Any]:
    return {
        "key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw", "allow_empty": True,
    }  # fmt: skip


def _application(wiring: Wiring) -> Any:
    try:
        import faust
    except ImportError as error:
        raise Fatal("faust-streaming is not installed: pip install 'millrace[drift]'") from error

    return faust.App(
        APPLICATION,
        broker=[f"kafka://{each.strip()}" for each in str(wiring.address).split(",")],
        broker_credentials=_credentials(faust, wiring.address),
        datadir=Path(tempfile.gettempdir()) / APPLICATION,
        store="memory://",
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=wiring.session_timeout_s,
        broker_heartbeat_interval=wiring.session_timeout_s / 6,
        broker_commit_interval=COMMIT_EVERY_S,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
    )


def _credentials(faust: Any, address: Address) -> Any:
    """Return the credentials that the settings of the brokers say; None without any."""
    if isinstance(address, str) or address.settings.security_protocol == "plaintext":
        return None
    settings, context = address.settings, None
    if settings.security_protocol.endswith("ssl"):
        context = ssl.create_default_context(cafile=settings.ca_file and str(settings.ca_file))
        if settings.cert_file is not None:
            key_password = settings.key_password
            password = None if key_password is None else key_password.get_secret_value()
            context.load_cert_chain(settings.cert_file, settings.key_file, password)
    if settings.security_protocol == "ssl":
        return faust.SSLCredentials(context)
    secret = None if settings.password is None else settings.password.get_secret_value()
    return faust.SASLCredentials(
        username=settings.username, password=secret, mechanism=settings.sasl_mechanism, ssl_context=context
    )
