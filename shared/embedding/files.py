"""The files of a model's folder and their digests: which are read, which nobody reads, and what differs from a card.

It knows folders and no cards; nothing here is imported from a model's folder or unpickled.
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
"""Names of files that people read."""

UNREAD_NAMES = frozenset({"data_config.json", "py.typed"})
"""A list of training data that lies beside models of sentence-transformers, and a mark for type checkers."""

CODE_SUFFIXES = frozenset({".py", ".pyi"})
"""Code in a model's folder is never imported: the loaders refuse it, and `trust_remote_code` is never given."""

UNREAD_FOLDERS = frozenset({"__pycache__", ".git", ".cache"})
"""Compiled code, and what git and `hf download --local-dir` keep for themselves."""


def is_inside(name: str) -> bool:
    """Whether a name is a plain relative path with forward slashes, which cannot lead out of its folder."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") for part in parts) and not re.search(r"[\\:\x00-\x1f]", name)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, which is read in blocks.

    Raises:
        Fatal: it cannot be read.
    """
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise Fatal(f"{path} cannot be read: {error.strerror}") from error


def files_of(folder: Path) -> dict[str, str]:
    """Return the table `files` of a model card: the SHA-256 of each file in a folder that a loader may read.

    Documents, code and lists of training data are left out; `docs/models.md` says how to print the table.

    Args:
        folder: A model's folder: of your own, in a package, or a snapshot in the hub's cache.

    Raises:
        Fatal: the folder cannot be read, or holds links or anything else than files and folders.
    """
    return {name: digest_of(folder / name) for name in _present(folder) if not _is_unread(name)}


def files_table(folder: Path) -> str:
    """Return `files_of` a folder as the lines that stand under `[KEY.files]` in models.toml."""
    return "\n".join(f"{json.dumps(name)} = {json.dumps(digest)}" for name, digest in files_of(folder).items())


def faults(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return what is wrong with a folder: each listed file that differs or is missing, and each file beyond the list.

    Args:
        folder: A model's folder.
        files: The SHA-256 of each file that a loader may read, by its path in the folder.

    Raises:
        Fatal: as in `files_of`.
    """
    present = _present(folder)
    listed = [fault for name, digest in files.items() if (fault := _fault(folder / name, digest, name in present))]
    beyond = [name for name in present if name not in files and not _is_unread(name)]
    return listed + [f"{folder / name} is not listed in its card: list it, or remove it" for name in beyond]


def outside_references(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return what an index of shards, `modules.json` or an adapter names that the card does not list.

    Args:
        folder: A model's folder, whose listed files are there.
        files: As in `faults`.

    Raises:
        Fatal: such a file is not what its name says.
    """
    found = []
    for name in files:
        try:
            found += _references(folder / name, PurePosixPath(name), files)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Fatal(f"{folder / name} does not hold what its name says: {error!r}") from error
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


def _fault(path: Path, digest: str, is_present: bool) -> str:
    if not is_present:
        return f"there is no {path}, which its card lists"
    found = digest_of(path)
    return "" if found == digest else f"{path} has SHA-256 {found}, its card says {digest}"


def _is_unread(name: str) -> bool:
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
                raise Fatal(f"{path} is a symbolic link: put the file itself in its place")
            yield path
        elif entry.is_dir():
            if entry.name not in UNREAD_FOLDERS:
                yield from _walk(path, blobs)
        elif stat.S_ISREG(entry.stat().st_mode):
            yield path
        else:
            raise Fatal(f"{path} is neither a file nor a folder: remove it")


def _blobs(folder: Path) -> Path | None:
    """Return where the links of a snapshot in the hub's cache lead; None for any other folder, which holds no links."""
    folder = folder.resolve()
    repository = folder.parent.parent
    is_snapshot = folder.parent.name == "snapshots" and repository.name.startswith("models--")
    return (repository / "blobs").resolve() if is_snapshot else None
