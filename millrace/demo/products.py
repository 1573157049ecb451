"""The part of the demo with products: sample pictures are classified, and those that the shop already has are found."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from rich.table import Table

from millrace.dead_letter_text import line
from millrace.demo.part import Part
from millrace.demo.sample_files import inline, rows_of
from millrace.resources import load_image_model
from schemas.topics import dlq_topic
from shared.deadletters.envelope import read_dead_letter
from shared.embedding.image.classes import ClassifyingModel
from shared.embedding.port import IMAGE
from shared.errors import Fatal
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


def image_model_or_reason(own: StreamSettings) -> ClassifyingModel | str:
    """Load the model of pictures; if it is not installed, return what is missing."""
    if any(find_spec(package) is None for package in PICTURE_PACKAGES):
        return "install millrace[media,images,weights]"
    try:
        return load_image_model(own.image)
    except Fatal as error:
        return str(error)


def play_products(part: Part, image_model: ClassifyingModel) -> bool:
    """Send the sample pictures, show what became of the new ones, and return whether their audit is clean."""
    rows = rows_of("products.jsonl")
    catalogued = [row for row in rows if row["reason"] == "catalogued"]
    created = [row for row in rows if row["reason"] != "catalogued"]
    part.console.print(f"\n{len(catalogued)} catalogued pictures are stored; {len(created)} new ones arrive ...")
    batches = ([event_of(row) for row in some] for some in (catalogued, created))
    results = part.work(batches, {IMAGE.name: image_model})
    part.console.print(_table(part.stream.result_topic, results, {row["image_id"]: row["title"] for row in rows}))
    part.console.print(_judgement(results, {row["image_id"]: row["intended"] for row in created}))
    for record in part.reader.read(dlq_topic(part.stream.name)):
        part.console.print(line(read_dead_letter(record)), markup=False)
    return part.is_clean()


def event_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of a sample picture, without what the events of every stream have."""
    return {"image": inline(row["file"]), "agent_label": row["label"], **{name: row[name] for name in SENT}}


def _table(title: str, results: Sequence[Any], titles: Mapping[str, str]) -> Table:
    table = Table(title=title, title_justify="left", expand=True)
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
