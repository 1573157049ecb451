"""The settings that all streams of a process share. Each comes from `MILLRACE_<PART>__<FIELD>`, or from its default.

Each description explains how to choose the value. Durations are in seconds unless the name states another unit. Secrets
are read from the environment and never printed.
"""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.addresses import ProxyUrl, RedisAddress, is_http_address
from shared.decoding_settings import DecodingSettings
from shared.drift_settings import DriftSettings
from shared.lag_settings import LagSettings
from shared.media_settings import MediaSettings
from shared.metrics_settings import MetricsSettings
from shared.settings_part import Part
from shared.tracing_settings import TracingSettings

PREFIX = "MILLRACE_"
"""The prefix of the names of all variables."""

DELIMITER = "__"
"""The text between a part and its field in these names."""

KEY_LEAST_CHARS = 32
"""128 bits in hexadecimal: a key that cannot be found by trying all values."""


def variable(*place: object) -> str:
    """Return the name of a setting's variable: `variable("broker", "bootstrap")` is `MILLRACE_BROKER__BOOTSTRAP`."""
    return PREFIX + DELIMITER.join(str(step) for step in place).upper()


def _require(holds: bool, part: str, name: str, other: str) -> None:
    """Raise if a setting and another one that it must be used with do not fit together."""
    if not holds:
        raise ValueError(f"MILLRACE_{part}__{name.upper()} must be used together with MILLRACE_{part}__{other}")


class BrokerSettings(Part):
    """The broker."""

    bootstrap: str | None = Field(default=None, description="Brokers, as host:port,...; empty: the embedded broker.")
    group_protocol: Literal["consumer", "classic"] = Field(
        default="consumer", description="`consumer` (KIP-848) for Kafka 4 and later; `classic` for older brokers."
    )
    session_timeout_s: float = Field(
        default=45,
        ge=1,
        description="Time until the broker detects a killed worker; only for `classic`. For `consumer`, the broker's "
        "group.consumer.session.timeout.ms applies.",
    )
    max_poll_interval_s: float = Field(
        default=300,
        ge=10,
        description="If a worker does not poll for this long, the broker gives its partitions to other workers.",
    )
    delivery_timeout_s: float = Field(
        default=15, ge=1, description="How long a produced message may take to be confirmed."
    )
    commit_timeout_s: float = Field(default=10, ge=0.1, description="How long a commit may take to be confirmed.")
    buffered_records: int = Field(
        default=2_000,
        ge=1,
        description="Maximum number of records read ahead. A higher number needs more memory, but the worker "
        "waits less often.",
    )
    buffered_mib: int = Field(
        default=64,
        ge=1,
        description="Maximum size of the records read ahead; reading stops at the limit that is reached first. "
        "The client holds "
        "about 16 MiB more.",
    )
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext",
        description="The protocol of the brokers' listener: `sasl_ssl` for a password, `ssl` for a client certificate; "
        "`plaintext` and `sasl_plaintext` do not encrypt and are only for a trusted network.",
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None,
        description="The mechanism that the brokers use. SCRAM never sends the password; `PLAIN` does, so it is only "
        "allowed with `sasl_ssl`.",
    )
    username: str | None = Field(default=None, description="The SASL user; use one user per consumer group.")
    password: SecretStr | None = Field(default=None, description="The SASL user's password; a secret.")
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of the certificate authority (CA) that signed the brokers' certificates; empty: the "
        "system's CAs.",
    )
    cert_file: FilePath | None = Field(
        default=None, description="PEM file of this client's certificate, for mutual TLS."
    )
    key_file: FilePath | None = Field(default=None, description="PEM file of the client certificate's private key.")
    key_password: SecretStr | None = Field(
        default=None, description="The password that the private key is encrypted with; a secret."
    )

    @model_validator(mode="after")
    def _check_combinations(self) -> "BrokerSettings":
        """Refuse combinations of settings that cannot work or would be silently ignored."""
        sasl = self.security_protocol.startswith("sasl_")
        for name in ("sasl_mechanism", "username", "password"):
            _require((getattr(self, name) is not None) == sasl, "BROKER", name, "SECURITY_PROTOCOL=sasl_ssl")
        tls = self.security_protocol in ("ssl", "sasl_ssl")
        for name in ("ca_file", "cert_file", "key_file", "key_password"):
            _require(tls or getattr(self, name) is None, "BROKER", name, "SECURITY_PROTOCOL=ssl or sasl_ssl")
        plain = self.sasl_mechanism == "PLAIN" and self.security_protocol == "sasl_plaintext"
        _require(
            not plain,
            "BROKER",
            "sasl_mechanism",
            "SECURITY_PROTOCOL=sasl_ssl, because PLAIN would send the password unencrypted",
        )
        _require((self.cert_file is None) == (self.key_file is None), "BROKER", "cert_file", "KEY_FILE")
        _require(self.key_password is None or self.key_file is not None, "BROKER", "key_password", "KEY_FILE")
        return self


