"""The tickets that benchmarks use: Banking77's questions if `MILLRACE_DATA` names them, else Millrace's own samples."""

import csv
import json
import math
import os
import random
from importlib.resources import files
from pathlib import Path
from typing import Any

from shared.records import Message

TENANT = "bench"

MIX_MEDIAN_CHARACTERS, MIX_SPREAD, MIX_MOST_CHARACTERS = 243, 0.6, 1_000
"""Of the lengths of the mix, a log-normal distribution: a median of 60 tokens of MiniLM, and a tail to 256."""

SEED = 22


def load_texts(limit: int) -> tuple[str, list[str]]:
    """Return the source of the texts, and up to `limit` of them."""
    named = os.environ.get("MILLRACE_DATA")
    if named:
        with (Path(named) / "text" / "banking77" / "train.csv").open(encoding="utf-8", newline="") as opened:
            return "Banking77", [row["text"] for row in csv.DictReader(opened)][:limit]
    lines = files("millrace.demo").joinpath("samples", "tickets.jsonl").read_text(encoding="utf-8").splitlines()
    return "the demo's samples", [json.loads(line)["body"] for line in lines][:limit]


def load_mix(count: int) -> list[str]:
    """Return texts as long as tickets are: questions, or samples, one after the other, up to a length that is drawn."""
    rng = random.Random(SEED)  # noqa: S311  (lengths and sentences are drawn, no secret)
    _, sentences = load_texts(10_003)
    return [_text_of(sentences, rng) for _ in range(count)]


def _text_of(sentences: list[str], rng: random.Random) -> str:
    wanted = min(MIX_MOST_CHARACTERS, rng.lognormvariate(math.log(MIX_MEDIAN_CHARACTERS), MIX_SPREAD))
    text = rng.choice(sentences)
    while len(text) < wanted:
        text += f" {rng.choice(sentences)}"
    return text[: int(wanted)].rsplit(" ", 1)[0]


def to_messages(texts: list[str], reason: str, first_id: int = 0, resolved: bool = False) -> list[Message]:
    """Return the input records for texts: `solved` ones are labelled, `created` ones are to be routed.

    With `resolved`, each has a resolution, which is another of the texts.
    """
    labelled = {"agent_label": "label", "satisfaction": 5} if reason == "solved" else {}
    messages = []
    for number, text in enumerate(texts, first_id):
        event: dict[str, Any] = {
            "schema_version": 1,
            "event_id": f"e-{number}",
            "tenant_id": TENANT,
            "event_version": 1,
            "occurred_at": "2026-01-01T00:00:00Z",
            "reason": reason,
            "ticket_id": f"T-{number}",
            "body": text,
            **labelled,
            **({"resolution": texts[number % len(texts) - 1]} if resolved else {}),
        }
        messages.append(Message("tickets", f"{TENANT}:T-{number}".encode(), json.dumps(event).encode()))
    return messages
