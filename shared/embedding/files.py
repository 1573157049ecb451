"""The files of a model's folder: their digests, the files that no loader reads, and the differences from a card.

This module knows folders, not cards. It neither imports nor unpickles anything from a model's folder.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from shared.errors import Fatal

DOCUMENTS = re.compile(
    r"(README|LICEN[CS]E|NOTICE|COPYING|CITATION|USE_POLICY)([-_][\w-]+)?(\.(md|txt|rst|cff))?|\.git(attributes|ignore)",
    re.ASCII | re.IGNORECASE,
)
"""Names of documents, which people read and loaders do not."""

RECORD = "build.json"
"""The record of how `millrace models build` made a model."""

UNREAD_NAMES = frozenset({"data_config.json", "models.toml", "py.typed", RECORD})
"""Also a list of training data that comes with models of sentence-transformers, rows of models, and a marker file for
type checkers."""

CODE_SUFFIXES = frozenset({".py", ".pyi"})
"""Code in a model's folder is never imported: the loaders refuse it, and `trust_remote_code` is never set."""

UNREAD_FOLDERS = frozenset({"__pycache__", ".git", ".cache"})
"""Compiled code, and the folders in which git and `hf download --local-dir` keep their own files."""


def is_inside(name: str) -> bool:
    """Return whether a name is a plain relative path with forward slashes, which cannot lead out of its folder."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") for part in parts) and not re.search(r"[\\:\x00-\x1f]", name)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, which is read in blocks.

    Raises:
        Fatal: the file cannot be read.
    """
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise Fatal(f"{path} cannot be read: {error.strerror}") from error


def files_of(folder: Path) -> dict[str, str]:
    """Return the table `files` of a model card: the SHA-256 of each file in a folder that a loader may read.

    Documents, code and lists of training data are left out; `docs/models.md` shows how to print the table.

    Args:
        folder: A model's folder: your own, a package's, or a snapshot in the hub's cache.

    Raises:
        Fatal: the folder cannot be read, or contains links or anything other than files and folders.
    """
    return {name: digest_of(folder / name) for name in _present(folder) if not _is_ignored(name)}


def files_table(folder: Path) -> str:
    """Return `files_of` a folder as the lines under `[KEY.files]` in models.toml."""
    return "\n".join(f"{json.dumps(name)} = {json.dumps(digest)}" for name, digest in files_of(folder).items())


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder.

    Raises:
        Fatal: that cannot be found out, such as without the right to read the folder above.
    """
    try:
        return path.is_dir()
    except OSError as error:
        raise Fatal(f"{path} cannot be read: {error.strerror}") from error


def misplaced(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return as `faults` which listed files are missing and which files are not listed, without reading any file.

    Raises:
        Fatal: as in `files_of`.
    """
    present = _present(folder)
    missing = [
        f"{folder / name} does not exist, but the model's card lists it" for name in files if name not in present
    ]
    unlisted = [name for name in present if name not in files and not _is_ignored(name)]
    return missing + [f"{folder / name} is not listed in its card: list it, or remove it" for name in unlisted]


def faults(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return what is wrong with a folder: listed files that differ or are missing, and files that are not listed.

    Args:
        folder: A model's folder.
        files: The SHA-256 of each file that a loader may read, by its path in the folder.

    Raises:
        Fatal: as in `files_of`.
    """
    found = misplaced(folder, files)
    return [fault for name, digest in files.items() if (fault := _difference(folder / name, digest))] + found


def outside_references(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return the files that an index of shards, `modules.json` or an adapter names but the card does not list.

    Args:
        folder: A model's folder, in which all listed files exist.
        files: As in `faults`.

    Raises:
        Fatal: the content of such a file is not what its name promises.
    """
    found = []
    for name in files:
        try:
            found += _references(folder / name, PurePosixPath(name), files)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Fatal(f"the content of {folder / name} is not valid for a file of this name: {error!r}") from error
    return [f"{each}, which its card does not list" for each in found]


def _references(path: Path, name: PurePosixPath, files: Mapping[str, str]) -> list[str]:
    if name.name.endswith(".safetensors.index.json"):
        shards = sorted(set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()))
        return [f"{name} names the shard {shard}" for shard in shards if str(name.parent / shard) not in files]
    if name.name == "modules.json":
        paths = [module["path"] for module in json.loads(path.read_text(encoding="utf-8"))]
        return [f"{name} names the folder {each}" for each in paths if each and not is_inside(each.rstrip("/"))]
    if name.name == "adapter_config.json":
        return [
            f"{name} names the base model {json.loads(path.read_text(encoding='utf-8'))['base_model_name_or_path']}"
        ]
    return []


def _difference(path: Path, digest: str) -> str:
    if not path.exists():
        return ""
    found = digest_of(path)
    return "" if found == digest else f"{path} has SHA-256 {found}, but the model's card states {digest}"


def _is_ignored(name: str) -> bool:
    path = PurePosixPath(name)
    return DOCUMENTS.fullmatch(path.name) is not None or path.name in UNREAD_NAMES or path.suffix in CODE_SUFFIXES


def _present(folder: Path) -> list[str]:
    """Return the path of every file in a folder, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in _walk(folder, _blobs(folder)))


def _walk(folder: Path, blobs: Path | None) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise Fatal(f"{folder} cannot be read: {error.strerror}") from error
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink():
            if blobs is None or path.resolve().parent != blobs or not path.is_file():
                raise Fatal(f"{path} is a symbolic link: replace it with the file itself")
            yield path
        elif entry.is_dir():
            if entry.name not in UNREAD_FOLDERS:
                yield from _walk(path, blobs)
        elif stat.S_ISREG(entry.stat().st_mode):
            yield path
        else:
            raise Fatal(f"{path} is neither a file nor a folder: remove it")


def _blobs(folder: Path) -> Path | None:
    """Return the folder to which a snapshot's links in the hub's cache lead; None for a folder that is no snapshot."""
    folder = folder.resolve()
    repository = folder.parent.parent
    is_snapshot = folder.parent.name == "snapshots" and repository.name.startswith("models--")
    return (repository / "blobs").resolve() if is_snapshot else None
