"""A small model on a hub, a machine whose streams of tickets use it, and `millrace models` on that machine."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from shared.embedding.sources import fetched_folder
from tests.support.command import millrace
from tests.support.hub_server import SOURCE, HubServer

WEIGHTS = bytes(range(256)) * 2_000
"""512,000 bytes: some blocks of the server."""

FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS, "1_Pooling/config.json": b'{"pooling": "mean"}'}
DIGESTS = {name: sha256(content).hexdigest() for name, content in FILES.items()}
PLACE = fetched_folder(SOURCE, DIGESTS, Path()).name
HALF = len(WEIGHTS) // 2


def row(folder: Path, source: str = SOURCE, **changes: Any) -> Path:
    """Write a models.toml with one text model, and return it."""
    card: dict[str, Any] = {
        "modality": "text", "source": source, "dim": 32, "window_tokens": 24, "pooling": "mean", "prompt": "",
        "dtype": "float32", "backend": "torch", "licence": "made here",
    } | changes  # fmt: skip
    tables = {"files": card.pop("files", DIGESTS), "parts": card.pop("parts", {})}
    lines = [
        "[small]",
        "preparation = { version = 3 }",
        *(f"{name} = {json.dumps(each)}" for name, each in card.items()),
    ]
    for table, rows in tables.items():
        lines += [f"[small.{table}]", *(f"{json.dumps(name)} = {json.dumps(each)}" for name, each in rows.items())]
    file = folder / "models.toml"
    file.write_text("\n".join(lines))
    return file


def environment(folder: Path, hub: HubServer) -> dict[str, str]:
    """Return the settings of a machine whose streams of tickets use the model."""
    return {
        "MILLRACE_OPERATION__MODELS_DIR": str(folder / "models"),
        "MILLRACE_TICKETS__EMBEDDING__MODEL": "small",
        "MILLRACE_TICKETS__EMBEDDING__MODELS_FILE": str(folder / "models.toml"),
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_OFFLINE": "1",
        "NO_PROXY": "127.0.0.1",
    }


def run(folder: Path, hub: HubServer, *more: str, command: str = "fetch", **others: str) -> Any:
    """Run a command for the model; return its process, with the report in `report` and all it wrote in `said`."""
    if not (folder / "models.toml").exists():
        row(folder)
    arguments = ("models", command, "--stream", "tickets", "--json", *more)
    done: Any = millrace(*arguments, folder=folder, **environment(folder, hub) | others)
    done.said = done.stdout + done.stderr
    done.report = json.loads(done.stdout)["models"][0] if done.stdout.startswith("{") else {}
    return done


def content(folder: Path) -> dict[str, bytes]:
    """Return the files of the model's folder."""
    place = folder / "models" / PLACE
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}
