"""Models of pictures that were converted for OpenVINO once, kept in the folder of models.

Converting imports torch, timm and transformers. A worker that reads what was kept starts several times as fast, and its
memory is a fifth (`docs/performance.md`). A folder's name has the digest of everything that the content was made from, so
that another version of a library gets another folder.
"""

import json
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import openvino as ov

from shared.embedding.files import digest_of
from shared.embedding.image.classes import ClassHead
from shared.embedding.openvino.converted import Converted
from shared.embedding.registry import ImageCard
from shared.embedding.sources import models_folder
from shared.errors import Fatal
from shared.logs import get_logger

FORM = 1
"""The form of what is kept; another one is made again."""

LIBRARIES = ("openvino", "torch", "timm", "transformers")
RECORD, GRAPH, WEIGHTS, ARRAYS = "made.json", "model.xml", "model.bin", "arrays.npz"

log = get_logger("embedding")


def converted(card: ImageCard) -> Converted:
    """Return the converted model of a card: the one that was kept, or a new one, which is kept if the folder allows it.

    Raises:
        Unsupported: OpenVINO cannot compute the model.
        Fatal: the files differ from the card, or its model does.
    """
    card.check_files()
    made_from = _made_from(card)
    digest = sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
    folder = models_folder() / f"{card.key}-openvino-{digest[:16]}"
    if folder.is_dir():
        try:
            return _read(folder, card)
        except (Fatal, OSError, ValueError, KeyError, RuntimeError) as error:
            log.warning("the converted model is made again", folder=str(folder), reason=str(error))
    from shared.embedding.openvino.converting import convert

    found = convert(card)
    try:
        _keep(found, folder, made_from)
        return _read(folder, card)
    except OSError as error:
        log.warning("the converted model cannot be kept, so each start converts it", reason=str(error))
    with tempfile.TemporaryDirectory() as temporary:  # as it was stored, it rounds as in other processes
        _write(found, Path(temporary), made_from)
        return _read(Path(temporary), card)


def _made_from(card: ImageCard) -> Mapping[str, Any]:
    """Return everything that a converted model depends on."""
    return {
        "form": FORM,
        "card": card.model_dump(mode="json", exclude={"key", "source", "parts", "licence"}),
        "libraries": {each: _version(each) for each in LIBRARIES},
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _read(folder: Path, card: ImageCard) -> Converted:
    """Read what was kept.

    Raises:
        Fatal: a file is not as it was written.
        OSError: a file cannot be read.
        ValueError: the content of a file is not valid.
        KeyError: a file lacks a part.
        RuntimeError: OpenVINO cannot read the graph.
    """
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    for name in (GRAPH, WEIGHTS, ARRAYS):
        if digest_of(folder / name) != record["files"][name]:
            raise Fatal(f"{name} is not as it was written")
    with np.load(folder / ARRAYS) as arrays:
        head = None
        if card.feature_norm is not None:
            head = ClassHead(tuple(record["classes"]), arrays["weight"], arrays["bias"], card.feature_norm)
        return Converted(ov.Core().read_model(folder / GRAPH), record["pooling"], head, arrays["vectors"])


def _keep(found: Converted, folder: Path, made_from: Mapping[str, Any]) -> None:
    """Write a converted model; the first process that completes its folder gives it its name.

    Raises:
        OSError: it cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".converting-", dir=folder.parent) as temporary:
        built = Path(temporary) / "model"
        built.mkdir()
        _write(found, built, made_from)
        rmtree(folder, ignore_errors=True)
        try:
            built.rename(folder)
        except OSError:
            if not folder.is_dir():  # if it exists, another process was faster
                raise


def _write(found: Converted, folder: Path, made_from: Mapping[str, Any]) -> None:
    ov.save_model(found.graph, folder / GRAPH, compress_to_fp16=False)
    head = found.class_head
    arrays: dict[str, Any] = {"vectors": found.vectors}
    if head is not None:
        arrays |= {"weight": head.weight, "bias": head.bias}
    np.savez(folder / ARRAYS, **arrays)
    files = {name: digest_of(folder / name) for name in (GRAPH, WEIGHTS, ARRAYS)}
    classes = None if head is None else head.names
    record = {"made_from": made_from, "files": files, "pooling": found.pooling, "classes": classes}
    (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
