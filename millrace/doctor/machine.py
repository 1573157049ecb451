"""Checks of this machine: whether folders can be written, free space on their disks, and the port of the probes."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from millrace.doctor.finding import Finding
from shared.errors import Unavailable
from shared.operation.control import NotAWorker, WorkerControl
from shared.settings import OperationSettings, Settings

LITTLE_BYTES = 1 << 30
TOO_LITTLE_BYTES = 100 << 20
RIGHTS = ((os.W_OK, "write"), (os.X_OK, "enter"))


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest parent that exists, as far as this user can see."""
    return next((each for each in (folder, *folder.absolute().parents) if _exists(each)), Path())


def _exists(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError:  # this user may not enter a folder above it
        return False


def why_unusable(folder: Path) -> str | None:
    """Return why this user cannot write to a folder or create it; None if the user can."""
    nearest = existing(folder)
    if not nearest.is_dir():
        return f"{nearest} is not a folder"
    missing = [word for right, word in RIGHTS if not os.access(nearest, right)]
    return f"user {os.getuid()} may not {' or '.join(missing)} {nearest}" if missing else None


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Check the folder for commands' progress and large media, and the disk space for it and for the embedded store."""
    state = settings.operation.state_dir
    why = why_unusable(state)
    if why is None:
        yield Finding("state", "ok", f"{state} can be written")
    else:
        what, rights = (
            "ingest keeps its progress there, and workers large media",
            "change the folder's owner or permissions",
        )
        fix = f"{what}: set MILLRACE_OPERATION__STATE_DIR, or {rights}"
        yield Finding("state", "wrong", f"{state} cannot be written: {why}", fix)
    folders = [state] if settings.store.url else [state, settings.store.path]
    disks = {nearest.stat().st_dev: nearest.resolve() for nearest in map(existing, folders)}
    for nearest in disks.values():
        yield free_space(nearest, shutil.disk_usage(nearest).free)


def free_space(folder: Path, free_bytes: int) -> Finding:
    """Return the finding for the free space on a folder's disk."""
    reported = f"{free_bytes / (1 << 30):.1f} GiB free on the disk of {folder}"
    if free_bytes < TOO_LITTLE_BYTES:
        return Finding("disk", "wrong", reported, "free some disk space: when the disk is full, the worker pauses")
    return (
        Finding("disk", "warning", reported, "free some disk space")
        if free_bytes < LITTLE_BYTES
        else Finding("disk", "ok", reported)
    )


def check_port(settings: OperationSettings) -> Iterator[Finding]:
    """Check whether the port of the probes is free, and if not, what answers there."""
    if settings.port == 0:
        yield Finding("port", "skipped", "configured as 0: the worker picks a free port")
        return
    where = f"port {settings.port} on {settings.host}"
    fix = "set MILLRACE_OPERATION__PORT to another port"
    try:
        faults = WorkerControl.of(settings).faults()
    except NotAWorker:
        yield Finding("port", "wrong", f"{where} is used by a program that is not a worker", fix)
    except Unavailable:
        error = _bind(settings)
        yield (
            Finding("port", "wrong", f"{where} cannot be bound: {error}", fix)
            if error
            else Finding("port", "ok", f"{where} is free: no worker answers here")
        )
    else:
        if faults:
            reasons = "; ".join(f"{part}: {reason}" for part, reason in faults.items())
            fix = "see docs/operations.md, When it is not ready"
            yield Finding("port", "warning", f"a worker answers on {where} and is not ready: {reasons}", fix)
        else:
            yield Finding("port", "ok", f"a worker answers on {where} and is ready")


def _bind(settings: OperationSettings) -> str | None:
    """Return why the port cannot be bound; None if it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return error.strerror or type(error).__name__
    return None
