"""The places of a model's files: the folder of models; a package, several packages, a folder, or the hub's cache.

This module downloads nothing, which `shared.embedding.fetching` does, and `shared.embedding.files` compares the content
of the files with the card.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field

from shared.embedding.files import is_folder, is_inside
from shared.errors import Fatal
from shared.settings import OperationSettings, Variables

FORMS = "package:NAME, package:NAME+NAME, path:DIR, or hub:ORG/NAME@REVISION with a REVISION of 40 hex digits"
SOURCE = re.compile(
    r"package:[A-Za-z_][\w.]*(\+[A-Za-z_][\w.]*)*|path:.+|hub:\w[\w.-]*/\w[\w.-]*@[0-9a-f]{40}", re.ASCII
)
BLOCK_BYTES = 1 << 20
NAME_CHARACTERS = 200
"""The most of a source's name in the name of a folder; file systems accept 255 bytes."""

Parts = Mapping[str, Sequence[str]]
"""By file name: the parts to join, in order, each as PACKAGE/PATH; with a single part, the file is a copy of it."""


class NotInstalled(Fatal):
    """A package that a source needs is missing."""


class NotFetched(Fatal):
    """The files of a model are not on this machine."""


class _Place(Variables):
    operation: OperationSettings = Field(default_factory=OperationSettings)


def models_folder() -> Path:
    """Return the folder of fetched and joined models: by the settings, else in the user's cache as XDG defines it."""
    configured = _Place().operation.models_dir
    if configured is not None:
        return configured
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "millrace" / "models"


def is_joined(source: str, parts: Parts) -> bool:
    """Return whether the folder of a source is created by joining parts, and so can be created again."""
    return bool(parts) or (source.startswith("package:") and "+" in source)


def fetched_folder(source: str, files: Mapping[str, str], folder: Path) -> Path:
    """Return where the files of a source are in the folder of models: two cards with the same files share it."""
    kind, _, where = source.partition(":")
    name = where.split("+")[0] if kind == "package" else where.partition("@")[0].replace("/", "--")
    if kind == "path":
        name = re.sub(r"[^\w.-]", "_", Path(where).name, flags=re.ASCII) or "model"
    name = name[:NAME_CHARACTERS]
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return folder / f"{name}-{digest[:16]}"


def locate(source: str, files: Mapping[str, str], parts: Parts, cache: Path | None = None) -> Path:
    """Return the folder that holds a model's files; if they have to be joined, it is created once.

    Args:
        source: The source, in one of `FORMS`.
        files: The SHA-256 of each file, by its path in the folder.
        parts: The files that are joined, and their parts.
        cache: The folder of models, which is looked at first; see `models_folder`.

    Raises:
        NotInstalled: a package is missing.
        NotFetched: the folder is missing.
        Fatal: a file is missing, or a joined file differs from the card.
    """
    kind, _, where = source.partition(":")
    folder = fetched_folder(source, files, cache or models_folder())
    if is_folder(folder):
        return folder
    if is_joined(source, parts):
        return _joined(where.split("+"), files, parts, folder)
    return _model_folder(where, files) if kind == "package" else _own_folder(kind, where)


def pieces_of(source: str, files: Mapping[str, str], parts: Parts) -> Callable[[str], Sequence[Path]]:
    """Return where each file of a source is, apart from the folder of models: several files are to be joined.

    Raises:
        NotInstalled: a package is missing.
        NotFetched: the folder is missing.
        Fatal: a file is missing.
    """
    kind, _, where = source.partition(":")
    if is_joined(source, parts):
        folders = {name: _package_folder(name) for name in where.split("+")}
        return lambda name: _origins(name, folders, parts)
    folder = _model_folder(where, files) if kind == "package" else _own_folder(kind, where)
    return lambda name: [folder / name]


def _own_folder(kind: str, where: str) -> Path:
    folder = _snapshot(where) if kind == "hub" else Path(where)
    if not is_folder(folder):
        raise NotFetched(f"folder {folder} does not exist")
    return folder


