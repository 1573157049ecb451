"""Why a medium could not be fetched, before it is known which field of which event refers to it."""

from schemas.failures import FailureReason


class Refused(Exception):
    """This medium will never be fetched: the settings forbid it, or it is too large.

    Args:
        reason: The reason, from the closed list.
        detail: What was found and what is allowed; it may name a host, but no path and no query.
    """

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Failed(Exception):
    """This medium could not be fetched now.

    Args:
        reason: The reason, from the closed list.
        detail: What was found; it may name a host, but no path and no query.
        by_host: Whether the host failed: it did not answer, or not as promised. A 404 is not a failure of the host.
        attempted: Whether anything was tried.
    """

    def __init__(
        self,
        detail: str,
        reason: FailureReason = FailureReason.MEDIA_FETCH_FAILED,
        by_host: bool = True,
        attempted: bool = True,
    ) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.by_host, self.attempted = reason, detail, by_host, attempted


def forbidden(detail: str) -> Refused:
    """Return the error for a reference that the settings do not allow."""
    return Refused(FailureReason.MEDIA_FORBIDDEN, detail)


def too_large(limit_bytes: int) -> Refused:
    """Return the error for a medium that is larger than the limit."""
    return Refused(
        FailureReason.MEDIA_TOO_LARGE,
        f"the medium has more than {limit_bytes >> 20} MiB, the limit in MILLRACE_MEDIA__MAX_MIB",
    )


def not_found(detail: str) -> Failed:
    """Return the error for a medium that does not exist, or not yet; its host works."""
    return Failed(detail, FailureReason.MEDIA_NOT_FOUND, by_host=False)
