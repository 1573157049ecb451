"""The drift service: starts the Faust application, starts another one after an outage, and exports what it finds."""

import asyncio
from collections.abc import Callable

from shared.broker.port import Reader
from shared.clock import Clock
from shared.engine.loop import FailurePolicies
from shared.errors import Fatal, Unavailable
from shared.logs import get_logger
from shared.operation.lifecycle import Lifecycle
from workers.services.drift import DriftApplication
from workers.services.drift_lanes import Wiring

SERVICE = "drift"
LOOK_EVERY_S = 10.0
STALLED_AFTER_S = 120.0
"""After this time without being ready, although the brokers answer, Faust is started again."""

log = get_logger(SERVICE)


class DriftWatch:
    """Runs the drift application until it is asked to stop.

    Args:
        connect: Looks up the topics and makes missing changelogs; called before each start.
        reader: Reads the ends of the topics.
        lifecycle: Its state for the probes, and the request to stop.
        policies: How long to wait while the brokers are unavailable.
        clock: Gives the time.
        refresh: Looks for changed references; called now and then.
    """

    def __init__(
        self,
        connect: Callable[[], Wiring],
        reader: Reader,
        lifecycle: Lifecycle,
        policies: FailurePolicies,
        clock: Clock,
        refresh: Callable[[], object],
    ) -> None:
        self._connect, self._reader = connect, reader
        self._policies, self._clock, self._refresh = policies, clock, refresh
        self._application: DriftApplication | None = None
        self._was_ready, self._unready_s = False, 0.0
        self._change: str | None = None
        self._failure: Fatal | None = None
        self.lifecycle = lifecycle
        lifecycle.ask("tables", self._why_not_ready)

    @property
    def name(self) -> str:
        """The name of this service."""
        return SERVICE

    def run(self) -> None:
        """Work until asked to stop.

        Raises:
            Fatal: an error that waiting does not fix.
        """
        attempt, stopping = 0, self.lifecycle.stopping
        self.lifecycle.set_ready("worker")
        while not stopping.is_set():
            self.lifecycle.beat(SERVICE)
            try:
                self._live()
            except Unavailable as outage:
                self.lifecycle.set_not_ready(outage.dependency, outage.detail)
                log.warning("starting again later", detail=outage.detail)
                attempt = 0 if self._was_ready else attempt + 1
                self._clock.wait(stopping, self._policies.backoff.delay_s(attempt, self._policies.random_source))
            finally:
                self._application = None

    def owned(self) -> set[tuple[str, int]]:
        """Return the partitions that this instance reads now, by topic and number; empty until the tables are restored."""
        application = self._application
        return set() if application is None or not application.is_ready else application.owned()

    @property
    def is_up(self) -> bool:
        """Whether batches are read."""
        application = self._application
        return application is not None and application.is_ready

    def _live(self) -> None:
        """Connect, and run one application to its end."""
        self._was_ready, self._change = False, None
        wiring = self._connect()
        application = DriftApplication(wiring)
        self._application, self._unready_s = application, self._clock.monotonic_s()

        async def live() -> None:
            looking = asyncio.create_task(self._look_again(application, wiring))
            try:
                await application.run(self.lifecycle.stopping.is_set, lambda: self._turn(application))
            finally:
                looking.cancel()

        asyncio.run(live())

    def _turn(self, application: DriftApplication) -> None:
        self.lifecycle.beat(SERVICE)
        now_s = self._clock.monotonic_s()
        if application.is_ready:
            self._was_ready, self._unready_s = True, now_s
        if self._failure is not None:
            raise self._failure
        if self._change is not None:
            raise Unavailable("broker", self._change)
        if now_s - self._unready_s > STALLED_AFTER_S:
            raise Unavailable("broker", f"the tables were not restored within {STALLED_AFTER_S:.0f} s")

    async def _look_again(self, application: DriftApplication, wiring: Wiring) -> None:
        """Measure the ends of the topics, and look for changed topics and references, again and again."""
        while True:
            try:
                application.see_ends(await asyncio.to_thread(self._look, wiring))
                self.lifecycle.set_ready("broker")
            except Unavailable as outage:
                self.lifecycle.set_not_ready(outage.dependency, outage.detail)
            except Fatal as error:
                self._failure = error
                return
            except Exception:
                log.exception("looking at the topics and the references failed; it is tried again")
            await asyncio.sleep(LOOK_EVERY_S)

    def _look(self, wiring: Wiring) -> dict[tuple[str, int], int]:
        self._refresh()
        ids = self._reader.topic_ids([*(lane.keeper.topic for lane in wiring.lanes), *wiring.missing])
        if made := [topic for topic in wiring.missing if topic in ids]:
            self._change = f"there are new topics: {', '.join(made)}"
        ends: dict[tuple[str, int], int] = {}
        for lane in wiring.lanes:
            topic = lane.keeper.topic
            marks = self._reader.watermarks(topic)
            if len(marks) != lane.partitions or ids.get(topic, lane.topic_id) != lane.topic_id:
                self._change = f"topic {topic} was made again, or has more partitions"
            ends |= {(topic, place.partition): each.high for place, each in marks.items()}
        return ends

    def _why_not_ready(self) -> str | None:
        return None if self.is_up else "restoring tables, or waiting for partitions"
