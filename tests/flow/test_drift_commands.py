"""The commands of the watch for drift, over an embedded broker and Qdrant Edge that a worker has filled.

The model is a fake, so a green run does not show that a reference finds drift: the benchmarks of drift do. It does not
show a Qdrant server or a Kafka either; the contract suites cover both.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from millrace.configured import model_card
from millrace.drift.gathering import Asked, from_store, from_topic
from millrace.drift.rows import DecidedItem
from millrace.drift.stored import Period
from schemas.drift import BatchSums, Cause, DriftAlert, Outlier, packed, packed_half
from schemas.topics import DRIFT_ALERTS
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.broker.security import Brokers
from shared.drift.reference import Reference
from shared.drift.reference_files import load_reference
from shared.records import Message
from shared.settings import BrokerSettings, OperationSettings, Settings, StoreSettings
from shared.stream_settings import BatchSettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fake_models import models_for
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.ingest_files import millrace
from tests.support.tickets import deleted, event
from workers.tickets.stages import TICKETS

OWN = StreamSettings(batch=BatchSettings(max_wait_s=0.5))
NOW = datetime.now(UTC).replace(microsecond=0)
LABELS = ("delivery", "invoice", "login")
COUNTED = ("labels", "actions", "languages", "channels", "lengths", "confidences")
DECIDED = 1_040
FAILED = 7


class KnownModel(FakeModel):
    """A fake with the fingerprint that the configuration names, so that the store and the topic agree on it."""

    fingerprint = model_card(StreamSettings()).fingerprint


@dataclass(frozen=True, slots=True)
class Place:
    """A broker and a store that a worker has filled."""

    bootstrap: str
    folder: Path

    @property
    def settings(self) -> Settings:
        """The settings of the worker."""
        return settings_of(self.bootstrap, self.folder)

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run a command in this process."""
        known = {
            "MILLRACE_STORE__PATH": str(self.folder / "store"),
            "MILLRACE_DRIFT__REFERENCES": str(self.folder / "references"),
            "MILLRACE_BROKER__BOOTSTRAP": self.bootstrap,
        }
        return millrace(["drift", *arguments], self.folder, known | environment)

    def build(self, *options: str, **environment: str) -> tuple[int, dict[str, Any]]:
        """Build references, and return the exit code and the object that was printed."""
        code, printed = self.run("reference", "build", "--stream", "tickets", "--json", *options, **environment)
        [line] = [each for each in printed.splitlines() if each.startswith("{")]
        return code, json.loads(line)


def settings_of(bootstrap: str, folder: Path) -> Settings:
    """Return settings of a broker, and of a store in a folder."""
    return Settings(
        broker=BrokerSettings(bootstrap=bootstrap),
        store=StoreSettings(path=folder / "store"),
        operation=OperationSettings(state_dir=folder / "state"),
    )


