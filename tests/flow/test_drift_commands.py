"""The commands of the watch for drift, over an embedded broker and Qdrant Edge that a worker has filled.

The model is a fake, so a green run does not show that a reference finds drift: the benchmarks of drift do. It does not
show a Qdrant server or a Kafka either; the contract suites cover both.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from millrace.drift.gathering import Asked, from_store, from_topic
from millrace.drift.rows import DecidedItem
from millrace.drift.stored import Period
from schemas.drift import BatchSums
from shared.broker.reader import TopicReader
from shared.broker.security import Brokers
from shared.drift.reference_files import load_reference
from tests.support.drifted import COUNTED, DECIDED, FAILED, LABELS, OWN, KnownModel, Place, filled_place
from tests.support.fake_models import models_for
from workers.tickets.stages import TICKETS


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Yield a broker and a store with labelled, decided, deleted and refused tickets."""
    with filled_place(tmp_path_factory.mktemp("drift")) as filled:
        yield filled


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
    counted = re.search(r"has (\d+) decided items, and a reference needs 1,000", printed)
    assert counted is not None, printed
    assert 100 <= int(counted[1]) <= 180, "one a minute, of the last three hours when the command ran"


def test_keys_with_too_few_items_are_named_and_left_out(place: Place) -> None:
    keyed = {"MILLRACE_DRIFT__KEYED_BY": "tenant", "MILLRACE_DRIFT__KEYS": '["zeta"]'}
    code, built = place.build(**keyed)
    assert (code, built["written"]) == (1, [])
    assert {each["key"]: each["items"] for each in built["too_few"]} == {"tenant:zeta": 104, "other": 936}


def test_references_are_listed_and_shown(place: Place) -> None:
    assert place.build()[0] == 0
    code, printed = place.run("reference", "list", "--json")
    [listed] = json.loads(printed)["references"]
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