class CacheSettings(Part):
    """The cache of vectors: a first level in the process and, if configured, a second level in Redis."""

    memory_mib: int = Field(
        default=64,
        ge=0,
        description="Size of the cache in memory; 1 MiB holds about 550 vectors of 384 dimensions; 0 switches it off.",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="`redis://USER:PASSWORD@host:port/db`, or `rediss://...` with encryption; a secret; empty: only the "
        "cache in memory.",
    )
    ttl_s: int = Field(
        default=604_800,
        gt=0,
        description="How long Redis keeps a vector; choose more than the usual time between two uses of the same text.",
    )
    timeout_s: float = Field(
        default=0.25,
        gt=0,
        le=10,
        description="Time limit of a call to Redis, including connecting; after a timeout, Redis is skipped for a while.",
    )
    dtype: Literal["float32", "float16"] = Field(
        default="float32",
        description="`float16` halves the memory that Redis needs but rounds vectors: scores differ in the fifth digit.",
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of the certificate authority (CA) that signed Redis's certificate; empty: the system's "
        "CAs.",
    )
    cert_file: FilePath | None = Field(
        default=None, description="PEM file of this client's certificate, for mutual TLS."
    )
    key_file: FilePath | None = Field(
        default=None, description="PEM file of the client certificate's private key; it must not be encrypted."
    )

    @field_validator("redis_url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            RedisAddress.parse(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _check_combinations(self) -> "CacheSettings":
        tls = self.redis_url is not None and RedisAddress.parse(self.redis_url.get_secret_value()).tls
        for name in ("ca_file", "cert_file", "key_file"):
            _require(tls or getattr(self, name) is None, "CACHE", name, "REDIS_URL that begins with rediss://")
        _require((self.cert_file is None) == (self.key_file is None), "CACHE", "cert_file", "KEY_FILE")
        return self


class StoreSettings(Part):
    """The vector store."""

    path: Path = Field(
        default=Path(".millrace/store"),
        description="Folder of the embedded store; only one process at a time can use it.",
    )
    url: str | None = Field(
        default=None, description="`http(s)://host:6333` of the Qdrant server; empty: the embedded store in `path`."
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="The server's API key or token; a secret. Commands that only read need only read access.",
    )
    grpc: bool = Field(default=False, description="Whether to use gRPC, on `grpc_port`; it needs less CPU.")
    grpc_port: int = Field(default=6334, ge=1, le=65535, description="The server's port for gRPC.")
    timeout_s: int = Field(
        default=4, ge=1, description="How long a call may wait for the server before the store counts as unavailable."
    )
    parallel_upserts: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Number of concurrent writes, of 200 points each; 1 is enough for a server near by.",
    )
    proxy: ProxyUrl | None = Field(
        default=None,
        description="The proxy for connections to the server: `http://host:3128` or `http://USER:PASSWORD@host:3128`; "
        "the password is a secret. REST also accepts `https://`, and `socks5://` with the package socksio. Empty: no "
        "proxy.",
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of the certificate authority (CA) that signed the server's certificate; empty: the CAs "
        "in `SSL_CERT_FILE`; if that is not set, those built into the client.",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None and not is_http_address(url):
            raise ValueError("is not a URL like https://host:6333; the key has its own setting, API_KEY")
        return url

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch(r"[!-~]+", key.get_secret_value()):
            raise ValueError(
                "contains a space, a line break or a non-ASCII character, which an HTTP header must not contain"
            )
        return key

    @field_validator("proxy")
    @classmethod
    def _is_a_proxy(cls, proxy: ProxyUrl | None) -> ProxyUrl | None:
        if proxy is not None:
            proxy.check()
        return proxy

    @model_validator(mode="after")
    def _check_combinations(self) -> "StoreSettings":
        proxy = "" if self.proxy is None else self.proxy.get_secret_value()
        _require(self.url is not None or self.proxy is None, "STORE", "proxy", "URL")
        _require(not self.grpc or proxy[:7] in ("", "http://"), "STORE", "grpc", "PROXY that begins with http://")
        tls = (self.url or "").startswith("https:") or proxy.startswith("https:")
        _require(tls or self.ca_file is None, "STORE", "ca_file", "URL that begins with https://")
        return self


class PrivacySettings(Part):
    """The digests that replace personal data."""

    customer_key: SecretStr | None = Field(
        default=None,
        description="A secret key. A customer id that is a mail address, a phone number or an account number is "
        "replaced by a "
        "digest made with this key. All workers need the same key; create one with `openssl rand -hex 32`. Empty: a "
        "key is created beside an embedded store; with a server, a key must be set.",
    )

    @field_validator("customer_key")
    @classmethod
    def _is_long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value().strip()) < KEY_LEAST_CHARS:
            raise ValueError(f"is shorter than {KEY_LEAST_CHARS} characters; create a key with `openssl rand -hex 32`")
        return key