def tickets() -> Iterator[dict[str, Any]]:
    """Yield the events that are decided: of two tenants, in three languages, with and without a channel."""
    for number in range(DECIDED):
        yield event(
            ticket_id=f"T-{number}",
            tenant_id="acme" if number % 10 else "zeta",
            occurred_at=(NOW - timedelta(minutes=number)).isoformat(),
            subject=("Where is my parcel?", "Wo ist mein Paket geblieben?")[number % 4 == 0],
            body=f"It should have been here on day {number}." * (1 + number % 3),
            channel=("email", "chat", None)[number % 3],
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Yield a broker and a store with labelled, decided, deleted and refused tickets."""
    folder = tmp_path_factory.mktemp("drift")
    solved = [
        event(
            ticket_id=f"L-{tenant}-{n}", tenant_id=tenant, reason="solved", agent_label=LABELS[n % 3], body=f"old {n}"
        )
        for tenant in ("acme", "zeta")
        for n in range(12)
    ]
    with EmbeddedBroker() as broker:
        store = EdgeStore(folder / "store")
        broker.create([topic.name for topic in TICKETS.topics()] + ["calls.sums", "calls.outliers", DRIFT_ALERTS.name])
        settings = settings_of(broker.bootstrap, folder)
        seen = Seen()
        with running_worker(process_of(settings, broker.bootstrap, store), KnownModel(), [seen], OWN):
            produce(broker.bootstrap, *solved)
            seen.wait_settled(len(solved))
            produce(broker.bootstrap, *tickets(), event(ticket_id="D-1"))
            with closing(KafkaSink(broker.bootstrap, BrokerSettings())) as sink:
                sink.produce([Message("tickets", b"acme:B-%d" % n, b"no JSON") for n in range(FAILED)])
                assert sink.flush() == []
            seen.wait_settled(len(solved) + DECIDED + 1 + FAILED)
            produce(broker.bootstrap, deleted(ticket_id="D-1", event_version=2))
            seen.wait_settled(len(solved) + DECIDED + 2 + FAILED)
        store.close()  # one process at a time may use it
        yield Place(broker.bootstrap, folder)


@pytest.fixture(autouse=True)
def _known_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace.drift.gathering.load_models", lambda stream, own: models_for(stream, KnownModel()))


def by_id(items: Sequence[DecidedItem]) -> dict[str, DecidedItem]:
    """Return items by their ids, but not the deleted one."""
    return {each.item_id: each for each in items if each.item_id != "D-1"}


def test_the_items_of_the_store_and_of_the_topic_are_the_same(place: Place) -> None:
    """Classes, vectors and policy, exactly: both by the labelled tickets of the store."""
    settings = place.settings
    asked = Asked(TICKETS, OWN, settings, Period(None, None, 20_000))
    found = from_store(asked)
    sent, replayed, reason = from_topic(asked, Brokers(place.bootstrap, settings.broker))
    assert (reason, replayed.failed, replayed.deferred) == ("", {"all": FAILED}, 0)
    stored, decided = by_id(found.items), by_id(sent.items)
    assert len(stored) == len(found.items) == DECIDED, "neither solved, deleted nor refused tickets are among them"
    assert stored.keys() == decided.keys()
    assert found.models == sent.models == {"text": KnownModel.fingerprint}
    for name, item in stored.items():
        again = decided[name]
        assert item.decision == again.decision
        assert (item.traits, item.tenant_id, item.occurred_at) == (again.traits, again.tenant_id, again.occurred_at)
        assert item.text == again.text
        assert np.allclose(item.vectors["text"], again.vectors["text"], atol=1e-6)
    assert {each.traits["labels"] for each in stored.values()} >= set(LABELS)
    assert {each.traits["channels"] for each in stored.values() if "channels" in each.traits} == {"email", "chat"}


def test_items_are_counted_by_the_classes_that_a_worker_publishes(place: Place) -> None:
    items = from_store(Asked(TICKETS, OWN, place.settings, Period(None, None, 20_000))).items
    published = [
        BatchSums.model_validate_json(each.value or b"") for each in TopicReader(place.bootstrap).read("tickets.sums")
        if each.value != b"{}"
    ]  # fmt: skip
    own = [each for each in published if each.reference is None and each.traffic == "live"]
    assert sum(each.items for each in own) == len(items) == DECIDED
    for name in COUNTED:
        counted = sum((Counter(getattr(each, name)) for each in own), Counter[str]())
        assert counted == Counter(each.traits[name] for each in items if name in each.traits), name


def test_both_sources_are_written_as_references(place: Place) -> None:
    for number, options in enumerate(([], ["--from-topic"])):
        code, built = place.build(*options, "--out", f"out {number}")
        assert code == 0
        [written] = built["written"]
        reference = load_reference(place.folder / written["file"])
        assert reference.subject == ("tickets", "text", KnownModel.fingerprint, "all")
        assert sum(each["share"] for each in written["centroids"]) == pytest.approx(1)
        failed = reference.baselines[0].totals.counts["failed"].tolist()
        assert failed[0] == (FAILED if options else 0)


def test_too_few_items_are_an_error_that_says_what_to_do(place: Place) -> None:
    code, built = place.build("--limit", "900")
    assert (code, built["written"], built["too_few"][0]["items"]) == (1, [], 900)
    code, printed = place.run("reference", "build", "--stream", "tickets", "--from", "3h")
    assert code == 1
    assert "has 180 decided items, and a reference needs 1,000" in printed


def test_keys_with_too_few_items_are_named_and_left_out(place: Place) -> None:
    keyed = {"MILLRACE_DRIFT__KEYED_BY": "tenant", "MILLRACE_DRIFT__KEYS": '["zeta"]'}
    code, built = place.build(**keyed)
    assert (code, built["written"]) == (1, [])
    assert {each["key"]: each["items"] for each in built["too_few"]} == {"tenant:zeta": 104, "other": 936}


def test_references_are_listed_and_shown(place: Place) -> None:
    assert place.build()[0] == 0
    code, printed = place.run("reference", "list", "--json")
    [listed] = json.loads(printed)
    assert (code, listed["stream"], listed["key"]) == (0, "tickets", "all")
    for which in ("tickets", f"tickets|text|{KnownModel.fingerprint}|all", listed["file"]):
        code, printed = place.run("reference", "show", which)
        assert (code, listed["reference"] in printed) == (0, True)
    code, printed = place.run("reference", "show", "calls")
    assert (code, "has no reference of calls" in printed) == (1, True)
    Path(listed["file"]).with_name("damaged.safetensors").write_bytes(b"nothing")
    code, printed = place.run("reference", "list")
    assert code == 1
    assert "damaged.safetensors: cannot be used" in printed
    Path(listed["file"]).with_name("damaged.safetensors").unlink()


def test_a_topic_needs_a_head_or_the_store(place: Place) -> None:
    nowhere = {"MILLRACE_STORE__PATH": str(place.folder / "nowhere")}
    code, printed = place.run("reference", "build", "--stream", "tickets", "--from-topic", **nowhere)
    assert code == 1
    assert "Without a head, the points of the store decide" in printed


HOSTILE = "<script>alert('x')</script>"
"""It would run in a browser if it were not escaped."""


def sums_of(reference: Reference, items: Sequence[DecidedItem], settled_at: datetime, **changes: Any) -> BatchSums:
    """Return the sums of a batch of items, as a worker counts them."""
    vectors = np.stack([each.vectors["text"] for each in items])
    nearest = reference.nearest(vectors)
    counts = {name: dict(Counter(each.traits[name] for each in items if name in each.traits)) for name in COUNTED}
    fields: dict[str, Any] = {
        **reference.subject._asdict(),
        **counts,
        "traffic": "live",
        "reference": reference.reference_id,
        "settled_at": settled_at,
        "items": len(items),
        "vector_sum": packed(vectors.sum(axis=0)),
        "squared_norms": float((vectors**2).sum()),
        "cosines": float(nearest.cosines.sum()),
        "centroids": dict(Counter(map(str, nearest.centroids.tolist()))),
        "far": dict(Counter(map(str, nearest.centroids[nearest.is_far].tolist()))),
        "outliers": int(nearest.is_outlier.sum()),
        "agreed": 9,
        "overridden": 1,
    }
    return BatchSums(**(fields | changes))


def published(place: Place, reference: Reference) -> None:
    """Publish three windows, of which the last has drifted, replayed items, an outlier and an alert with hostile names."""
    random = np.random.default_rng(5)
    items = list(from_store(Asked(TICKETS, OWN, place.settings, Period(None, None, 20_000))).items)
    grown = [each for each in items if each.traits["labels"] == "login"]
    key, hour = str(reference.subject).encode(), (NOW - timedelta(hours=6)).replace(minute=5, second=0)
    messages = []
    for number in range(18):
        pool = grown if number >= 12 and number % 2 else items
        chosen = [pool[at] for at in random.integers(len(pool), size=100)]
        hostile = {"labels": {"login": 60, HOSTILE: 40}} if number == 13 else {}
        sums = sums_of(reference, chosen, hour + timedelta(hours=number // 6, minutes=number % 6), **hostile)
        messages.append(Message("tickets.sums", key, sums.model_dump_json().encode()))
    replayed = sums_of(reference, items[:70], hour + timedelta(hours=2), traffic="replayed")
    messages += [Message("tickets.sums", key, replayed.model_dump_json().encode()), Message("tickets.sums", key, b"{}")]
    for name, item in (("T-1", items[1]), (HOSTILE, items[2])):
        outlier = Outlier(
            **reference.subject._asdict(), reference=reference.reference_id, tenant_id=item.tenant_id, item_id=name,
            event_version=1, occurred_at=NOW, settled_at=NOW, vector=packed_half(item.vectors["text"]), centroid=0,
            cosine=0.1, label=HOSTILE, terms=(HOSTILE, "parcel"),
        )  # fmt: skip
        messages.append(Message("tickets.outliers", key, outlier.model_dump_json().encode()))
    cause = Cause(kind="label", name=HOSTILE, reference_share=0.1, window_share=0.3, examples=(HOSTILE,))
    alert = DriftAlert(
        alert_id="a-1", **reference.subject._asdict(), reference=reference.reference_id, window_start=hour,
        window_end=NOW, items=600, p_value=0.001, level=0.04, effect=0.2, causes=(cause,), judged=60,
        override_share=0.1, override_share_before=0.1, harm="none_seen",
    )  # fmt: skip
    messages += [Message("drift.alerts", b"a-1", alert.model_dump_json().encode())] * 2
    with closing(KafkaSink(place.bootstrap, BrokerSettings())) as sink:
        sink.produce(messages)
        assert sink.flush() == []


@pytest.fixture(scope="module")
def reported(place: Place) -> tuple[dict[str, Any], str]:
    """Return the summary and the page of a report."""
    code, built = place.build()
    assert code == 0
    published(place, load_reference(place.folder / built["written"][0]["file"]))
    code, printed = place.run("report", "report", "--stream", "tickets", "--json")
    assert code == 0, printed
    return json.loads(printed), (place.folder / "report" / "report.html").read_text(encoding="utf-8")


def test_the_windows_of_a_report_are_those_of_the_sums(reported: tuple[dict[str, Any], str]) -> None:
    summary, _ = reported
    [subject] = [each for each in summary["subjects"] if each["key"] == "all" and each["windows"]]
    assert subject["windows"] == 4, "that of the worker has no reference; the last one is closed as its hour has passed"
    assert subject["answers"]["no_reference"] == 1
    assert subject["left_out"] == {"replayed": 70, "backfilled": 1}
    assert subject["last"]["answer"] == "drift"
    assert subject["last"]["items"] == 600
    assert subject["last"]["causes"], "a cause is named"
    assert subject["last"]["override_share"] == 0.1
    assert (subject["outliers"], subject["alerts"]) == (2, ["a-1"])
    assert summary["notes"] == ["1 message could not be read"]


def test_the_page_is_harmless_and_complete(place: Place, reported: tuple[dict[str, Any], str]) -> None:
    _, page = reported
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "prefers-color-scheme: dark" in page
    assert page.count("<img ") == page.count(' alt="') == 3
    assert "It should have been here on day" in page, "texts of similar stored items"
    assert "people replaced no more decisions than before" in page
    pictures = sorted((place.folder / "report").glob("*.png"))
    assert [each.name for each in pictures] == ["01-1.png", "01-2.png", "01-3.png"]
    assert all(each.read_bytes().startswith(b"\x89PNG") for each in pictures)


def test_a_report_is_made_without_a_store_too(place: Place, reported: tuple[dict[str, Any], str]) -> None:
    assert reported
    code, printed = place.run("report", "bare", MILLRACE_STORE__PATH=str(place.folder / "nowhere"))
    assert code == 0
    assert "outliers of tickets are shown without similar items: there is no store" in printed
    assert "not looked up" in (place.folder / "bare" / "report.html").read_text(encoding="utf-8")
    code, printed = place.run("report", "bare", "--stream", "tickets", "--since", "1s", "--json")
    assert (code, [each["windows"] for each in json.loads(printed)["subjects"]]) == (0, [0]), "the folder is used again"
    assert [each.name for each in (place.folder / "bare").iterdir()] == ["report.html"], (
        "pictures of before are deleted"
    )


def test_a_folder_with_other_files_is_left_alone(place: Place) -> None:
    (place.folder / "mine").mkdir()
    (place.folder / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    code, printed = place.run("report", "mine")
    assert (code, "holds other files, such as 'notes.txt'" in printed) == (1, True)


def test_a_stream_without_sums_is_an_error(place: Place) -> None:
    code, printed = place.run("report", "nothing", "--stream", "calls")
    assert (code, "no sums of live traffic were found" in printed) == (1, True)
