"""The check that only Millrace owns its packages: other distributions may also have `schemas`, `shared` or `workers`.

`python -m millrace.doctor.packages` shows the result by its exit code; the build of the image runs it.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import packages_distributions

from millrace.doctor.finding import Finding

PACKAGES = ("millrace", "schemas", "shared", "workers")
DISTRIBUTION = "millrace"
PART = "packages"


def check_owners(owners: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Compare the distributions that own each package with the only one that should own it.

    Args:
        owners: The distributions of each importable name, as `importlib.metadata.packages_distributions` returns them.
    """
    for package in PACKAGES:
        found = sorted(set(owners.get(package, ())))
        if found != [DISTRIBUTION]:
            named = ", ".join(found) or "no distribution"
            fix = "install millrace into an environment of its own"
            yield Finding(PART, "wrong", f"package {package} belongs to {named}, not only to {DISTRIBUTION}", fix)


def check_packages() -> Iterator[Finding]:
    """Check the installed packages."""
    faults = list(check_owners(packages_distributions()))
    yield from faults or [Finding(PART, "ok", f"{', '.join(PACKAGES)} belong only to {DISTRIBUTION}")]


def main() -> int:
    """Write what is wrong to standard error; return how many faults there are."""
    faults = [finding.detail for finding in check_packages() if finding.state != "ok"]
    sys.stderr.writelines(f"error: {fault}\n" for fault in faults)
    return len(faults)


if __name__ == "__main__":
    sys.exit(main())
