"""The error tree. The class of an error decides how the loop handles it.

MillraceError
├── Rejected        this record can never be processed: write a dead letter at once, commit
├── Deferred        this record cannot be processed yet: write it to the retry lane, commit
├── Unavailable     a dependency is down or refuses for now: pause, back off, settle the same items again
│   └── NewerSchema a producer uses a newer schema than this worker: the same, until the worker is upgraded
├── Stopped         the worker was asked to stop: abandon the records in hand, commit nothing
└── Fatal           waiting does not fix this: not ready, stop, exit with a non-zero code, blame no record
    ├── DeviceLost  the device or its context has failed
    └── StoreInUse  another process holds the embedded store's folder

It is not an error if partitions move to another worker: `Source.hold` and `Source.commit` report them.
Adapters translate foreign errors into these classes; any other error that escapes a stage is a bug and is Fatal.
"""

from schemas.failures import FailureReason


class MillraceError(Exception):
    """Base of every error that Millrace raises on purpose."""


class Rejected(MillraceError):
    """This record can never be processed.

    Args:
        reason: The reason, from the closed list.
        field: Where the problem is: a dotted field name, `key`, `value` or `headers`.
        detail: What was found and what was expected, without the record's content.
        stage: The pipeline stage that refused the record.
    """

    def __init__(self, reason: FailureReason, field: str, detail: str, stage: str = "decode") -> None:
        super().__init__(f"{reason} at {field}: {detail}")
        self.reason, self.field, self.detail, self.stage = reason, field, detail, stage


class Deferred(MillraceError):
    """This record cannot be processed yet, for a reason that concerns no other record.

    Args:
        reason: The reason, from the closed list.
        field: Where the problem is: a dotted field name.
        detail: What was found, without the record's content.
        attempted: Whether this counts as an attempt; not if nothing was tried, such as a fetch from a host that is down.
        least_tier: The lowest tier of the retry lane to wait in, from 1; a higher one if it is known to take long.
        expires: Whether a record that has waited too long is given up; not if it could not be tried before now.
    """

    stage = "fetch"
    """The pipeline stage that deferred the record."""

    def __init__(
        self,
        reason: FailureReason,
        field: str,
        detail: str,
        attempted: bool = True,
        least_tier: int = 1,
        expires: bool = True,
    ) -> None:
        super().__init__(f"{reason} at {field}: {detail}")
        self.reason, self.field, self.detail, self.attempted = reason, field, detail, attempted
        self.least_tier, self.expires = least_tier, expires


class Stopped(MillraceError):
    """The worker was asked to stop while it waited or worked; records that are not committed are abandoned."""


class Unavailable(MillraceError):
    """A dependency cannot be used for now.

    Args:
        dependency: Its name in logs and metrics: such as `store`, `broker`, `schema` or `worker`.
        detail: The dependency's answer.
    """

    def __init__(self, dependency: str, detail: str) -> None:
        super().__init__(f"{dependency}: {detail}")
        self.dependency, self.detail = dependency, detail


class NewerSchema(Unavailable):
    """A record declares a `schema_version` newer than this code; upgrading the worker fixes it."""

    def __init__(self, found: int, newest: int) -> None:
        super().__init__(
            "schema",
            f"a record has schema_version {found}, but this worker supports only up to {newest}: upgrade the worker",
        )


class Fatal(MillraceError):
    """An error that waiting does not fix; the message states what does."""


class DeviceLost(Fatal):
    """The compute device, or the process's context on it, has failed."""


class StoreInUse(Fatal):
    """Another process holds the folder of the embedded vector store."""

    def __init__(self, folder: str, owner_pid: int | None) -> None:
        owner = f"process {owner_pid}" if owner_pid else "another process"
        super().__init__(
            f"the vector store in {folder} is in use by {owner}, a worker or another command; stop that process first"
        )
        self.folder, self.owner_pid = folder, owner_pid
