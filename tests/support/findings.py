"""Reading what the doctor's checks found."""

from collections.abc import Iterator

from millrace.doctor.finding import Finding, State


def states(findings: list[Finding]) -> list[tuple[str, State]]:
    """Return the part and the state of each finding."""
    return [(finding.part, finding.state) for finding in findings]


def only(findings: Iterator[Finding]) -> Finding:
    """Return the finding of a check that finds exactly one."""
    [finding] = findings
    return finding
