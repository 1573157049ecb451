"""Certificates created by `openssl`: an authority, a server on loopback, a client, and an unknown authority."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 60.0
DAYS = "2"
NAME = "media.example.com"
KEY_PASSWORD = "Kp9-locked-7Qm2Zx"  # noqa: S105  (of a key made for one run; recognisable, so that a leak is found)


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files in one folder.

    Attributes:
        authority: The certificate that the others are signed with.
        server: The server's certificate, for 127.0.0.1 and `NAME`, and not for localhost.
        server_key: Its key.
        server_both: Key and certificate in one file, as Kafka requires them.
        client: The client's certificate; its name is `CN=millrace`.
        client_key: Its key.
        locked_key: The same key, encrypted with `KEY_PASSWORD`.
        stranger: An authority that has signed nothing here.
    """

    authority: Path
    server: Path
    server_key: Path
    server_both: Path
    client: Path
    client_key: Path
    locked_key: Path
    stranger: Path


def why_unavailable() -> str:
    """Return why no certificates can be created here; empty if they can."""
    return "" if shutil.which("openssl") else "no openssl on the PATH"


def make(folder: Path) -> Certificates:
    """Create the certificates in an empty folder."""
    _authority(folder, "authority")
    _authority(folder, "stranger")
    _signed(folder, "server", f"subjectAltName=IP:127.0.0.1,DNS:{NAME}")
    both = (folder / "server.key").read_text(encoding="utf-8") + (folder / "server.pem").read_text(encoding="utf-8")
    (folder / "server.both.pem").write_text(both, encoding="utf-8")
    _signed(folder, "client", "extendedKeyUsage=clientAuth")
    locked = ["-passout", "stdin", "-out", "locked.key"]
    _openssl(folder, "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", "client.key", *locked, stdin=KEY_PASSWORD)
    return Certificates(
        authority=folder / "authority.pem",
        server=folder / "server.pem",
        server_key=folder / "server.key",
        server_both=folder / "server.both.pem",
        client=folder / "client.pem",
        client_key=folder / "client.key",
        locked_key=folder / "locked.key",
        stranger=folder / "stranger.pem",
    )


def _authority(folder: Path, name: str) -> None:
    new = ["req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", DAYS, "-subj", f"/CN={name}"]
    _openssl(folder, *new, "-keyout", f"{name}.key", "-out", f"{name}.pem")


def _signed(folder: Path, name: str, extension: str) -> None:
    subject = "/CN=millrace" if name == "client" else f"/CN={name}"
    new = ["req", "-newkey", "rsa:2048", "-noenc", "-subj", subject, "-addext", extension]
    _openssl(folder, *new, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    signed_by = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-copy_extensions", "copy"]
    _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-days", DAYS, *signed_by, "-out", f"{name}.pem")


def _openssl(folder: Path, *arguments: str, stdin: str = "") -> None:
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed\n{done.stderr}")
