"""Checks the customer key, with which customers' ids are replaced by digests."""

from collections.abc import Iterator

from millrace.customer_key import SETTING, key_file, read_key
from millrace.doctor.finding import Finding
from shared.settings import Settings

PART = "customer key"
OTHERS_MAY_READ = 0o077
FIX = f"set {SETTING} to the same value for all workers; create one with `openssl rand -hex 32`"


def check_customer_key(settings: Settings) -> Iterator[Finding]:
    """Find where the key comes from, and whether other users may read it. No key is created here, or ever shown."""
    if settings.privacy.customer_key is not None:
        yield Finding(PART, "ok", f"{SETTING} is set; the same value must be set for every worker")
        return
    if settings.store.url is not None:
        yield Finding(
            PART, "wrong", f"{SETTING} is not set; with a store on a server, workers do not start without it", FIX
        )
        return
    path = key_file(settings)
    if not path.exists() and settings.store.path.exists():
        lost = f"the store exists, but {path} is missing: the next worker creates a new key, so all customer ids change"
        yield Finding(
            PART,
            "warning",
            lost,
            "restore the file from a backup; if the store never had a key, nothing needs to be done",
        )
        return
    if not path.exists():
        yield Finding(PART, "ok", f"the first worker creates {path}; keep it with the store")
        return
    read_key(path)
    if path.stat().st_mode & OTHERS_MAY_READ:
        yield Finding(PART, "warning", f"other users may read {path}", f"chmod 600 {path}")
    else:
        yield Finding(PART, "ok", f"{path} contains the key; keep it with the store")
