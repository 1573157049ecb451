"""The report on drift, over an embedded broker and Qdrant Edge that a worker has filled, with windows written by hand.

The model is a fake. A green run does not show that windows are judged rightly, or how the page looks.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from millrace.drift.gathering import Asked, from_store
from millrace.drift.rows import DecidedItem
from millrace.drift.stored import Period
from schemas.drift import BatchSums, Cause, DriftAlert, Outlier, packed, packed_half
from shared.broker.producer import KafkaSink
from shared.drift.reference import Reference
from shared.drift.reference_files import load_reference
from shared.records import Message
from shared.settings import BrokerSettings
from tests.support.drifted import COUNTED, NOW, OWN, Place, filled_place
from workers.tickets.stages import TICKETS


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Yield a broker and a store with labelled, decided, deleted and refused tickets."""
    with filled_place(tmp_path_factory.mktemp("drift")) as filled:
        yield filled


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