def _snapshot(where: str) -> Path:
    repository, _, revision = where.partition("@")
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except (ImportError, OSError, ValueError) as error:
        raise NotFetched(f"{where} is not on this machine") from error


def _package_folder(name: str) -> Path:
    """Return the folder in which a package is installed, without importing the package."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise NotInstalled(f"package {name} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def _model_folder(name: str, files: Mapping[str, str]) -> Path:
    """Return a package's `MODEL_DIR`, or the package's own folder if it has no `MODEL_DIR`."""
    folder = _package_folder(name)
    try:
        folder = Path(getattr(import_module(name), "MODEL_DIR", folder))
    except ImportError as error:
        raise NotInstalled(f"package {name} is not installed") from error
    if not any((folder / each).exists() for each in files):
        raise Fatal(f"package {name} contains none of the model's files in {folder}")
    return folder


def _joined(packages: Sequence[str], files: Mapping[str, str], parts: Parts, folder: Path) -> Path:
    """Create the folder of the joined files; the first process that completes and checks it gives it its final name."""
    folders = {name: _package_folder(name) for name in packages}
    cache = folder.parent
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".joining-", dir=cache) as temporary:
            built = Path(temporary) / "model"
            for name, expected in files.items():
                _join(built / name, _origins(name, folders, parts), expected)
            _move(built, folder)
    except OSError as error:
        raise Fatal(f"the parts of {'+'.join(packages)} cannot be joined in {cache}: {error}") from error
    return folder


def _move(built: Path, folder: Path) -> None:
    try:
        built.rename(folder)
    except OSError:
        if not folder.is_dir():  # if it exists, another process was faster, and has checked its files too
            raise


def _origins(name: str, folders: Mapping[str, Path], parts: Parts) -> list[Path]:
    """Return the files that are joined to the named file."""
    if name not in parts:
        found = [folder / name for folder in folders.values() if (folder / name).is_file()]
        if len(found) != 1:
            raise Fatal(
                f"{len(found)} of the packages {'+'.join(folders)} contain {name}, but it must be in exactly one: "
                "list its parts in the card"
            )
        return found
    origins = []
    for part in parts[name]:
        package, _, inner = part.partition("/")
        if not (folders[package] / inner).is_file():
            raise Fatal(f"package {package} does not contain {inner}, a part of {name}")
        origins.append(folders[package] / inner)
    return origins


def _join(target: Path, origins: Sequence[Path], expected: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("wb") as joined:
        for origin in origins:
            with origin.open("rb") as opened:
                while block := opened.read(BLOCK_BYTES):
                    digest.update(block)
                    joined.write(block)
    if digest.hexdigest() != expected:
        named = " + ".join(str(origin) for origin in origins)
        raise Fatal(
            f"{target.name} joined from {named} has SHA-256 {digest.hexdigest()}, but the model's card states {expected}"
        )


def check_parts(source: str, files: Mapping[str, str], parts: Parts) -> None:
    """Check the parts of a card.

    Raises:
        ValueError: parts belong to a file that is not listed, a part is in a package that the source does not name, its
            path leads out of the package, the list of parts is empty, or the source does not name packages.
    """
    kind, _, where = source.partition(":")
    if parts and kind != "package":
        raise ValueError("only a source of packages can have parts: remove the parts, or name packages as the source")
    for name, pieces in parts.items():
        if name not in files:
            raise ValueError(f"{name} has parts but is not listed in files: list it there")
        for piece in pieces:
            package, _, inner = piece.partition("/")
            if package not in where.split("+") or not is_inside(inner):
                raise ValueError(f"{piece} is not valid: expected PACKAGE/PATH, where PACKAGE is one of {where}")
        if not pieces:
            raise ValueError(f"{name} has an empty list of parts: name its parts, or remove the entry")
