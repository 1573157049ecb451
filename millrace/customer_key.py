"""The key of the digests that stand for customers' addresses: configured, or made once beside an embedded store."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from shared.errors import Fatal
from shared.settings import KEY_LEAST_CHARS, Settings

SUFFIX = ".customer-key"
KEY_BYTES = 32
SETTING = "MILLRACE_PRIVACY__CUSTOMER_KEY"


def customer_key(settings: Settings) -> bytes:
    """Return the configured key or, for an embedded store, the one beside it, which is made if it is missing.

    Raises:
        Fatal: none is configured for a store that several workers share, or the file cannot be read or made.
    """
    configured = settings.privacy.customer_key
    if configured is not None:
        return configured.get_secret_value().strip().encode()
    if settings.store.url is not None:
        raise Fatal(
            f"{SETTING} is not set: all workers that write to {settings.store.url} need the same key, so that one "
            "customer stays one; `openssl rand -hex 32` makes one"
        )
    path = key_file(settings)
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        raise _unusable(path, error) from error
    return read_key(path)


def key_file(settings: Settings) -> Path:
    """Return where the key of an embedded store is kept: beside its folder, under its name.

    Raises:
        Fatal: the store has no folder of its own.
    """
    path = settings.store.path.absolute()
    if not path.name:
        raise Fatal(f"no key can be kept beside a store in {path}: set {SETTING}, or MILLRACE_STORE__PATH to a folder")
    return path.with_name(path.name + SUFFIX)


def read_key(path: Path) -> bytes:
    """Return the key that a file holds.

    Raises:
        Fatal: it cannot be read, or holds no key.
    """
    try:
        kept = path.read_bytes().strip()
    except OSError as error:
        raise _unusable(path, error) from error
    if len(kept) < KEY_LEAST_CHARS:
        raise Fatal(f"{path} holds no key of {KEY_LEAST_CHARS} characters or more; restore it, or set {SETTING}")
    return kept


def _unusable(path: Path, error: OSError) -> Fatal:
    why = error.strerror or type(error).__name__
    return Fatal(f"{path}, the key of customers' ids, cannot be read or made: {why}; set {SETTING}")


def _make(path: Path) -> None:
    """Make the file in one step, whole and for this user alone; one that another process made meanwhile wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as opened:  # noqa: PTH123  (a descriptor has no path)
            opened.write(secrets.token_hex(KEY_BYTES) + "\n")
            opened.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
