"""A backfill in a process of its own, with a model that is a stand-in.

Run as `python -m tests.support.backfill_process`; the arguments are one JSON object, and it prints the summary as JSON;
or they are those of `millrace`, beginning with `run`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from millrace import cli, serve_backfill
from millrace.serve_backfill import Asked, backfill
from shared.broker.bounds import Wanted
from shared.embedding.port import Model
from shared.engine.stream import Stream
from shared.errors import MillraceError
from shared.logs import configure
from shared.media_settings import MediaSettings
from shared.model_settings import EmbeddingSettings
from shared.settings import BrokerSettings, OperationSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from tests.support.fake_models import models_for
from tests.support.fakes import PRIVACY, FakeModel
from tests.support.streams import kind_of_name, limited_to

MAX_RECORDS = 20
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class BackfillPlan:
    """The instructions for a process.

    Attributes:
        store: Address of a store's server.
        from_ms: Time of the first record.
        until_ms: The time that ends it.
        port: Port of the probes; 0 for a free one.
        model: The name of a real model; None for a stand-in that costs nothing.
        stream: The stream.
        is_now: Whether it was asked to end `now`; `until_ms` is then the time of its first start.
        media_host: The only host from which media may be fetched; None for no host.
    """

    bootstrap: str
    store: str
    from_ms: int
    until_ms: int
    index_only: bool = False
    group: str = "backfill-2026"
    rate: float = 100.0
    port: int = 0
    model: str | None = None
    stream: str = "tickets"
    is_now: bool = False
    media_host: str | None = None


@contextmanager
def backfill_process(plan: BackfillPlan) -> Iterator[subprocess.Popen[str]]:
    """Run a backfill; it is killed at the end if it still runs."""
    command = [sys.executable, "-m", "tests.support.backfill_process", json.dumps(asdict(plan))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finished(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait until a backfill has ended by itself, and return its summary."""
    out, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, errors[-2_000:]
    summary: dict[str, Any] = json.loads(out)
    return summary


def loopback_media(host: str | None) -> MediaSettings:
    """Return the settings that allow media of one host on loopback."""
    if host is None:
        return MediaSettings()
    return MediaSettings(
        hosts=(host,), plain_http=True, private_addresses=("127.0.0.1",), breaker_open_s=0.5, breaker_open_max_s=1.0
    )


def _fake_models(stream: Stream[Any, Any], own: StreamSettings) -> Mapping[str, Model[Any]]:
    return models_for(stream, FakeModel())


def _use_fake_models() -> None:
    serve_backfill.load_models = _fake_models  # type: ignore[attr-defined]  # in this process alone


def main(plan: BackfillPlan) -> None:
    """Run the backfill."""
    configure("error", json_lines=True)
    settings = Settings(
        broker=BrokerSettings(bootstrap=plan.bootstrap),
        privacy=PRIVACY,
        store=StoreSettings(url=plan.store),
        operation=OperationSettings(port=plan.port),
        media=loopback_media(plan.media_host),
    )
    if plan.model is None:
        _use_fake_models()
    wanted = Wanted(plan.from_ms, plan.until_ms, plan.is_now, plan.index_only)
    embedding = EmbeddingSettings() if plan.model is None else EmbeddingSettings(model=plan.model)
    own = StreamSettings(batch=limited_to(MAX_RECORDS), embedding=embedding)
    asked = Asked(kind_of_name(plan.stream).stream, own, plan.group, wanted, plan.rate)
    sys.stdout.write(json.dumps(asdict(backfill(asked, settings, plan.bootstrap))) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "run":
        _use_fake_models()
        cli.main()
        sys.exit()
    try:
        main(BackfillPlan(**json.loads(sys.argv[1])))
    except MillraceError as error:
        sys.exit(f"error: {error}")
