"""The settings of tracing: where spans are sent, and how many records begin a trace."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from shared.addresses import is_http_address
from shared.settings_part import Part

TRACES_PATH = "/v1/traces"


class TracingSettings(Part):
    """Tracing, by OpenTelemetry. Needs the extra `tracing`."""

    endpoint: str | None = Field(
        default=None,
        description="The collector, as `http(s)://host:4318`: spans are sent to its path `/v1/traces` by OTLP over HTTP; "
        "a URL with a path of its own is used as it is. Headers, certificates and the time limit of a request come from "
        "the standard variables `OTEL_EXPORTER_OTLP_HEADERS`, `_CERTIFICATE`, `_CLIENT_CERTIFICATE`, `_CLIENT_KEY` and "
        "`_TIMEOUT`. Empty: no spans, but trace headers are still passed on.",
    )
    share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of the records without a trace context that begin a trace, chosen at random. Records with "
        "one follow the decision of their producer. Choose 1 to see every record; see docs/tracing.md for the cost.",
    )
    service: str = Field(default="millrace", min_length=1, description="The `service.name` of the spans.")

    @field_validator("endpoint")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None and not is_http_address(url):
            raise ValueError("is not a URL like http://host:4318; a token belongs into OTEL_EXPORTER_OTLP_HEADERS")
        return url

    @property
    def traces_url(self) -> str:
        """The URL to which spans are sent."""
        url = self.endpoint or ""
        return url if urlsplit(url).path.strip("/") else url.rstrip("/") + TRACES_PATH