class OperationSettings(Part):
    """Probes, shutdown and logs."""

    port: int = Field(
        default=9400, ge=0, le=65535, description="Port of /metrics, /healthz and /readyz; 0 selects a free port."
    )
    host: str = Field(
        default="127.0.0.1", description="Address that the port is bound to; use 0.0.0.0 inside a container."
    )
    drain_timeout_s: float = Field(default=25, gt=0, description="Time to finish the current batch after SIGTERM.")
    stuck_after_s: float = Field(
        default=120, gt=0, description="A thread without a heartbeat for this long counts as not alive."
    )
    canary_every_s: float = Field(
        default=3600,
        ge=0,
        description="How often a running worker checks its models by their canary inputs (docs/models.md), in seconds. "
        "Each check takes as long as a small batch. 0: only when it starts, and when vectors seem wrong.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    state_dir: Path = Field(
        default=Path(".millrace"),
        description="Folder in which ingest keeps its progress, and a worker large media until their batch ends, in "
        "files without a name, and what its models answered to their canary inputs. A worker that keeps it over a restart "
        "finds a model that answers otherwise than before.",
    )
    models_dir: Path | None = Field(
        default=None,
        description="Folder into which `millrace models fetch` brings models, and in which workers look for them first; "
        "on several machines, a shared volume that workers mount read-only. Empty: `millrace/models` in the user's cache "
        "(`XDG_CACHE_HOME`).",
    )


class Variables(BaseSettings):
    """Base class that reads settings from the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        env_ignore_empty=True,
    )


class Settings(Variables):
    """The settings that all streams of a process share. Each stream also has its own (`stream_settings.py`)."""

    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    cache: CacheSettings = Field(default_factory=CacheSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    media: MediaSettings = Field(default_factory=MediaSettings)
    decoding: DecodingSettings = Field(default_factory=DecodingSettings)
    privacy: PrivacySettings = Field(default_factory=PrivacySettings)
    operation: OperationSettings = Field(default_factory=OperationSettings)
    lag: LagSettings = Field(default_factory=LagSettings)
    drift: DriftSettings = Field(default_factory=DriftSettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
