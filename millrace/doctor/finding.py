"""The finding of a check, the exit code for all findings, and how a check that raises becomes a finding."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from shared.errors import MillraceError, StoreInUse, Unavailable

State = Literal["ok", "warning", "wrong", "unreachable", "skipped"]
WRONG, UNREACHABLE = 1, 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    Attributes:
        part: The part of the set-up: `settings`, `broker`, `store` and so on.
        state: `ok`; `warning`: works, but perhaps not as intended; `wrong`: does not work; `unreachable`: did not answer
            now; `skipped`: was not checked.
        detail: What was found.
        fix: What to do about it; empty if nothing needs to be done.
    """

    part: str
    state: State
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: the part that it is about, and the function that checks it."""

    part: str
    look: Callable[[], Iterable[Finding]]


def findings_of(check: Check) -> list[Finding]:
    """Return the findings of a check; if the check raises an error, the error is the last finding."""
    found: list[Finding] = []
    try:
        for finding in check.look():
            found.append(finding)
    except StoreInUse as error:
        found.append(Finding(check.part, "warning", str(error)))
    except Unavailable as error:
        found.append(
            Finding(
                check.part,
                "unreachable",
                error.detail,
                "start it if it is down, correct its address, or try again with a longer --timeout",
            )
        )
    except MillraceError as error:
        found.append(Finding(check.part, "wrong", str(error)))
    except Exception as error:  # noqa: BLE001  (a broken check is a finding; its message may quote a secret)
        kind = type(error).__name__
        found.append(Finding(check.part, "wrong", f"the check itself failed ({kind})", "report this as a bug"))
    return found


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 1 if something is wrong, else 3 if something could not be reached, else 0."""
    states = {finding.state for finding in findings}
    if "wrong" in states:
        return WRONG
    return UNREACHABLE if "unreachable" in states else 0
