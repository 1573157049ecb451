"""The files of references: one `.safetensors` file for each subject, with the facts as JSON in its metadata."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from re import sub
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from shared.drift.baseline import QUANTILES, Baseline, Null
from shared.drift.reference import Reference, Subject
from shared.drift.totals import COUNTED, FAMILIES, Totals, remainders
from shared.errors import Fatal

FORMAT = 2
SUFFIX = ".safetensors"
COUNTS = (*COUNTED, "far")
SUMS = ("vectors", "squared_norms", "cosines")
BUILD_AGAIN = "build it again with `millrace drift reference build`"

Arrays = dict[str, NDArray[Any]]


def identified(bare: Reference, baselines: Sequence[Baseline]) -> Reference:
    """Return a reference with its baselines, and the id that follows from its content."""
    arrays, facts = _content(replace(bare, reference_id="", baselines=tuple(baselines)))
    return replace(bare, reference_id=_digest(arrays, facts), baselines=tuple(baselines))


def save_reference(reference: Reference, folder: Path) -> Path:
    """Write a reference into a folder, in place of the earlier one of its subject, and return its file.

    Raises:
        Fatal: it cannot be written.
    """
    arrays, facts = _content(reference)
    path = folder / file_name(reference.subject)
    part = path.with_name(f".{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as opened:
            opened.write(save(arrays, {"facts": json.dumps({**facts, "reference_id": reference.reference_id})}))
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(path)
    except OSError as error:
        raise Fatal(f"the reference cannot be written to {path}: {error.strerror}") from error
    return path


def load_reference(path: Path) -> Reference:
    """Read a reference and check it.

    Raises:
        Fatal: the file cannot be read, or is damaged, or was built by another version.
    """
    with _explained(path):
        with safe_open(str(path), framework="numpy") as opened:
            facts: dict[str, Any] = json.loads((opened.metadata() or {})["facts"])
            arrays: Arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (not a mapping)
        if facts["format"] != FORMAT or facts["families"] != list(FAMILIES) or facts["quantiles"] != QUANTILES.tolist():
            raise Fatal(f"the reference {path} was built by another version of Millrace; {BUILD_AGAIN}")
        reference_id = facts.pop("reference_id")
        if _digest(arrays, facts) != reference_id:
            raise Fatal(f"the reference {path} is damaged: its content does not match its id; {BUILD_AGAIN}")
        return _reference(arrays, facts, reference_id)


def load_located(path: Path, stream: str) -> Reference | None:
    """Read what workers need of a reference, without its baselines; None if it is one of another stream.

    Raises:
        Fatal: the file cannot be read, or is damaged, or was built by another version.
    """
    with _explained(path), safe_open(str(path), framework="numpy") as opened:
        if json.loads((opened.metadata() or {})["facts"])["subject"][0] != stream:
            return None
    return replace(load_reference(path), baselines=())


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise the errors of a file that is no reference as ours, with its name.

    Raises:
        Fatal: the file cannot be read, or is damaged.
    """
    try:
        yield
    except OSError as error:
        raise Fatal(f"the reference {path} cannot be read: {error}") from error
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise Fatal(f"the reference {path} is damaged: {error!r}; {BUILD_AGAIN}") from error


def file_name(subject: Subject) -> str:
    """Return the name of the file of a subject: readable, and unique by a digest."""
    readable = sub(r"[^A-Za-z0-9_-]+", "-", "-".join(subject))[:80]
    return f"{readable}-{sha256(str(subject).encode()).hexdigest()[:8]}{SUFFIX}"


def _content(reference: Reference) -> tuple[Arrays, dict[str, Any]]:
    arrays: Arrays = {"centroids": reference.centroids, "far_below": reference.far_below}
    facts: dict[str, Any] = {
        "format": FORMAT,
        "subject": list(reference.subject),
        "names": list(reference.names),
        "outlier_below": reference.outlier_below,
        "head": reference.head,
        "policy": reference.policy,
        "families": list(FAMILIES),
        "quantiles": QUANTILES.tolist(),
        "baselines": [],
        **{name: getattr(reference, name).isoformat() for name in ("made_at", "first_at", "last_at")},
    }
    for number, each in enumerate(reference.baselines):
        arrays[f"{number}.vector_sum"] = each.totals.vector_sum
        arrays[f"{number}.sums"] = np.array([float(getattr(each.totals, name)) for name in SUMS])
        for name in COUNTS:
            arrays[f"{number}.{name}"] = each.totals.counts[name]
        for null in each.nulls:
            for name in ("quantiles", "tails", "largest"):
                arrays[f"{number}.{null.items}.{name}"] = getattr(null, name)
        own: dict[str, Any] = {"slot": each.slot, "rare": {name: dict(counts) for name, counts in each.rare.items()}}
        own["classes"] = {name: list(classes) for name, classes in each.classes.items()}
        facts["baselines"].append({**own, "sizes": [null.items for null in each.nulls]})
    return {name: np.ascontiguousarray(each) for name, each in arrays.items()}, facts


def _reference(arrays: Arrays, facts: Mapping[str, Any], reference_id: str) -> Reference:
    baselines = []
    for number, each in enumerate(facts["baselines"]):
        counts = {name: arrays[f"{number}.{name}"] for name in COUNTS}
        vectors, squared_norms, cosines = map(np.asarray, arrays[f"{number}.sums"])
        vector_sum = arrays[f"{number}.vector_sum"]
        within = remainders(vector_sum, counts["centroids"], arrays["centroids"], float(cosines / vectors))
        totals = Totals(vectors, vector_sum, squared_norms, cosines, within, counts)
        nulls = tuple(
            Null(size, *(arrays[f"{number}.{size}.{name}"] for name in ("quantiles", "tails", "largest")))
            for size in each["sizes"]
        )
        baselines.append(Baseline(each["slot"], totals, each["classes"], nulls, arrays["centroids"], each["rare"]))
    return Reference(
        subject=Subject(*facts["subject"]),
        reference_id=reference_id,
        made_at=datetime.fromisoformat(facts["made_at"]),
        first_at=datetime.fromisoformat(facts["first_at"]),
        last_at=datetime.fromisoformat(facts["last_at"]),
        centroids=arrays["centroids"],
        names=tuple(facts["names"]),
        far_below=arrays["far_below"],
        outlier_below=facts["outlier_below"],
        head=facts["head"],
        policy=facts["policy"],
        baselines=tuple(baselines),
    )


def _digest(arrays: Arrays, facts: Mapping[str, Any]) -> str:
    digest = sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()[:8]
