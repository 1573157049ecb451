"""Where a model's files lie: an installed package, several packages whose parts are joined, a folder, or the hub's cache.

It fetches nothing. What is in the files is compared with the card by `shared.embedding.files`.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from shared.embedding.files import is_inside
from shared.errors import Fatal

FORMS = "package:NAME, package:NAME+NAME, path:DIR, or hub:ORG/NAME@REVISION with a REVISION of 40 hex digits"
SOURCE = re.compile(
    r"package:[A-Za-z_][\w.]*(\+[A-Za-z_][\w.]*)*|path:.+|hub:\w[\w.-]*/\w[\w.-]*@[0-9a-f]{40}", re.ASCII
)
BLOCK_BYTES = 1 << 20

Parts = Mapping[str, Sequence[str]]
"""By name of a file: what it is joined of, in order, each as PACKAGE/PATH; of one part, it is that file."""


class NotInstalled(Fatal):
    """A package that a source needs is missing."""


def default_cache() -> Path:
    """Return the folder that joined files are kept in: `millrace/models` in the user's cache, as XDG says where it is."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "millrace" / "models"


def is_joined(source: str, parts: Parts) -> bool:
    """Whether a folder of a source is made by joining, and so can be made again."""
    return bool(parts) or (source.startswith("package:") and "+" in source)


def locate(source: str, files: Mapping[str, str], parts: Parts, cache: Path | None = None) -> Path:
    """Return the folder that holds a model's files; where they have to be joined, it is made once.

    Args:
        source: One of `FORMS`.
        files: The SHA-256 of each file, by its path in the folder.
        parts: Which files are joined of what.
        cache: Where joined files are kept; see `default_cache`.

    Raises:
        NotInstalled: a package is missing.
        Fatal: the folder or a file is missing, or what was joined is another file than the card says.
    """
    kind, _, where = source.partition(":")
    if kind == "path":
        folder = Path(where)
    elif kind == "hub":
        folder = _snapshot(where, list(files))
    elif is_joined(source, parts):
        folder = _joined(where.split("+"), files, parts, cache or default_cache())
    else:
        folder = _model_folder(where, files)
    if not folder.is_dir():
        raise Fatal(f"there is no folder {folder}")
    return folder


def _snapshot(where: str, names: Sequence[str]) -> Path:
    repository, _, revision = where.partition("@")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise NotInstalled("package huggingface_hub is not installed") from error
    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except (OSError, ValueError) as error:
        fetch = f"hf download {repository} {' '.join(names)} --revision {revision}"
        raise Fatal(f"{where} is not in the hub's cache on this machine; fetch it with: {fetch}") from error


def _package_folder(name: str) -> Path:
    """Return where a package is installed, without importing it."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise NotInstalled(f"package {name} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def _model_folder(name: str, files: Mapping[str, str]) -> Path:
    """Return a package's `MODEL_DIR`, or the package's own folder where it has none."""
    folder = _package_folder(name)
    try:
        folder = Path(getattr(import_module(name), "MODEL_DIR", folder))
    except ImportError as error:
        raise NotInstalled(f"package {name} is not installed") from error
    if not any((folder / each).exists() for each in files):
        raise Fatal(f"package {name} holds none of the model's files in {folder}")
    return folder


def _joined(packages: Sequence[str], files: Mapping[str, str], parts: Parts, cache: Path) -> Path:
    """Return the folder of the joined files; whoever makes it first renames it into its place, complete and checked."""
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    folder = cache / f"{packages[0]}-{digest[:16]}"
    if folder.is_dir():
        return folder
    folders = {name: _package_folder(name) for name in packages}
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".joining-", dir=cache) as temporary:
            made = Path(temporary) / "model"
            for name, wanted in files.items():
                _join(made / name, _origins(name, folders, parts), wanted)
            _put(made, folder)
    except OSError as error:
        raise Fatal(f"the parts of {'+'.join(packages)} cannot be joined in {cache}: {error}") from error
    return folder


def _put(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():  # where it is there, another process was first, and its files were checked as ours
            raise


def _origins(name: str, folders: Mapping[str, Path], parts: Parts) -> list[Path]:
    """Return the files that a file is joined of."""
    if name not in parts:
        found = [folder / name for folder in folders.values() if (folder / name).is_file()]
        if len(found) != 1:
            raise Fatal(f"{len(found)} of the packages {'+'.join(folders)} hold {name}: say in parts which it is")
        return found
    origins = []
    for part in parts[name]:
        package, _, inner = part.partition("/")
        if not (folders[package] / inner).is_file():
            raise Fatal(f"package {package} holds no {inner}, a part of {name}")
        origins.append(folders[package] / inner)
    return origins


def _join(target: Path, origins: Sequence[Path], wanted: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("wb") as joined:
        for origin in origins:
            with origin.open("rb") as opened:
                while block := opened.read(BLOCK_BYTES):
                    digest.update(block)
                    joined.write(block)
    if digest.hexdigest() != wanted:
        named = " + ".join(str(origin) for origin in origins)
        raise Fatal(f"{target.name} of {named} has SHA-256 {digest.hexdigest()}, its card says {wanted}")


def check_parts(source: str, files: Mapping[str, str], parts: Parts) -> None:
    """Check that parts can be meant.

    Raises:
        ValueError: one is of a file that is not listed, or of a package that the source does not name, or leads out of it.
    """
    kind, _, where = source.partition(":")
    if parts and kind != "package":
        raise ValueError("only files of packages have parts")
    for name, pieces in parts.items():
        if name not in files:
            raise ValueError(f"{name} has parts and is not listed in files")
        for piece in pieces:
            package, _, inner = piece.partition("/")
            if package not in where.split("+") or not is_inside(inner):
                raise ValueError(f"{piece} is not PACKAGE/PATH with one of the packages {where} and a path inside it")
        if not pieces:
            raise ValueError(f"{name} has no parts")
