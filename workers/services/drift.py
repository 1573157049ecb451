"""The drift application on Faust: reads sums of batches, keeps the windows in tables with changelogs, sends alerts.

Only this module imports faust. `docs/decisions/0035-drift-on-faust.md` says why its settings are what they are.
"""

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from shared.broker.security import Address
from shared.drift.frames import Place, reads_further
from shared.drift.keeper import Taken
from shared.drift.reading import Unreadable
from shared.drift.reference import Subject
from shared.errors import Fatal, MillraceError, Unavailable
from shared.logs import get_logger
from shared.records import Record, TopicPartition
from workers.services.drift_lanes import APPLICATION, Lane, Wiring, failure_of, forward_logs

MOST_UNSETTLED = 1_000
"""Messages of a topic whose states have not been written yet."""

WRITE_EVERY_S = 0.25
STOP_WITHIN_S = 10.0
COMMIT_EVERY_S = 1.0
LOG_APPEND_TIME = 1
"""The type of a timestamp that the brokers have given, not the producer."""

STALLED_AFTER_S = 30.0
"""Faust is started again if it has read nothing for this long although messages wait."""

QUIET_AFTER_S = 60.0
"""A partition from which nothing was read for this long is quiet: the clock may close its windows."""

log = get_logger("drift")


@dataclass(slots=True)
class _Held:
    """A lane in use.

    Attributes:
        table: Faust's table; only its changelog is used.
        lock: Held while states change or are written.
        changed: Subjects whose states are not written yet.
        unsettled: Messages that are in these states.
        restored: Values of the changelog while it is read.
        read_s: When something was read last, by partition.
        next_offsets: Where reading goes on, by partition.
    """

    lane: Lane
    table: Any = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: dict[Subject, None] = field(default_factory=dict)
    unsettled: list[Any] = field(default_factory=list)
    restored: dict[bytes, bytes] = field(default_factory=dict)
    read_s: dict[int, float] = field(default_factory=dict)
    next_offsets: dict[int, int] = field(default_factory=dict)


