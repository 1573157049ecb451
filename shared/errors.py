"""The error tree. What an error is decides what the loop does with it.

MillraceError
├── Rejected        this record is bad for ever: dead letter at once, commit
├── Unavailable     a dependency is down or refuses for now: pause, back off, settle the same items again
│   └── NewerSchema a producer is ahead of this worker: the same, until the worker is upgraded
└── Fatal           nothing that waiting could mend: not ready, stop, exit non-zero, blame no record
    ├── DeviceLost  the device or its context is dead
    └── StoreInUse  another process holds the embedded store's folder

Partitions given to another worker are no error: `Source.hold` and `Source.commit` say what is no longer ours.
Adapters translate foreign errors into these; anything else that escapes a stage is a bug and is Fatal.
"""

from schemas.failures import FailureReason


class MillraceError(Exception):
    """Base of every error that Millrace raises on purpose."""


class Rejected(MillraceError):
    """This record can never be processed.

    Args:
        reason: The problem, from the closed list.
        field: Where it is: a dotted field name, `key`, `value` or `headers`.
        detail: What was found and what was expected, without the record's content.
        stage: The pipeline stage that refused it.
    """

    def __init__(self, reason: FailureReason, field: str, detail: str, stage: str = "decode") -> None:
        super().__init__(f"{reason} at {field}: {detail}")
        self.reason, self.field, self.detail, self.stage = reason, field, detail, stage


class Unavailable(MillraceError):
    """A dependency cannot be used for now.

    Args:
        dependency: `store`, `broker` or `schema`: what the logs and metrics call it.
        detail: What the dependency answered.
    """

    def __init__(self, dependency: str, detail: str) -> None:
        super().__init__(f"{dependency} is unavailable: {detail}")
        self.dependency, self.detail = dependency, detail


class NewerSchema(Unavailable):
    """A record declares a `schema_version` newer than this code; upgrading the worker mends it."""

    def __init__(self, found: int, newest: int) -> None:
        super().__init__(
            "schema", f"a record has schema_version {found}, this worker understands up to {newest}: upgrade it"
        )


class Fatal(MillraceError):
    """Waiting cannot mend this; the message says what would."""


class DeviceLost(Fatal):
    """The compute device, or the process's context on it, is dead."""


class StoreInUse(Fatal):
    """Another process holds the folder of the embedded vector store."""

    def __init__(self, folder: str, owner_pid: int | None) -> None:
        owner = f"process {owner_pid}" if owner_pid else "another process"
        super().__init__(f"the vector store in {folder} is in use by {owner}; stop it, or choose another folder")
        self.folder, self.owner_pid = folder, owner_pid
