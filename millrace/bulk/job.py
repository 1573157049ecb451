"""What a run of `millrace embed` is: everything that its vectors depend on, so that only the same run is resumed."""

import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from millrace.bulk.inputs import Source
from millrace.bulk.work import PACKAGES, Work

Job = Mapping[str, Any]
"""The facts of a run, as JSON holds them."""

FORMAT = 1


def describe(source: Source, work: Work, shard: int) -> Job:
    """Return the facts of a run.

    The cores are one of them: with another number of threads, the last bits of a vector differ.

    Args:
        source: The inputs.
        work: The model.
        shard: Inputs that are written at once.
    """
    return {
        "format": FORMAT,
        "kind": work.kind.value,
        "model": work.card.key,
        "fingerprint": work.fingerprint,
        "length": work.length,
        "inputs": source.count,
        "inputs_state": source.digest,
        "shard": shard,
        "cores": len(os.sched_getaffinity(0)),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "options": dict(work.options),
        "versions": dict(_versions(("millrace", "numpy", *PACKAGES[work.kind]))),
    }


def differences(stored: Job, wanted: Job) -> list[str]:
    """Return what differs between two runs, in words: `model was efficientnet-lite0, is clip`."""
    return list(_differences(stored, wanted, ""))


def _differences(stored: Job, wanted: Job, prefix: str) -> Iterator[str]:
    for name in dict.fromkeys([*stored, *wanted]):
        was, now = stored.get(name), wanted.get(name)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from _differences(was, now, f"{prefix}{name}.")
        elif was != now and name == "inputs_state":
            yield "the inputs have changed (names, labels, sizes, or times of change)"
        elif was != now:
            yield f"{prefix}{name} was {was}, is {now}"


def _versions(packages: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    yield "python", platform.python_version()
    for name in packages:
        try:
            yield name, version(name)
        except PackageNotFoundError:  # it belongs to an extra that this model does not need
            continue
