"""A run of `millrace embed`, from a path to a folder of arrays; it goes on where a killed one ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millrace.bars import bar
from millrace.bulk.assembling import Assembly
from millrace.bulk.folder import METADATA, RunFolder, read_metadata
from millrace.bulk.inputs import Source
from millrace.bulk.job import describe
from millrace.bulk.kinds import InputKind
from millrace.bulk.running import Running
from millrace.bulk.work import open_work
from shared.clock import Clock
from shared.errors import Fatal
from shared.settings import Settings
from shared.stream_settings import StreamSettings


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for.

    Attributes:
        path: The folder, the manifest or the table of texts.
        out: The folder of the outputs.
        kind: What the inputs are.
        is_raw: Whether vectors keep the model's own length.
        shard: Inputs that are written at once; None for the default of the kind.
        is_replaced: Whether the outputs of another run in `out` are deleted.
    """

    path: Path
    out: Path
    kind: InputKind
    is_raw: bool = False
    shard: int | None = None
    is_replaced: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a run.

    Attributes:
        metadata: The content of `metadata.json`.
        before: Number of inputs that an earlier run had done.
    """

    metadata: Mapping[str, Any]
    before: int


def check_apart(path: Path, out: Path) -> None:
    """Check that the outputs would not be among the inputs.

    Raises:
        Fatal: they would.
    """
    if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
        raise Fatal(f"{out} lies in {path}, so that the outputs would be among the inputs: choose another folder")


def embed(wanted: Wanted, source: Source, own: StreamSettings, settings: Settings, clock: Clock) -> Done:
    """Embed all inputs of a source, and write the outputs.

    Args:
        wanted: What is asked for.
        source: The inputs.
        own: The settings of the stream whose model is used.
        settings: The settings of the process.
        clock: Measures the rate.

    Raises:
        Fatal: the model cannot be loaded, the folder cannot be used, or the device fails.
    """
    folder = RunFolder(wanted.out)
    folder.check()  # before the model is loaded, which takes seconds
    with open_work(wanted.kind, own, settings, wanted.is_raw) as work:
        size = wanted.shard or work.shard
        job = describe(source, work, size)
        with folder.begun(job, wanted.is_replaced) as is_complete:
            if is_complete:
                before = source.count
            else:
                with bar(f"embedding {wanted.kind.value}", source.count) as advance:
                    running = Running(work, settings.media.max_mib << 20, clock)
                    before = running.run(source, folder, size, advance)
                Assembly(folder, job, work.dim, -(-source.count // size)).write(wanted.path)
            folder.finish()
    return Done(read_metadata(wanted.out / METADATA), before)
