"""Compares the topics of this code with those of the last release: what the clients of several releases agree on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from millrace.streams import STREAMS
from schemas.topics import DRIFT_ALERTS

TOPICS = "topics.yaml"
"""The name of the file in the folder of a release."""


def topics() -> dict[str, Any]:
    """Return what readers and producers of each topic have to agree on."""
    found = [DRIFT_ALERTS, *(topic for stream in STREAMS.values() for topic in stream.topics())]
    return {
        topic.name: {"key": topic.key, "partitions": topic.partitions, "message_limit_bytes": topic.message_limit_bytes}
        for topic in found
    }


def topic_problems(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return why topics may not follow those of the last release."""
    found = [f"{name}: the topic is removed, and what it holds is read by no one" for name in old if name not in new]
    for name in old.keys() & new.keys():
        for field in ("key", "partitions"):
            if old[name][field] != new[name][field]:
                found.append(
                    f"{name}: {field} was {old[name][field]} and is {new[name][field]}: the records of one item would be "
                    "in two partitions, and their order would be lost; use a new topic"
                )
        if new[name]["message_limit_bytes"] < old[name]["message_limit_bytes"]:
            found.append(f"{name}: the limit of messages is lower: what the last release sends may be refused")
    return found


def released_topics(folder: Path) -> dict[str, Any]:
    """Return the topics of a release."""
    found: dict[str, Any] = yaml.safe_load((folder / TOPICS).read_text(encoding="utf-8"))
    return found


def keep_topics(folder: Path) -> None:
    """Keep the topics of this code as those of a release."""
    (folder / TOPICS).write_text(yaml.safe_dump(topics()), encoding="utf-8")
