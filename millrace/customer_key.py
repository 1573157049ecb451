"""The key of the digests that replace customers' addresses: configured, or created once beside an embedded store."""

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
    """Return the configured key or, for an embedded store, the one beside it, which is created if it is missing.

    Raises:
        Fatal: no key is configured for a store that several workers share, or the file cannot be read or created.
    """
    configured = settings.privacy.customer_key
    if configured is not None:
        return configured.get_secret_value().strip().encode()
    if settings.store.url is not None:
        raise Fatal(
            f"{SETTING} is not set: all workers that write to {settings.store.url} need the same key, so that each "
            "customer keeps one id; create a key with `openssl rand -hex 32`"
        )
    path = key_file(settings)
    try:
        if not path.exists():
            _create(path)
    except OSError as error:
        raise _unusable(path, error) from error
    return read_key(path)


def key_file(settings: Settings) -> Path:
    """Return the path of an embedded store's key file: beside the store's folder, with the folder's name.

    Raises:
        Fatal: the store has no folder of its own.
    """
    path = settings.store.path.absolute()
    if not path.name:
        raise Fatal(
            "MILLRACE_STORE__PATH is "
            f"{path}, so no "
            "key file "
            "can be put "
            "beside it: set "
            f"{SETTING}, or set "
            "MILLRACE_STORE__PATH to "
            "another folder"
        )
    return path.with_name(path.name + SUFFIX)


def read_key(path: Path) -> bytes:
    """Return the key in a file.

    Raises:
        Fatal: the file cannot be read, or contains no key.
    """
    try:
        kept = path.read_bytes().strip()
    except OSError as error:
        raise _unusable(path, error) from error
    if len(kept) < KEY_LEAST_CHARS:
        raise Fatal(
            f"{path} contains no key of {KEY_LEAST_CHARS} characters or more; restore the file, or set {SETTING}"
        )
    return kept


def _unusable(path: Path, error: OSError) -> Fatal:
    why = error.strerror or type(error).__name__
    return Fatal(f"{path}, the key for customers' ids, cannot be read or created: {why}; set {SETTING}")


def _create(path: Path) -> None:
    """Create the file atomically, readable by this user only; a file that another process created meanwhile wins."""
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
