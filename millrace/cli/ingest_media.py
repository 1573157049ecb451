"""The part of `millrace ingest` that sends recordings and pictures."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from millrace.bars import bar
from millrace.ingest.media_files import files_to_send
from millrace.ingest.media_sending import MediaReport, MediaSender
from shared.decoding import printable
from shared.engine.stream import Stream
from shared.media.uploading import uploader_of
from shared.records import Message
from shared.settings import Settings

NAMED = 20
"""Refused files that are named; the JSON names all."""


@dataclass(frozen=True, slots=True)
class MediaJob:
    """An import of media.

    Attributes:
        stream: The stream.
        source: A folder or a manifest.
        tenant_id: The tenant of files without a tenant of their own.
        constants: Values that every event has.
        dry_run: Whether nothing is sent or uploaded.
        skip_bad: Whether refused files are accepted.
    """

    stream: Stream[Any, Any]
    source: Path
    tenant_id: str
    constants: Mapping[str, str]
    dry_run: bool
    skip_bad: bool


class DryUploader:
    """Uploads nothing, for a dry run."""

    def put(self, name: str, content: bytes) -> str:
        """Return a reference to nothing."""
        return f"file:///dry-run/{name}"


def ingest_media(job: MediaJob, settings: Settings, deliver: Callable[[list[Message]], None], json: bool) -> None:
    """Send the files of a folder or a manifest, and report.

    Raises:
        typer.Exit: a file was refused, or nothing was sent.
        Fatal: the source cannot be read, or a file cannot be uploaded.
        Unavailable: the broker does not confirm.
    """
    files = files_to_send(job.source, job.stream.required_ids)
    uploader = uploader_of(settings.media)
    if job.dry_run and uploader is not None:
        uploader = DryUploader()
    sender = MediaSender(job.stream, job.tenant_id, job.constants, settings.media.max_mib << 20, uploader)
    with bar(f"{'check' if job.dry_run else 'ingest'} {job.source.name}", len(files)) as advance:
        report = sender.send(files, deliver, advance)
    if json:
        typer.echo(report.as_json())
    else:
        _print(report, job)
    if not report.sent or (report.refused and not job.skip_bad):
        raise typer.Exit(1)


def refuse_options(given: Mapping[str, object]) -> None:
    """Refuse options that only tables of tickets have.

    Raises:
        typer.BadParameter: one was given.
    """
    for name, value in given.items():
        if value:
            raise typer.BadParameter(f"{name} is for tables of tickets: a manifest names its columns as the fields")


def _print(report: MediaReport, job: MediaJob) -> None:
    verb = "would send" if job.dry_run else "sent"
    uploaded = f", {report.uploaded} of them uploaded to a store" if report.uploaded and not job.dry_run else ""
    typer.echo(f"{verb} {report.sent} {job.stream.name}{uploaded}; refused {len(report.refused)}")
    for name, why in list(report.refused.items())[:NAMED]:
        sys.stderr.write(f"refused {printable(name)}: {printable(why)}\n")
    if len(report.refused) > NAMED:
        sys.stderr.write(f"and {len(report.refused) - NAMED} more: --json names all\n")
