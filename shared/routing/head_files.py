"""The files of a head: `head.safetensors`, `terms.json`, `texts.jsonl` and `head.json`. Nothing is unpickled.

The arrays are in `head.safetensors`, the facts in `head.json`.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from shared.errors import Fatal
from shared.routing.features import TfIdf
from shared.routing.head import Head, Known
from shared.routing.inputs import TEXT_ALONE
from shared.routing.linear import Linear
from shared.routing.scope import Scope

FORMAT = 1
ARRAYS, TERMS, TEXTS, FACTS = "head.safetensors", "terms.json", "texts.jsonl", "head.json"
INPUTS = ("inputs", "dims")
"""The facts that only a head of other inputs than texts alone has, so that heads of texts keep their fingerprints."""


def save_head(head: Head, folder: Path) -> Head:
    """Write a head and return it with its fingerprint.

    `head.json` is written last, so that a half-written folder is not read as a head.

    Raises:
        Fatal: the folder cannot be written.
    """
    files = {
        ARRAYS: save(
            {
                "dense": head.linear.dense,
                "sparse": head.linear.sparse,
                "bias": head.linear.bias,
                "rarity": head.terms.rarity,
                "known": head.known.vectors.astype(np.float16),
                "scope": np.array([getattr(head.scope, name) for name in Scope.__slots__], np.float64),
            }
        ),
        TERMS: _json({"words": head.terms.words, "pieces": head.terms.pieces}),
        TEXTS: b"".join(
            _json({"label": label, "text": text})
            for label, text in zip(head.known.labels, head.known.texts, strict=True)
        ),
    }
    digests = {name: sha256(content).hexdigest() for name, content in files.items()}
    identity = {"format": FORMAT, "model": head.model, "labels": head.labels, "files": digests, **_inputs_of(head)}
    fingerprint = _fingerprint(identity)
    named = {"fingerprint": fingerprint, **identity}
    facts = {**named, **head.facts, **named}
    make_folder(folder)
    files[FACTS] = json.dumps(facts, indent=2, ensure_ascii=False).encode() + b"\n"
    try:
        for name, content in files.items():
            (folder / f"{name}.part").write_bytes(content)  # if the disk is full, the earlier head stays
        (folder / FACTS).unlink(missing_ok=True)
        for name in files:
            (folder / f"{name}.part").replace(folder / name)
    except OSError as error:
        raise Fatal(f"the head cannot be written to {folder}: {error.strerror}") from error
    return load_head(folder)


def make_folder(folder: Path) -> None:
    """Create a folder and check that a head can be written to it.

    Raises:
        Fatal: the folder cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{FACTS}.part").write_bytes(b"")
        (folder / f"{FACTS}.part").unlink()
    except OSError as error:
        raise Fatal(f"the head cannot be written to {folder}: {error.strerror}") from error


def load_head(folder: Path) -> Head:
    """Read a head and compare its files with the checksums in `head.json`.

    Raises:
        Fatal: the folder holds no head, or a file does not match its checksum or cannot be parsed.
    """
    try:
        reported = (folder / FACTS).read_bytes()
        contents = {name: (folder / name).read_bytes() for name in (ARRAYS, TERMS, TEXTS)}
    except OSError as error:
        raise Fatal(f"{folder} holds no head: {error}; create one with `millrace router train`") from error
    try:
        facts: dict[str, Any] = json.loads(reported)
        if facts["format"] != FORMAT:
            raise Fatal(
                f"{folder / FACTS} has format {facts['format']}, but this version reads format {FORMAT}: "
                "train the head again"
            )
        for name, content in contents.items():
            if sha256(content).hexdigest() != facts["files"][name]:
                raise Fatal(f"{folder / name} does not match its checksum in {FACTS}: train the head again")
        identity = {name: facts[name] for name in ("format", "model", "labels", "files")}
        identity |= {name: facts[name] for name in INPUTS if name in facts}
        if facts["fingerprint"] != _fingerprint(identity):
            raise Fatal(
                f"{folder / FACTS} was changed by hand: its fingerprint does not match its contents; "
                "train the head again"
            )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Fatal(f"{folder / FACTS} is not a valid head file: {error!r}; train the head again") from error
    try:
        return _assembled(facts, contents)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise Fatal(f"the head in {folder} is damaged: {error}; train the head again") from error


def _assembled(facts: dict[str, Any], contents: dict[str, bytes]) -> Head:
    arrays = load(contents[ARRAYS])
    terms = json.loads(contents[TERMS])
    rows = [json.loads(line) for line in contents[TEXTS].splitlines()]
    known = arrays["known"].astype(np.float32)
    known /= np.maximum(
        np.linalg.norm(known, axis=1, keepdims=True), np.finfo(np.float32).tiny
    )  # half precision rounds
    return Head(
        labels=tuple(facts["labels"]),
        model=facts["model"],
        linear=Linear(arrays["dense"], arrays["sparse"], arrays["bias"]),
        terms=TfIdf(terms["words"], terms["pieces"], arrays["rarity"]),
        scope=Scope(*arrays["scope"].tolist()),
        known=Known(tuple(row["text"] for row in rows), tuple(row["label"] for row in rows), known),
        facts=facts,
        fingerprint=facts["fingerprint"],
        inputs=tuple(facts.get("inputs", TEXT_ALONE)),
        dims=tuple(facts.get("dims", ())),
    )


def _inputs_of(head: Head) -> dict[str, Any]:
    return {} if head.inputs == TEXT_ALONE else {"inputs": head.inputs, "dims": head.dims}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _fingerprint(identity: dict[str, Any]) -> str:
    return sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
