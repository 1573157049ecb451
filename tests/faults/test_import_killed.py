"""`millrace ingest` to a real Kafka, killed in the middle: the same command resumes, and no row is missing.

A green run does not show a broker that becomes unavailable meanwhile (`test_sending.py` does, with a fake).
"""

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from millrace.ingest.sending import CHUNK_ROWS
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from tests.support.kafka.server import KafkaServer
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

ROWS = 40 * CHUNK_ROWS
TIMEOUT_S = 60.0


def command(server: KafkaServer, file: Path) -> list[str]:
    return [
        sys.executable, "-m", "millrace", "ingest", str(file), "--tenant", "acme", "--bootstrap", server.bootstrap,
        "--json",
    ]  # fmt: skip


def progress(folder: Path) -> int:
    kept = list((folder / ".millrace" / "ingest").glob("*.json"))
    return int(json.loads(kept[0].read_text())["rows"]) if kept else 0


@pytest.mark.timeout(300)
def test_a_killed_import_resumes_and_no_row_is_missing(own_kafka: KafkaServer, tmp_path: Path) -> None:
    create_topics(own_kafka.bootstrap, TICKETS.topics(2), replication=1)
    file = tmp_path / "tickets.csv"
    file.write_text("ticket_id,subject,body\n" + "".join(f"T-{n},Parcel {n},Where is it?\n" for n in range(ROWS)))
    begun = subprocess.Popen(command(own_kafka, file), cwd=tmp_path, stdout=subprocess.DEVNULL)
    wait_until(lambda: progress(tmp_path) >= 5 * CHUNK_ROWS, TIMEOUT_S, "some chunks were sent")
    begun.send_signal(signal.SIGKILL)
    begun.wait(TIMEOUT_S)
    done = progress(tmp_path)
    assert 0 < done < ROWS, "it was not killed in the middle"
    ended = subprocess.run(command(own_kafka, file), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    reported = json.loads(ended.stdout)
    assert (reported["sent_before"], reported["sent"], reported["rows_refused"]) == (done, ROWS - done, 0)
    records = TopicReader(own_kafka.bootstrap).read("tickets")
    sent = Counter(json.loads(record.value or b"")["ticket_id"] for record in records)
    assert sent.keys() == {f"T-{n}" for n in range(ROWS)}
    assert sum(sent.values()) - ROWS <= CHUNK_ROWS, "more than one chunk was sent again"
