"""Java programs from Kafka's jars, which `make kafka` fetches or the folder `MILLRACE_TEST_KAFKA_LIBS` names."""

import os
import shutil
from pathlib import Path

from tests.support.sources import ROOT

LIBS_VARIABLE = "MILLRACE_TEST_KAFKA_LIBS"
LOG_SETTINGS = Path(__file__).resolve().parent / "log4j2.properties"
ARCHIVE_FILE = "server.jsa"


def libs() -> Path:
    """Return the folder of Kafka's jars, whether or not it exists."""
    return Path(os.environ.get(LIBS_VARIABLE) or ROOT / ".kafka" / "libs")


def archive() -> Path:
    """Return the file of the broker's classes in the form that Java maps into memory, whether or not it exists.

    A Java of another version, or one that finds the jars elsewhere, ignores the file.
    """
    return libs().parent / ARCHIVE_FILE


def why_unavailable() -> str:
    """Return why no broker can be started here; empty if one can."""
    if shutil.which("java") is None:
        return "no java on the PATH: Kafka needs Java 17 or newer"
    if not any(libs().glob("kafka_*.jar")):
        return f"no Kafka jars: run `make kafka`, or name their folder in {LIBS_VARIABLE}"
    return ""


def java_command(main: str, log: Path, *options: str) -> list[str]:
    """Return the command that runs a class of Kafka, to which its arguments are appended.

    Args:
        main: Name of the class.
        log: File of its log.
        options: More options of the Java machine.
    """
    # One compiler only: a program starts seconds sooner, and speed is not what is tested.
    fixed = ["-XX:TieredStopAtLevel=1", f"-Dmillrace.log={log}", f"-Dlog4j2.configurationFile={LOG_SETTINGS}"]
    return ["java", *options, *fixed, "-cp", f"{libs()}/*", main]
