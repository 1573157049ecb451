"""The settings that a process shares. Each comes from `MILLRACE_<PART>__<FIELD>`, or from its default.

Each says how to choose it. Durations are in seconds unless the name says otherwise. Secrets are read from the environment
and never printed.
"""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.addresses import ProxyUrl, RedisAddress

PREFIX = "MILLRACE_"
"""What the names of all variables begin with."""

DELIMITER = "__"
"""What stands in them between a part and its field."""

KEY_LEAST_CHARS = 32
"""128 bits in hex: a key that nobody finds by trying."""


def variable(*place: object) -> str:
    """Return the name of a setting's variable: `variable("broker", "bootstrap")` is `MILLRACE_BROKER__BOOTSTRAP`."""
    return PREFIX + DELIMITER.join(str(step) for step in place).upper()


class Part(BaseModel):
    """Base of the branches of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _require(holds: bool, part: str, name: str, other: str) -> None:
    """Refuse a setting without the other that it goes with."""
    if not holds:
        raise ValueError(f"MILLRACE_{part}__{name.upper()} goes with MILLRACE_{part}__{other}, and not without it")


class BrokerSettings(Part):
    """The broker."""

    bootstrap: str | None = Field(default=None, description="host:port,... of the brokers; empty: the embedded broker.")
    group_protocol: Literal["consumer", "classic"] = Field(
        default="consumer", description="`consumer` (KIP-848) from Kafka 4 on; `classic` for older brokers."
    )
    session_timeout_s: float = Field(
        default=45,
        ge=1,
        description="How soon a killed worker is noticed, `classic` only; else a setting of the broker.",
    )
    max_poll_interval_s: float = Field(
        default=300, ge=10, description="The broker evicts a worker that has not polled for so long."
    )
    delivery_timeout_s: float = Field(
        default=15, ge=1, description="How long a produced message may take to be confirmed."
    )
    commit_timeout_s: float = Field(default=10, ge=0.1, description="How long a commit may take to be confirmed.")
    buffered_records: int = Field(
        default=2_000, ge=1, description="Records read ahead; more costs memory, less stalls."
    )
    buffered_mib: int = Field(
        default=64,
        ge=1,
        description="What they may take together; the first limit reached holds reading up. The client keeps some 16 more.",
    )
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext",
        description="As the brokers' listener has it: `sasl_ssl` for a password, `ssl` for a client certificate; the "
        "others encrypt nothing and are for a trusted network.",
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None,
        description="As the brokers have it; SCRAM never sends the password, `PLAIN` does, so only with `sasl_ssl`.",
    )
    username: str | None = Field(default=None, description="The SASL user; give each worker's group its own.")
    password: SecretStr | None = Field(default=None, description="Its password; a secret.")
    ca_file: FilePath | None = Field(
        default=None, description="PEM of the authority that signed the brokers' certificates; empty: the system's."
    )
    cert_file: FilePath | None = Field(default=None, description="PEM of this client's certificate, for mutual TLS.")
    key_file: FilePath | None = Field(default=None, description="PEM of its private key.")
    key_password: SecretStr | None = Field(default=None, description="What the key is encrypted with; a secret.")

    @model_validator(mode="after")
    def _can_work(self) -> "BrokerSettings":
        """Refuse what could not work, or would be ignored in silence."""
        sasl = self.security_protocol.startswith("sasl_")
        for name in ("sasl_mechanism", "username", "password"):
            _require((getattr(self, name) is not None) == sasl, "BROKER", name, "SECURITY_PROTOCOL=sasl_ssl")
        tls = self.security_protocol in ("ssl", "sasl_ssl")
        for name in ("ca_file", "cert_file", "key_file", "key_password"):
            _require(tls or getattr(self, name) is None, "BROKER", name, "SECURITY_PROTOCOL=ssl or sasl_ssl")
        plain = self.sasl_mechanism == "PLAIN" and self.security_protocol == "sasl_plaintext"
        _require(
            not plain, "BROKER", "sasl_mechanism", "SECURITY_PROTOCOL=sasl_ssl: PLAIN would send the password open"
        )
        _require((self.cert_file is None) == (self.key_file is None), "BROKER", "cert_file", "KEY_FILE")
        _require(self.key_password is None or self.key_file is not None, "BROKER", "key_password", "KEY_FILE")
        return self


class CacheSettings(Part):
    """The cache of vectors: a first level in the process and, where there is one, Redis."""

    memory_mib: int = Field(
        default=64, ge=0, description="The first level; about 550 vectors of 384 dimensions a MiB; 0 switches it off."
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="`redis://` or, encrypted, `rediss://USER:PASSWORD@host:port/db`; a secret; empty: no second level.",
    )
    ttl_s: int = Field(
        default=604_800, gt=0, description="How long Redis keeps a vector; longer than texts take to come again."
    )
    timeout_s: float = Field(
        default=0.25,
        gt=0,
        le=10,
        description="The most a call to Redis may take, connecting included; then it is skipped for a while.",
    )
    dtype: Literal["float32", "float16"] = Field(
        default="float32",
        description="`float16` halves what Redis keeps, but vectors come back rounded: scores differ in the fifth digit.",
    )
    ca_file: FilePath | None = Field(
        default=None, description="PEM of the authority that signed Redis's certificate; empty: the system's."
    )
    cert_file: FilePath | None = Field(default=None, description="PEM of this client's certificate, for mutual TLS.")
    key_file: FilePath | None = Field(default=None, description="PEM of its private key, not encrypted.")

    @field_validator("redis_url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            RedisAddress.parse(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _can_work(self) -> "CacheSettings":
        tls = self.redis_url is not None and RedisAddress.parse(self.redis_url.get_secret_value()).tls
        for name in ("ca_file", "cert_file", "key_file"):
            _require(tls or getattr(self, name) is None, "CACHE", name, "REDIS_URL that begins with rediss://")
        _require((self.cert_file is None) == (self.key_file is None), "CACHE", "cert_file", "KEY_FILE")
        return self


class StoreSettings(Part):
    """The vector store."""

    path: Path = Field(default=Path(".millrace/store"), description="Folder of the embedded store, for one process.")
    url: str | None = Field(
        default=None, description="`http(s)://host:6333` of Qdrant's server; empty: the embedded store in `path`."
    )
    api_key: SecretStr | None = Field(
        default=None, description="The server's key or token; a secret. Readers may have one that only reads."
    )
    grpc: bool = Field(default=False, description="Whether to talk gRPC, which takes less CPU, on `grpc_port`.")
    grpc_port: int = Field(default=6334, ge=1, le=65535, description="The server's port for gRPC.")
    timeout_s: int = Field(
        default=4, ge=1, description="The longest a call may wait for the server; then it counts as unavailable."
    )
    parallel_upserts: int = Field(
        default=4, ge=1, le=64, description="Writes of 200 points in flight at once; 1 is enough for a server near by."
    )
    proxy: ProxyUrl | None = Field(
        default=None,
        description="`http://host:3128` or `http://USER:PASSWORD@host:3128` of a proxy on the way to the server; the "
        "password is a secret. For REST also `https://`, and `socks5://` with the package socksio. Empty: none.",
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM of the authority that signed the server's certificate; empty: `SSL_CERT_FILE`, else the client's.",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None:
            try:
                parts = urlsplit(url)
                known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            except ValueError:
                known = False
            if not known or parts.query or parts.fragment or parts.username is not None or parts.password is not None:
                raise ValueError("is not a URL like https://host:6333; the key has a setting of its own, API_KEY")
        return url

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch(r"[!-~]+", key.get_secret_value()):
            raise ValueError("holds a space, a line break or a character beyond ASCII, which no header may")
        return key

    @field_validator("proxy")
    @classmethod
    def _is_a_proxy(cls, proxy: ProxyUrl | None) -> ProxyUrl | None:
        if proxy is not None:
            proxy.check()
        return proxy

    @model_validator(mode="after")
    def _can_work(self) -> "StoreSettings":
        proxy = "" if self.proxy is None else self.proxy.get_secret_value()
        _require(self.url is not None or self.proxy is None, "STORE", "proxy", "URL")
        _require(not self.grpc or proxy[:7] in ("", "http://"), "STORE", "grpc", "PROXY that begins with http://")
        tls = (self.url or "").startswith("https:") or proxy.startswith("https:")
        _require(tls or self.ca_file is None, "STORE", "ca_file", "URL that begins with https://")
        return self


class PrivacySettings(Part):
    """What stands in the place of personal data."""

    customer_key: SecretStr | None = Field(
        default=None,
        description="Key of the digests that take the place of customers' ids which are addresses or phone numbers; a "
        "secret, the same for all workers, made by `openssl rand -hex 32`. Empty: one is made beside an embedded store; "
        "a server needs it set.",
    )

    @field_validator("customer_key")
    @classmethod
    def _is_long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value().strip()) < KEY_LEAST_CHARS:
            raise ValueError(f"is shorter than {KEY_LEAST_CHARS} characters; `openssl rand -hex 32` makes a good one")
        return key


class OperationSettings(Part):
    """Probes, shutdown and logs."""

    port: int = Field(
        default=9400, ge=0, le=65535, description="Port of /metrics, /healthz and /readyz; 0 picks a free one."
    )
    host: str = Field(default="127.0.0.1", description="Address the port is bound to; 0.0.0.0 inside a container.")
    drain_timeout_s: float = Field(default=25, gt=0, description="Time to finish the batch in hand after SIGTERM.")
    stuck_after_s: float = Field(
        default=120, gt=0, description="A thread without a heartbeat for so long is not alive."
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    state_dir: Path = Field(default=Path(".millrace"), description="Where ingest keeps its progress.")


class Variables(BaseSettings):
    """How settings are read from the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        env_ignore_empty=True,
    )


class Settings(Variables):
    """What all streams of a process share. Each stream has settings of its own beside it (`stream_settings.py`)."""

    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    cache: CacheSettings = Field(default_factory=CacheSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    privacy: PrivacySettings = Field(default_factory=PrivacySettings)
    operation: OperationSettings = Field(default_factory=OperationSettings)
