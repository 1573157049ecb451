"""The check of the key by which customers' ids are digested."""

from collections.abc import Iterator

from millrace.customer_key import SETTING, key_file, read_key
from millrace.doctor.finding import Finding
from shared.settings import Settings

PART = "customer key"
OTHERS_MAY_READ = 0o077
FIX = f"set {SETTING} to the same value for all workers; `openssl rand -hex 32` makes one"


def check_customer_key(settings: Settings) -> Iterator[Finding]:
    """Find where the key comes from, and whether others may read it. A key is not made here, and never shown."""
    if settings.privacy.customer_key is not None:
        yield Finding(PART, "ok", f"{SETTING} is set; the same value must be set for every worker")
        return
    if settings.store.url is not None:
        yield Finding(PART, "wrong", f"{SETTING} is not set, and no worker starts on a server without it", FIX)
        return
    path = key_file(settings)
    if not path.exists() and settings.store.path.exists():
        lost = f"there is a store, and no {path}: the next worker makes another key, so all customers become others"
        yield Finding(PART, "warning", lost, "restore it, unless the store is older than its key")
        return
    if not path.exists():
        yield Finding(PART, "ok", f"the first worker makes {path}; keep it with the store")
        return
    read_key(path)
    if path.stat().st_mode & OTHERS_MAY_READ:
        yield Finding(PART, "warning", f"other users may read {path}", f"chmod 600 {path}")
    else:
        yield Finding(PART, "ok", f"{path} holds it; keep it with the store")
