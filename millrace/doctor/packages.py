"""Whether our packages are ours alone: `schemas`, `shared` and `workers` are names that another distribution may have too.

`python -m millrace.doctor.packages` says so by its exit code; the image's build runs it.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import packages_distributions

from millrace.doctor.finding import Finding

OURS = ("millrace", "schemas", "shared", "workers")
DISTRIBUTION = "millrace"
PART = "packages"


def check_owners(owners: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Compare each package's distributions with the only one that it should have.

    Args:
        owners: The distributions of each importable name, as `importlib.metadata.packages_distributions` tells them.
    """
    for package in OURS:
        found = sorted(set(owners.get(package, ())))
        if found != [DISTRIBUTION]:
            said = ", ".join(found) or "nobody"
            fix = "install millrace into an environment of its own"
            yield Finding(PART, "wrong", f"package {package} belongs to {said}, not to {DISTRIBUTION} alone", fix)


def check_packages() -> Iterator[Finding]:
    """Check what is installed."""
    faults = list(check_owners(packages_distributions()))
    yield from faults or [Finding(PART, "ok", f"{', '.join(OURS)} belong to {DISTRIBUTION} alone")]


def main() -> int:
    """Write what is wrong to standard error; return how many faults there are."""
    faults = [finding.detail for finding in check_packages() if finding.state != "ok"]
    sys.stderr.writelines(f"error: {fault}\n" for fault in faults)
    return len(faults)


if __name__ == "__main__":
    sys.exit(main())
