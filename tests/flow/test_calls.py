"""A worker of calls on the embedded broker and Edge, with the packaged model of speech and real recordings.

Green does not show a real broker, nor long calls: `benchmarks` have them.
"""

from base64 import b64encode
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from millrace.resources import load_recogniser
from schemas.calls import CallRouted
from schemas.outcomes import Outcome
from shared.audit.comparison import audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.settings import Settings, StoreSettings
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.hostile_sounds import sound_cases
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.no_speech import no_speech_wav
from workers.calls.stages import CALLS

INLINE_LIMIT_BYTES = 300_000  # the embedded broker keeps 5 MiB of a partition


def call(call_id: str, content: bytes, **changes: Any) -> dict[str, Any]:
    """Return the event of a call with its recording."""
    return {
        "schema_version": 1, "event_id": "e", "tenant_id": "acme", "event_version": 1, "call_id": call_id,
        "occurred_at": "2026-05-01T10:00:00Z", "reason": "recorded",
        "audio": {"inline": b64encode(content).decode()},
    } | changes  # fmt: skip


def test_calls_are_transcribed_and_hostile_ones_are_dead_letters(data_dir: Path, tmp_path: Path) -> None:
    clips = data_dir / "speech" / "clips"
    names = ("arctic_a0024.wav", "spk1_snt4.wav", "french.aiff", "whatstheweatherlike.wav")
    events = [call(name, (clips / name).read_bytes(), language="en") for name in names]
    events.append(call("nobody", no_speech_wav("ringing, US", 10)))
    bad = [case for case in sound_cases() if case.reason is not None and 0 < len(case.content) < 4_000][::4]
    events += [call(f"bad-{number}", case.content) for number, case in enumerate(bad)]
    assert all(len(event["audio"]["inline"]) < INLINE_LIMIT_BYTES for event in events)
    events.append(call("spk1_snt4.wav", (clips / "spk1_snt4.wav").read_bytes(), event_version=2, reason="rated"))
    seen, recogniser = Seen(), load_recogniser("whisper-base", None, "cpu")
    with EmbeddedBroker() as broker, closing(EdgeStore(tmp_path)) as store:
        broker.create([topic.name for topic in CALLS.topics()])
        produce(broker.bootstrap, *events, stream=CALLS)
        process = process_of(Settings(store=StoreSettings(path=tmp_path)), broker.bootstrap, store)
        with running_worker(process, FakeModel(), [seen], StreamSettings(), CALLS, recogniser):
            seen.wait_settled(len(events))
        reader = TopicReader(broker.bootstrap, "millrace-calls")
        findings = audit(reader, CALLS, store.open_alias("calls"))
        results = {
            result.call_id: result
            for result in (CallRouted.model_validate_json(each.value or b"") for each in reader.read("calls.routed"))
        }
    assert findings.clean, findings
    assert (findings.settled, findings.pending, findings.repeated) == (len(events), 0, 0)
    outcomes = Counter(seen.outcomes)
    assert outcomes[Outcome.DEAD_LETTERED] == len(bad)
    assert outcomes[Outcome.ROUTED] in (len(names), len(names) + 1), (
        "of two versions in one batch, the newer is written"
    )
    assert {name: result.language for name, result in results.items() if name != "spk1_snt4.wav"} == {
        "arctic_a0024.wav": "en", "french.aiff": "fr", "whatstheweatherlike.wav": "en", "nobody": None,
    }  # fmt: skip
    assert "la dictée" in results["french.aiff"].transcript.text
    assert "weather" in results["whatstheweatherlike.wav"].transcript.text
    assert results["nobody"].decision.action_reason == "no_speech"
