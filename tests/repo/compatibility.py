"""Compares the schemas of this code with those of the last release.

`make freeze VERSION=0.2.0` keeps the current schemas and topics as those of that release. The folders in
`tests/repo/released` are never edited afterwards. The schemas are those of readers: a field with a default may be absent.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, Union

from pydantic import TypeAdapter

from millrace.streams import STREAMS
from schemas.outcomes import LedgerEntry
from schemas.topics import input_topic, ledger_topic
from shared.decoding import accepted_versions
from tests.repo.comparison import Schema, refusals
from tests.repo.generated import WATCHING
from tests.repo.released_topics import keep_topics
from tests.support.sources import ROOT

RELEASED = ROOT / "tests" / "repo" / "released"


def current() -> dict[str, Schema]:
    """Return the schemas that this code reads by, by the names of `schemas/json`."""
    models: dict[str, Any] = dict(WATCHING)
    for stream in STREAMS.values():
        second = () if stream.second_kind is None else (stream.second_kind.payload,)
        models[stream.result_topic] = stream.result
        models[ledger_topic(stream.name)] = LedgerEntry
        models[f"{stream.name}.point"] = Union[(stream.payload, *second, stream.tombstone)]
    schemas = {name: TypeAdapter(model).json_schema() for name, model in models.items()}
    return schemas | {input_topic(stream.name): stream.events.json_schema() for stream in STREAMS.values()}


def last_release() -> Path:
    """Return the folder of the newest release."""
    return max(RELEASED.iterdir(), key=lambda folder: tuple(int(part) for part in folder.name.split(".")))


def released(folder: Path) -> dict[str, Schema]:
    """Return the schemas of a release by their names."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}


def problems(name: str, old: Schema, new: Schema) -> list[str]:
    """Return why `new` may not follow `old`, each with what to do.

    Points have no version: workers look up single fields of them, so a point may gain fields.
    """
    lost = [
        f"{name}: {refusal}: what that release wrote is still on topics and in stores; keep the old form readable, "
        "and give a new field a default"
        for refusal in refusals(old, new)
    ]
    if name.endswith(".point") or newest_version(new) > newest_version(old):
        return lost
    return lost + [
        f"{name}: the last release refuses what is new ({refusal}): raise `schema_version`, so that it pauses "
        "instead of dead-lettering"
        for refusal in refusals(new, old)
    ]


def newest_version(schema: Schema) -> int:
    """Return the highest `schema_version` that a schema accepts; 0 if it has none."""
    return max(accepted_versions(schema), default=0)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not re.fullmatch(r"\d+(\.\d+)*", sys.argv[1]):
        sys.exit("name the release by its number, such as: make freeze VERSION=0.2.0")
    target = RELEASED / sys.argv[1]
    if target.exists():
        sys.exit(f"the schemas of {sys.argv[1]} are kept already; those of a release are never changed")
    target.mkdir(parents=True)
    for schema_name, schema in current().items():
        text = json.dumps(schema, indent=1, sort_keys=True) + "\n"
        (target / f"{schema_name}.json").write_text(text, encoding="utf-8")
    keep_topics(target)
