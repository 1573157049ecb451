"""`python -m tests.support.kafka.archive`: writes the archive of the broker's classes: it starts a second sooner.

`make kafka` runs it. Without the archive everything works, later.
"""

import sys

from tests.support.kafka.java import archive
from tests.support.kafka.server import KafkaServer


def main() -> None:
    """Run a broker once; Java writes the archive when the broker stops."""
    wanted = archive()
    wanted.unlink(missing_ok=True)
    with KafkaServer(java_options=(f"-XX:ArchiveClassesAtExit={wanted}",)) as server:
        server.stop()
    if not wanted.exists():
        sys.stderr.write(
            "Java wrote no archive of the broker's classes: each broker of the tests starts a second later\n"
        )


if __name__ == "__main__":
    main()
