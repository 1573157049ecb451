"""Sends media as events: small ones inline, large ones uploaded first."""

import json
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from millrace.ingest.media_files import MediaFile
from schemas.base import SCHEMA_VERSION
from schemas.media import Media
from shared.engine.stream import Imported, Stream
from shared.errors import Fatal
from shared.media.decoding.kinds import kind_of, looks_like
from shared.media.uploading import Uploader, medium_of
from shared.records import Message

ATTRIBUTE = "attributes."
CHUNK = 16
"""Files that are confirmed together; their contents are in memory at the same time."""


class Unusable(Exception):
    """A file that cannot be sent; the message says why."""


@dataclass(slots=True)
class MediaReport:
    """What became of the files.

    Attributes:
        sent: Number of files that were sent, or would be sent in a dry run.
        uploaded: Number of them that were too large to be inline.
        refused: Why others were not sent, by their names.
    """

    sent: int = 0
    uploaded: int = 0
    refused: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> str:
        """Return the report as a JSON object."""
        refused = [{"file": name, "reason": why} for name, why in self.refused.items()]
        return json.dumps({"sent": self.sent, "uploaded": self.uploaded, "refused": refused}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class MediaSender:
    """Makes events of files.

    Attributes:
        stream: The stream; it says which field holds the medium, and which kinds it accepts.
        tenant_id: The tenant of files without a tenant of their own.
        constants: Values that every event has, by field.
        limit_bytes: The largest file.
        uploader: Writes files that are too large to be inline; None if no place is configured.
    """

    stream: Stream[Any, Any]
    tenant_id: str
    constants: Mapping[str, str]
    limit_bytes: int
    uploader: Uploader | None
    _keys: set[bytes | None] = field(default_factory=set)

    def send(
        self, files: Sequence[MediaFile], deliver: Callable[[list[Message]], None], advance: Callable[[int], None]
    ) -> MediaReport:
        """Send files in chunks, each confirmed before the next; sending again does no harm.

        Raises:
            Unavailable: the broker does not confirm.
            Fatal: a file cannot be uploaded.
        """
        report = MediaReport()
        for begin in range(0, len(files), CHUNK):
            some = files[begin : begin + CHUNK]
            messages = list(self._messages(some, report))
            deliver(messages)
            report.sent += len(messages)
            advance(len(some))
        return report

    def _messages(self, files: Sequence[MediaFile], report: MediaReport) -> Iterator[Message]:
        for file in files:
            try:
                message, is_inline = self.message(file)
            except Unusable as error:
                report.refused[file.shown] = str(error)
                continue
            if message.key in self._keys:
                report.refused[file.shown] = "another file has the same tenant and id"
                continue
            self._keys.add(message.key)
            report.uploaded += not is_inline
            yield message

    def message(self, file: MediaFile) -> tuple[Message, bool]:
        """Return the record of a file, and whether its content is inline.

        Raises:
            Unusable: the file cannot be sent.
            Fatal: it cannot be uploaded.
        """
        imported = self._imported
        content = self._content(file)
        kind = kind_of(content)
        if kind not in imported.kinds:
            kinds = ", ".join(each.upper() for each in imported.kinds)
            raise Unusable(f"it is {looks_like(content)}; accepted kinds are {kinds}")
        digest = sha256(content).hexdigest()
        self._event(file, Media(uri="file:///checked-before-upload", sha256=digest))
        medium = medium_of(content, digest, f".{kind}", self.uploader)
        if medium is None:
            raise Unusable(
                f"it has {len(content)} bytes, more than fit into an event: set MILLRACE_MEDIA__UPLOAD_TO to a bucket or "
                "a folder that the workers read from"
            )
        event = self._event(file, medium)
        value = event.model_dump_json(exclude_none=True).encode()
        return Message(self.stream.name, self.stream.key(event), value), medium.uri is None

    @property
    def _imported(self) -> Imported:
        if self.stream.imported is None:
            raise Fatal(f"the stream {self.stream.name} has no media to import")
        return self.stream.imported

    def _content(self, file: MediaFile) -> bytes:
        try:
            if not stat.S_ISREG(file.path.stat().st_mode):
                raise Unusable("it is not a regular file")
            with file.path.open("rb") as opened:
                content = opened.read(self.limit_bytes + 1)
        except (OSError, ValueError) as error:
            raise Unusable(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from error
        if not content:
            raise Unusable("it is empty")
        if len(content) > self.limit_bytes:
            raise Unusable(f"it is larger than {self.limit_bytes >> 20} MiB (MILLRACE_MEDIA__MAX_MIB)")
        return content

    def _event(self, file: MediaFile, medium: Media) -> Any:
        imported = self._imported
        given: dict[str, Any] = {"tenant_id": self.tenant_id, **file.fields, **self.constants}
        known = self.stream.snapshot.model_fields
        attributes = {name.removeprefix(ATTRIBUTE): value for name, value in given.items() if name not in known}
        if isinstance(given.get("attributes"), dict):
            given["attributes"] = attributes | given["attributes"]
        try:
            written_at = datetime.fromtimestamp(file.path.stat().st_mtime, UTC)
        except (OSError, OverflowError, ValueError) as error:
            raise Unusable(f"its time of change cannot be read: {error}") from error
        fields: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "event_version": 1,
            "occurred_at": written_at.isoformat(),
            "reason": imported.reason,
            "attributes": attributes,
            **{name: value for name, value in given.items() if name in known},
            imported.field: medium,
        }
        identity = json.dumps([fields.get("tenant_id"), fields.get(self.stream.id_field), fields["event_version"]])
        fields.setdefault("event_id", sha256(f"{identity}{medium.sha256}".encode()).hexdigest()[:32])
        try:
            return self.stream.snapshot.model_validate(fields, strict=False)
        except ValidationError as error:
            first = error.errors()[0]
            raise Unusable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