class DriftApplication:
    """One life of the Faust application: after an outage the service makes another one.

    Args:
        wiring: What it is connected to. The states are forgotten now, because they are restored from the changelogs.

    Raises:
        Fatal: Faust is not installed.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._wiring, self._clock = wiring, wiring.clock
        self._app = _application(wiring)
        self._held = [self._hold(lane) for lane in wiring.lanes]
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
        start, writing = asyncio.create_task(self._app.start()), asyncio.create_task(self._write_again())
        try:
            while not is_stopping():
                turn()
                if self.is_ready:
                    await self._look_for_stalls()
                await asyncio.wait({start, writing}, timeout=0.5, return_when=asyncio.FIRST_EXCEPTION)
                self._check((start, writing))
        finally:
            await self._stop((start, writing))

    @property
    def is_ready(self) -> bool:
        """Whether the tables are restored and messages are read."""
        app = self._app
        return bool(app.started and app.tables.actives_ready and not app.rebalancing and not app.in_recovery)

    def see_ends(self, ends: Mapping[tuple[str, int], int]) -> None:
        """Take note of the ends of the partitions, by topic and number."""
        self._ends = ends

    def owned(self) -> set[tuple[str, int]]:
        """Return the partitions that this instance reads, without those of changelogs, by topic and number."""
        topics = {each.lane.keeper.topic for each in self._held}
        return {(tp.topic, tp.partition) for tp in self._app.assignor.assigned_actives() if tp.topic in topics}

    def _hold(self, lane: Lane) -> _Held:
        held = _Held(lane)
        lane.keeper.forget()

        async def remember(event: Any) -> None:
            self._remember(held, event)

        async def restore() -> None:
            try:
                await self._restore(held)
            except Exception as error:  # noqa: BLE001  (raised by `run`; Faust would ignore it)
                self._fail(error)

        async def read(stream: Any) -> None:
            stream.enable_acks = False  # a message is acknowledged when the states that contain it are in the changelog
            async for event in stream.events():
                await self._take(held, event)

        held.table = self._app.Table(
            lane.keeper.table,
            partitions=lane.partitions,
            key_type=bytes,
            value_type=bytes,
            on_changelog_event=remember,
            on_recover=restore,
        )
        self._app.agent(self._app.topic(lane.keeper.topic, **_raw()), name=f"read {lane.keeper.topic}")(read)
        return held

    async def _take(self, held: _Held, event: Any) -> None:
        """Take a message. Whatever fails here ends this life of the application, with the message unacknowledged."""
        message = event.message
        place = TopicPartition(message.topic, message.partition)
        held.read_s[place.partition] = self._clock.monotonic_s()
        while len(held.unsettled) >= MOST_UNSETTLED:
            await asyncio.sleep(WRITE_EVERY_S / 10)
        try:
            async with held.lock:
                expected = held.next_offsets.get(place.partition, message.offset)
                if message.offset > expected:  # after a rebalance, Faust may drop messages that it has fetched
                    missed = await asyncio.to_thread(self._wiring.between, place, expected, message.offset)
                    log.info("read between", topic=place.topic, partition=place.partition, messages=len(missed))
                    for each in missed:
                        await self._absorb(held, place, (each.offset, each.value, self._arrival(message, each)))
                await self._absorb(held, place, (message.offset, event.value, self._arrival(message)))
                held.unsettled.append(event)
        except Exception as error:  # noqa: BLE001  (raised by `run`)
            self._fail(error)
            await asyncio.Event().wait()  # an agent that ends is started again, and reads on; `run` stops it

    def _arrival(self, message: Any, record: Record | None = None) -> datetime:
        """Return when a message arrived at the brokers: the time they gave it, or now if that is the worker's."""
        if message.timestamp_type != LOG_APPEND_TIME or message.timestamp is None:
            return self._clock.now()
        return datetime.fromtimestamp(message.timestamp if record is None else record.timestamp_ms / 1000, UTC)

    async def _absorb(self, held: _Held, place: TopicPartition, arrived: tuple[int, bytes | None, datetime]) -> None:
        """Add a message to the states; one that was added before changes nothing."""
        offset, value, at = arrived
        try:
            taken = held.lane.keeper.take(value or b"", Place(held.lane.topic_id, place.partition), offset, at)
        except Unreadable as error:
            taken = Taken()
            self._wiring.unreadable[place.topic] += 1
            where = {"topic": place.topic, "partition": place.partition, "offset": offset}
            log.warning("skipped an unreadable message", **where, error=str(error))
        held.next_offsets[place.partition] = max(held.next_offsets.get(place.partition, 0), offset + 1)
        await self._note(held, taken)

    async def _note(self, held: _Held, taken: Taken) -> None:
        """Send what is to be sent, and note what has to be written after that."""
        for each in taken.outgoing:
            if not each.once or each.key not in await asyncio.to_thread(self._wiring.recent_keys, each.topic):
                sent = await self._app.topic(each.topic, **_raw()).send(key=each.key, value=each.value)
                await sent
        held.changed.update(dict.fromkeys(taken.changed))

    async def _write_again(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            for held in self._held:
                await self._write(held)

    async def _write(self, held: _Held) -> None:
        """Write the changed states; acknowledge the messages that are in them when the changelog has them."""
        keeper = held.lane.keeper
        async with held.lock:
            if self.is_ready:
                await self._note(held, keeper.tick(self._clock.now(), partial(self._is_quiet, held)))
            events, changed = held.unsettled, held.changed
            held.unsettled, held.changed = [], {}
            values = [(subject, state) for subject in changed if (state := keeper.written(subject)) is not None]
            sent = [
                held.table.send_changelog(partition, str(subject).encode(), value, "raw", "raw")
                for subject, (partition, value) in values
            ]
        for each in sent:
            await each
        for event in events:
            event.ack()

    def _is_quiet(self, held: _Held, partition: int) -> bool:
        """Return whether nothing was read from a partition for a while, and nothing waits there."""
        end, read_s = self._ends.get((held.lane.keeper.topic, partition)), held.read_s.get(partition)
        quiet = read_s is not None and self._clock.monotonic_s() - read_s >= QUIET_AFTER_S
        return quiet and end is not None and end <= held.next_offsets.get(partition, 0)

    async def _look_for_stalls(self) -> None:
        """Fail if messages wait that Faust does not read; what waits may also be a gap at the end, without messages."""
        now_s = self._clock.monotonic_s()
        for held in self._held:
            topic = held.lane.keeper.topic
            for partition, read_s in list(held.read_s.items()):
                first, end = held.next_offsets.get(partition, 0), self._ends.get((topic, partition), 0)
                if end <= first or now_s - read_s <= STALLED_AFTER_S or held.lock.locked():
                    continue
                end = min(end, first + MOST_UNSETTLED)
                if await asyncio.to_thread(self._wiring.between, TopicPartition(topic, partition), first, end):
                    self._fail(Unavailable("broker", f"messages of {topic}, partition {partition}, are not read"))
                    return
                held.next_offsets[partition] = max(held.next_offsets.get(partition, 0), end)

    def _remember(self, held: _Held, event: Any) -> None:
        """Keep the newest value of a subject while a changelog is read. Faust only logs what is raised here."""
        key, value = event.key, event.value
        try:
            if value is None:
                held.restored.pop(key, None)
            elif value and reads_further(value, held.restored.get(key), held.lane.topic_id):
                held.restored[key] = value
        except ValueError as error:
            self._refuse(held, error)

    async def _restore(self, held: _Held) -> None:
        """Take over what was read of the changelog, and note where reading goes on."""
        lane, values, now_s = held.lane, held.restored, self._clock.monotonic_s()
        topic = lane.keeper.topic
        owned = {partition for name, partition in self.owned() if name == topic}
        held.restored = {}
        try:
            lane.keeper.restore(values.values(), owned, lane.topic_id)
        except ValueError as error:
            self._refuse(held, error)
        starts = await asyncio.to_thread(self._wiring.starts, topic)
        held.next_offsets = {partition: starts[partition] for partition in owned if partition in starts}
        held.read_s = dict.fromkeys(owned, now_s)
        log.info("restored", table=lane.keeper.table, partitions=sorted(owned), subjects=len(values))

    def _refuse(self, held: _Held, error: ValueError) -> None:
        what = f"{held.lane.changelog} holds a value that cannot be read: {error}"
        self._fail(Fatal(f"{what}; to begin with empty windows, stop all instances, delete this topic, and start them"))

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
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._app.stop(), STOP_WITHIN_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _raw() -> dict[str, Any]:
    return {
        "key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw", "allow_empty": True,
    }  # fmt: skip


def _application(wiring: Wiring) -> Any:
    try:
        import faust
    except ImportError as error:
        raise Fatal("faust-streaming is not installed: pip install 'millrace[drift]'") from error
    forward_logs()
    return faust.App(
        APPLICATION,
        broker=[f"kafka://{each.strip()}" for each in str(wiring.address).split(",")],
        broker_credentials=_credentials(faust, wiring.address),
        datadir=Path(tempfile.gettempdir()) / APPLICATION,
        store="memory://",
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=wiring.session_timeout_s,
        broker_request_timeout=max(90.0, wiring.session_timeout_s),
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
