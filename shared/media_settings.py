"""The settings for media that events refer to: what may be fetched, how much of it, and how long that may take."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, FilePath, field_validator, model_validator

from shared.addresses import is_http_address
from shared.hosts import HostEntry
from shared.settings_part import Part

BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
Bucket = Annotated[str, Field(pattern=f"^{BUCKET.pattern}$")]


class MediaSettings(Part):
    """Media by reference: what may be fetched, from where, and the limits. By default, only inline media are accepted."""

    hosts: tuple[str, ...] = Field(
        default=(),
        description="Hosts that `https:` references may name, as a JSON list: `cdn.example.com` (default port only), "
        "`cdn.example.com:8443` (this port only), `*.example.com` (every name below example.com, not itself). List only "
        "hosts whose content you would accept from anyone who can write to the topic. Empty: no `https:` reference.",
    )
    private_addresses: tuple[str, ...] = Field(
        default=(),
        description="Addresses and networks (CIDR) that a listed host may have although they are private, loopback or "
        "reserved, as a JSON list; for a store in your own network, name its address: `10.0.5.7` rather than "
        "`10.0.0.0/8`. Addresses of cloud metadata services are never allowed.",
    )
    plain_http: bool = Field(
        default=False,
        description="Whether `http:` references are allowed; only for a trusted network, because anyone on the way can "
        "read and change the content. A redirect from `https:` to `http:` is always refused.",
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of the certificate authority (CA) that signed the hosts' certificates, instead of the "
        "usual ones; empty: the CAs that the operating system trusts, or those in `SSL_CERT_FILE`.",
    )
    s3_buckets: tuple[Bucket, ...] = Field(
        default=(),
        description="Buckets that `s3:` references may name, as a JSON list. The worker reads with its own credentials, "
        "so whoever can write to the topic can have any object of these buckets read: give it read access to media only. "
        "Needs the extra `objects`.",
    )
    s3_endpoint: str | None = Field(
        default=None,
        description="URL of an S3-compatible store, such as `https://minio.example.com:9000`; it needs no entry in "
        "`hosts` or `private_addresses`. Empty: Amazon S3.",
    )
    gs_buckets: tuple[Bucket, ...] = Field(
        default=(),
        description="Buckets of Google Cloud Storage that `gs:` references may name, as a JSON list; the same applies as "
        "for `s3_buckets`.",
    )
    file_root: Path | None = Field(
        default=None,
        description="The folder that `file:` references may name files in, as an absolute path. Symbolic links below it "
        "are refused. Empty: no `file:` reference.",
    )
    upload_to: str | None = Field(
        default=None,
        description="Where `millrace ingest` writes recordings and pictures that are larger than 512 KiB, so that events "
        "can refer to them: `s3://bucket/prefix`, `gs://bucket/prefix` or `file:///folder`. The workers need the right to "
        "read from there (`s3_buckets`, `gs_buckets`, `file_root`). Empty: such files are refused.",
    )
    max_mib: int = Field(
        default=256,
        ge=1,
        le=4096,
        description="Largest medium. Up to `parallel` media are in memory while they are fetched, so plan for "
        "`parallel` times the size of usual media.",
    )
    connect_timeout_s: float = Field(
        default=1.0, gt=0, le=60, description="Time to connect to one address of a host; more for distant hosts."
    )
    first_byte_timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=300,
        description="Time from the look-up of the host to the end of the response's headers, for each redirect again; "
        "more if the host creates its answers on demand.",
    )
    total_timeout_s: float = Field(
        default=60.0,
        gt=0,
        le=600,
        description="Time for a whole fetch with its redirects; must suffice for `max_mib` at your usual rate.",
    )
    least_bytes_per_s: int = Field(
        default=16_384,
        ge=0,
        description="A fetch that is slower than this on average over `rate_window_s` is given up, so that a slow host "
        "does not hold up others; 0 switches this off, and `total_timeout_s` still applies.",
    )
    rate_window_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Time over which the rate of a fetch is measured; more for uneven networks.",
    )
    parallel: int = Field(
        default=16, ge=1, le=256, description="Media that are fetched at the same time; each needs a thread."
    )
    parallel_per_host: int = Field(
        default=4,
        ge=1,
        le=256,
        description="Media that are fetched from one host or bucket at the same time; well below `parallel`, so that one "
        "slow host does not hold up the others.",
    )
    max_redirects: int = Field(
        default=5, ge=0, le=20, description="Redirects that a fetch follows; each is checked like the first address."
    )
    breaker_failures: int = Field(
        default=5,
        ge=1,
        description="Failures in a row after which a host counts as down and is not asked for a while; its records wait "
        "in the retry lane.",
    )
    breaker_open_s: float = Field(
        default=5.0,
        gt=0,
        description="How long a host that is down is not asked; after that, one fetch tries it. The time doubles with "
        "each try that fails.",
    )
    breaker_open_max_s: float = Field(
        default=60.0, gt=0, description="The longest time that a host that is down is not asked."
    )

    @field_validator("hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            HostEntry.parse(host)
        return hosts

    @field_validator("private_addresses")
    @classmethod
    def _are_networks(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            try:
                ip_network(address)
            except ValueError as error:
                raise ValueError(f"{address!r} is not an address like 10.0.5.7 or a network: {error}") from None
        return addresses

    @field_validator("s3_endpoint")
    @classmethod
    def _is_an_endpoint(cls, url: str | None) -> str | None:
        if url is not None and not is_http_address(url):
            raise ValueError("is not a URL like https://minio.example.com:9000; credentials have their own variables")
        return url

    @field_validator("upload_to")
    @classmethod
    def _is_a_place(cls, place: str | None) -> str | None:
        if place is not None:
            scheme, _, where = place.partition("://")
            bucket = where.partition("/")[0]
            is_folder = scheme == "file" and where.startswith("/") and len(where) > 1
            if not is_folder and not (scheme in ("s3", "gs") and BUCKET.fullmatch(bucket)):
                raise ValueError("must be s3://bucket/prefix, gs://bucket/prefix or file:///folder")
        return place

    @field_validator("file_root")
    @classmethod
    def _is_a_folder(cls, root: Path | None) -> Path | None:
        if root is not None and not (root.is_absolute() and root.is_dir()):
            raise ValueError("is not the absolute path of a folder that exists")
        return root

    @model_validator(mode="after")
    def _check_combinations(self) -> "MediaSettings":
        if self.parallel_per_host > self.parallel:
            raise ValueError("MILLRACE_MEDIA__PARALLEL_PER_HOST must not be greater than MILLRACE_MEDIA__PARALLEL")
        if self.s3_endpoint is not None and not self.s3_buckets:
            raise ValueError("MILLRACE_MEDIA__S3_ENDPOINT must be used together with MILLRACE_MEDIA__S3_BUCKETS")
        return self
