"""`millrace ingest` of recordings and pictures: a folder, a manifest, what is inline, uploaded, and refused by its name.

Green does not show Amazon's or Google's own service: the S3 API is moto's.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from typer.testing import CliRunner, Result

from millrace.cli import app
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.engine.stream import Stream
from shared.media.fetching.fetcher import MediaFetcher
from shared.media_settings import MediaSettings
from tests.hostile.test_media_objects import put
from tests.support.hostile_sounds import form, long_mulaw_wav, wav
from tests.support.picture_files import encoded, plain
from workers.calls.stages import CALLS
from workers.products.stages import PRODUCTS

SMALL = wav(bytes(range(256)) * 8, form())
LARGE = long_mulaw_wav(70)


@pytest.fixture
def broker() -> Iterator[str]:
    with EmbeddedBroker() as running:
        running.create([topic.name for stream in (CALLS, PRODUCTS) for topic in stream.topics()])
        yield running.bootstrap


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    (folder / "may").mkdir(parents=True)
    (folder / "C-1.wav").write_bytes(SMALL)
    (folder / "may" / "C-2.bin").write_bytes(SMALL)
    (folder / "large.wav").write_bytes(LARGE)
    (folder / "notes.txt").write_text("a note")
    (folder / "empty.wav").touch()
    (folder / ".hidden.wav").write_bytes(SMALL)
    return folder


def ingest(*arguments: object, env: dict[str, str] | None = None, stream: str = "calls") -> Result:
    return CliRunner().invoke(
        app, ["ingest", *map(str, arguments), "--stream", stream, "--tenant", "acme"], env=env or {}
    )


def sent(bootstrap: str, stream: Stream[Any, Any] = CALLS) -> dict[str, Any]:
    found = {}
    for record in TopicReader(bootstrap).read(stream.name):
        event = stream.events.validate_json(record.value or b"")
        assert record.key == stream.key(event)
        found[stream.source_id(event)] = event
    return found


def test_a_folder_is_sent_and_what_cannot_be_sent_is_named(broker: str, folder: Path) -> None:
    run = ingest(folder, "--bootstrap", broker, "--json")
    assert run.exit_code == 1
    report = json.loads(run.stdout)
    assert (report["sent"], report["uploaded"]) == (2, 0)
    reasons = {each["file"]: each["reason"] for each in report["refused"]}
    assert reasons.keys() == {"large.wav", "notes.txt", "empty.wav"}
    assert "set MILLRACE_MEDIA__UPLOAD_TO" in reasons["large.wav"]
    assert "it is text; accepted kinds are WAV, FLAC" in reasons["notes.txt"]
    assert reasons["empty.wav"] == "it is empty"
    events = sent(broker)
    assert events.keys() == {"C-1", "may/C-2"}
    assert events["C-1"].audio.content == SMALL
    assert events["C-1"].reason == "recorded"
    assert ingest(folder, "--bootstrap", broker, "--skip-bad").exit_code == 0
    assert len({event.event_id for event in sent(broker).values()}) == 2, "sending again gives the same ids"


def test_a_large_recording_is_uploaded_to_a_folder_and_can_be_fetched(
    broker: str, folder: Path, tmp_path: Path
) -> None:
    store = tmp_path / "with a blank"
    run = ingest(folder, "--bootstrap", broker, "--skip-bad", env={"MILLRACE_MEDIA__UPLOAD_TO": f"file://{store}"})
    assert (run.exit_code, "1 of them uploaded" in run.stdout) == (0, True), run.output
    audio = sent(broker)["large"].audio
    assert audio.inline is None
    fetcher = MediaFetcher(MediaSettings(file_root=store), SystemClock())
    assert fetcher.fetch(audio, "audio") == LARGE, "the digest is checked too"
    assert [path.name for path in store.iterdir()] == [f"{audio.sha256}.wav"]


def test_a_large_recording_is_uploaded_to_a_bucket_and_can_be_fetched(
    broker: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    put(address, "recordings", "", b"")
    buckets = {"MILLRACE_MEDIA__S3_BUCKETS": '["recordings"]', "MILLRACE_MEDIA__S3_ENDPOINT": address}
    place = {"MILLRACE_MEDIA__UPLOAD_TO": "s3://recordings/in/may"}
    run = ingest(folder, "--bootstrap", broker, "--skip-bad", env=buckets | place)
    assert run.exit_code == 0, run.output
    audio = sent(broker)["large"].audio
    assert audio.uri == f"s3://recordings/in/may/{audio.sha256}.wav"
    fetcher = MediaFetcher(MediaSettings(s3_buckets=("recordings",), s3_endpoint=address), SystemClock())
    assert fetcher.fetch(audio, "audio") == LARGE
    absent = {"MILLRACE_MEDIA__UPLOAD_TO": "s3://absent-bucket"}
    failed = ingest(folder, "--bootstrap", broker, "--skip-bad", env=buckets | absent)
    server.stop()
    assert failed.exit_code != 0
    assert "s3://absent-bucket" in str(failed.exception)


def test_a_dry_run_sends_and_uploads_nothing(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run = ingest(folder, "--dry-run", "--skip-bad", env={"MILLRACE_MEDIA__UPLOAD_TO": f"file://{store}"})
    assert (run.exit_code, "would send 3 calls" in run.stdout) == (0, True), run.output
    assert not store.exists()


def test_a_manifest_gives_fields_and_attributes(broker: str, folder: Path) -> None:
    manifest = folder / "manifest.csv"
    manifest.write_text(
        "file,call_id,agent_channel,satisfaction,occurred_at,line,tenant_id\n"
        "C-1.wav,A,left,5,2026-05-01T10:00:00Z,sales,\n"
        "may/C-2.bin,B,,,,,other\n"
        "C-1.wav,C,middle,,,,\n"
        "absent.wav,D,,,,,\n"
        "C-1.wav,,,,,,\n"
        "C-1.wav,A,,,,,\n"
    )
    run = ingest(manifest, "--bootstrap", broker, "--set", "language=fr", "--json")
    assert run.exit_code == 1
    events = sent(broker)
    assert events.keys() == {"A", "B"}
    first = events["A"]
    assert (first.agent_channel, first.satisfaction, first.language) == ("left", 5, "fr")
    assert (first.attributes, first.occurred_at.isoformat()) == ({"line": "sales"}, "2026-05-01T10:00:00+00:00")
    reasons = {each["file"]: each["reason"] for each in json.loads(run.stdout)["refused"]}
    assert "agent_channel" in reasons["row 3 (line 4), C-1.wav"]
    assert "cannot be read" in reasons["row 4 (line 5), absent.wav"]
    assert "call_id" in reasons["row 5 (line 6), C-1.wav"]
    assert reasons["row 6 (line 7), C-1.wav"] == "another file has the same tenant and id"
    assert [events[name].tenant_id for name in ("A", "B")] == ["acme", "other"]


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    folder = tmp_path / "catalogue"
    (folder / "mugs").mkdir(parents=True)
    (folder / "mugs" / "blue.jpg").write_bytes(encoded(plain(), "JPEG"))
    (folder / "lamp.png").write_bytes(encoded(plain(), "PNG"))
    return folder


def test_each_picture_of_a_folder_is_an_image_of_a_product_of_its_own(broker: str, catalogue: Path) -> None:
    run = ingest(catalogue, "--bootstrap", broker, "--set", "reason=catalogued", stream="products")
    assert (run.exit_code, run.stdout) == (0, "sent 2 products; refused 0\n"), run.output
    events = sent(broker, PRODUCTS)
    assert {name: event.product_id for name, event in events.items()} == {"mugs/blue": "mugs/blue", "lamp": "lamp"}
    assert {event.reason for event in events.values()} == {"catalogued"}
    assert ingest(catalogue, "--bootstrap", broker, "--set", "product_id=P-1", stream="products").exit_code == 0
    assert {event.product_id for event in sent(broker, PRODUCTS).values()} == {"P-1"}, "a given value is used"


def test_a_manifest_of_pictures_names_image_and_product(broker: str, catalogue: Path) -> None:
    manifest = catalogue / "manifest.csv"
    manifest.write_text(
        "file,image_id,product_id,title,price,currency,agent_label,colour\n"
        "mugs/blue.jpg,I-1,P-1,A blue mug,4.50,EUR,mug,blue\n"
        "lamp.png,I-2,,A lamp,,,,\n"
        "lamp.png,,P-2,A lamp,,,,\n"
    )
    run = ingest(manifest, "--bootstrap", broker, "--json", stream="products")
    assert run.exit_code == 1
    [event] = sent(broker, PRODUCTS).values()
    assert (event.image_id, event.product_id, event.title, event.agent_label) == ("I-1", "P-1", "A blue mug", "mug")
    assert (event.price, event.currency, event.attributes) == (4.5, "EUR", {"colour": "blue"})
    reasons = [each["reason"] for each in json.loads(run.stdout)["refused"]]
    assert reasons == ["product_id: Field required", "image_id: Field required"]


def test_a_manifest_of_json_lines_is_read_like_a_csv_file(broker: str, catalogue: Path) -> None:
    manifest = catalogue / "manifest.jsonl"
    manifest.write_text(
        '{"file": "mugs/blue.jpg", "image_id": "I-1", "product_id": "P-1", "title": null, "price": 0, "colour": "blue"}\n'
        '{"file": "lamp.png", "image_id": "I-2", "product_id": "P-2", "attributes": {"watts": 5}, "colour": "red"}\n'
    )
    run = ingest(manifest, "--bootstrap", broker, "--json", stream="products")
    assert run.exit_code == 0, run.output
    events = sent(broker, PRODUCTS)
    assert (events["I-1"].title, events["I-1"].price, events["I-1"].attributes) == (None, 0, {"colour": "blue"})
    assert events["I-2"].attributes == {"watts": 5, "colour": "red"}


@pytest.mark.parametrize("file", ["../outside.png", "link.png", "{tmp_path}/outside.png"])
def test_a_file_outside_the_folder_of_the_manifest_is_never_sent(file: str, catalogue: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.png").write_bytes(encoded(plain(), "PNG"))
    (catalogue / "link.png").symlink_to(tmp_path / "outside.png")
    manifest = catalogue / "manifest.csv"
    name = file.format(tmp_path=tmp_path)
    manifest.write_text(f"file,image_id,product_id\nlamp.png,I-1,P-1\n{name},I-2,P-2\n")
    error = str(ingest(manifest, "--dry-run", "--skip-bad", stream="products").exception)
    assert f"manifest.csv, row 2 (line 3): {name} lies outside the folder of the manifest" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--map", "a=b"], "--map is for tables of tickets"), (["--encoding", "cp1252"], "--encoding is for tables")],
)
def test_options_of_tables_are_refused(arguments: list[str], message: str, folder: Path) -> None:
    run = ingest(folder, "--dry-run", *arguments)
    assert run.exit_code == 2
    assert message in " ".join(run.output.replace("│", " ").split())


def test_two_files_of_one_name_and_sources_without_files_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "C-1.ogg").write_bytes(SMALL)
    assert "2 files would have the id C-1" in str(ingest(folder, "--dry-run").exception)
    (tmp_path / "none").mkdir()
    assert "names no file" in str(ingest(tmp_path / "none", "--dry-run").exception)
    table = tmp_path / "table.csv"
    table.write_text("name\nx\n")
    assert "column file is missing; the columns are name" in str(ingest(table, "--dry-run").exception)
