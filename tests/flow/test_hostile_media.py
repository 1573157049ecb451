"""Hostile pictures and sounds among good ones, through a whole worker on the embedded broker and Edge.

Green does not show a real broker (`tests/faults`), large media, nor what a child can do that was taken over
(`tests/hostile/test_decoding_processes.py`).
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from schemas.failures import FailureHeader, FailureReason
from schemas.outcomes import Outcome
from shared.audit.comparison import audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.records import header_texts
from shared.settings import Settings, StoreSettings
from shared.stream_settings import BatchSettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.hostile_pictures import picture_cases
from tests.support.hostile_sounds import sound_cases
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.media import PIXEL
from tests.support.streams import NOTE_KIND

SIZE_LIMIT_BYTES = 8_000  # the embedded broker keeps 5 MiB of a partition
BATCH = BatchSettings(max_records=32)


def notes() -> Iterator[tuple[dict[str, Any], FailureReason | None]]:
    """Yield every small case as a note, each followed by a good one, with the reason for which it is refused."""
    cases = [("picture", case.content, case.reason) for case in picture_cases()]
    cases += [("recording", case.content, case.reason) for case in sound_cases()]
    small = [case for case in cases if 0 < len(case[1]) <= SIZE_LIMIT_BYTES]
    for number, (name, content, reason) in enumerate(small):
        yield NOTE_KIND.event(f"odd-{number}") | {name: {"inline": b64encode(content).decode()}}, reason
        yield NOTE_KIND.event(f"good-{number}", picture={"inline": b64encode(PIXEL).decode()}), None


def test_each_hostile_medium_is_one_dead_letter_with_its_reason_and_harms_no_other(tmp_path: Path) -> None:
    sent = list(notes())
    refused = {event["note_id"]: reason for event, reason in sent if reason is not None}
    assert len(refused) > 100
    seen = Seen()
    with EmbeddedBroker() as broker, closing(EdgeStore(tmp_path)) as store:
        broker.create(NOTE_KIND.topics)
        produce(broker.bootstrap, *(event for event, _ in sent), stream=NOTE_KIND.stream)
        process = process_of(Settings(store=StoreSettings(path=tmp_path)), broker.bootstrap, store)
        own = StreamSettings(batch=BATCH)
        with running_worker(process, FakeModel(), [seen], own, NOTE_KIND.stream):  # raises if the worker has ended
            seen.wait_settled(len(sent))
        reader = TopicReader(broker.bootstrap, NOTE_KIND.group)
        findings = audit(reader, NOTE_KIND.stream, store.open_alias("notes"))
        letters = list(reader.read(NOTE_KIND.dlq))
    assert findings.clean, findings
    assert (findings.settled, findings.pending, findings.repeated) == (len(sent), 0, 0)
    assert Counter(seen.outcomes) == {
        Outcome.DEAD_LETTERED: len(refused),
        Outcome.ROUTED: len(sent) - len(refused),
    }
    reasons = {
        (letter.key or b"").decode().partition(":")[2]: header_texts(letter.headers)[FailureHeader.REASON]
        for letter in letters
    }
    assert reasons == refused
    assert {header_texts(letter.headers)[FailureHeader.FIELD] for letter in letters} == {"picture", "recording"}
