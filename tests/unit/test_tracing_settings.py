"""The settings of tracing, and what happens without the extra. Green does not show that a collector accepts the URL."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from millrace.resources import open_tracing
from shared.clock import SystemClock
from shared.errors import Fatal
from shared.settings import Settings
from shared.tracing.port import NOT_TRACED, Tracer
from shared.tracing_settings import TracingSettings
from tests.support.tickets import event, record


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector:4318/", "https://collector:4318/v1/traces"),
        ("https://host/otlp/v1/traces", "https://host/otlp/v1/traces"),
    ],
)
def test_the_path_is_added_to_a_bare_address(endpoint: str, url: str) -> None:
    assert TracingSettings(endpoint=endpoint).traces_url == url


@pytest.mark.parametrize(
    "endpoint",
    ["collector:4318", "grpc://collector:4317", "http://", "http://user:pass@host:4318", "http://host:4318?key=pass"],
)
def test_what_is_no_plain_address_is_refused_without_being_shown(endpoint: str) -> None:
    with pytest.raises(ValidationError) as raised:
        TracingSettings(endpoint=endpoint)
    assert "pass" not in str(raised.value)


def test_tracing_is_off_by_default() -> None:
    with open_tracing(Settings(), SystemClock()) as tracing:
        assert type(tracing.tracer("tickets", "g")) is Tracer


def test_off_no_record_is_touched_and_the_library_is_not_loaded() -> None:
    records = [record(event())]
    begun = Tracer().begin(1, records)
    assert begun.records is records
    assert begun.trace is NOT_TRACED
    code = "import millrace.serve, sys; assert 'opentelemetry' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shared.tracing.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    settings = Settings(tracing=TracingSettings(endpoint="http://localhost:4318"))
    with (
        pytest.raises(Fatal, match=r"MILLRACE_TRACING__ENDPOINT needs .*: install millrace\[tracing\]"),
        open_tracing(settings, SystemClock()),
    ):
        pass
