"""`millrace embed` that ends before any durable step is resumed to the same bytes, and embeds only what is left.

Here a run ends by an exception, so a green run does not prove what a killed process leaves behind:
`tests/faults/test_embed_killed.py` does.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millrace.bulk import files
from tests.support import bulk
from tests.support.bulk import Millrace, command, contents, write_texts

pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> bulk.Models:
    return bulk.stand_in(monkeypatch.setattr)


@pytest.fixture
def millrace(models: bulk.Models, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Millrace:
    return command(monkeypatch, capsys)


class EndedHere(BaseException):
    """Ends a run at a durable step."""


class Steps:
    """Counts the durable steps of a run, and ends it before one of them; with `torn`, half of a file is on the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.last, self.torn = 0, -1, False
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink"), (shutil, "rmtree")):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def begin(self, last: int, torn: bool) -> None:
        """Start to count again; the run ends before step `last`."""
        self.count, self.last, self.torn = 0, last, torn

    def _counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.count == self.last:
                if self.torn and step.__name__ == "fsync":
                    tear(arguments[0])
                raise EndedHere
            return step(*arguments, **options)

        return run


def tear(descriptor: int) -> None:
    """Cut a file in half, if it is one that is open for writing."""
    try:
        os.truncate(descriptor, os.fstat(descriptor).st_size // 2)
    except OSError:
        return


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("overwrites", [False, True])
def test_a_run_that_ends_before_any_durable_step_is_resumed_to_the_same_bytes(
    overwrites: bool, torn: bool, millrace: Millrace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = write_texts(tmp_path / "in", 11)
    (inside / "bad.txt").write_text(bulk.NOT_FINITE)
    options: tuple[str, ...] = ("--shard", "3", "--overwrite") if overwrites else ("--shard", "3")
    steps = Steps(monkeypatch)
    prepared = tmp_path / "prepared"
    if overwrites:
        millrace(write_texts(tmp_path / "old", 4), "--out", prepared)
    steps.begin(-1, torn=False)
    millrace(inside, "--out", tmp_path / "whole", *options)
    expected = contents(tmp_path / "whole")
    ended = 0
    for last in range(1, steps.count + 4):
        out = tmp_path / f"out{last}"
        if overwrites:
            shutil.copytree(prepared, out)
        steps.begin(last, torn)
        try:
            millrace(inside, "--out", out, *options)
        except EndedHere:
            ended += 1
        steps.begin(-1, torn=False)
        assert millrace(inside, "--out", out, *options).code == 0
        assert contents(out) == expected, f"after an end before step {last}"
    assert ended >= 20


def test_a_resumed_run_embeds_only_what_is_not_done(
    millrace: Millrace, models: bulk.Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = write_texts(tmp_path / "in", 10)
    write = files.write_whole
    written: list[str] = []

    def failing(path: Path, *arguments: Any) -> None:
        if path.name == "000002.npz":
            raise EndedHere
        written.append(path.name)
        write(path, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr("millrace.bulk.shards.write_whole", failing)
        with pytest.raises(EndedHere):
            millrace(inside, "--out", tmp_path / "out", "--shard", "3")
    assert written == ["000000.npz", "000001.npz"]
    models.text.calls.clear()
    summary = json.loads(millrace(inside, "--out", tmp_path / "out", "--shard", "3", "--json").out)
    assert models.text.calls == [3, 1]
    assert summary["done_before"] == 6


def test_a_damaged_shard_is_embedded_again(millrace: Millrace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = write_texts(tmp_path / "in", 6)
    millrace(inside, "--out", tmp_path / "whole", "--shard", "2")
    with monkeypatch.context() as patched:
        patched.setattr("millrace.bulk.embedding.Assembly", lambda *_: (_ for _ in ()).throw(EndedHere()))
        with pytest.raises(EndedHere):
            millrace(inside, "--out", tmp_path / "out", "--shard", "2")
    damaged = tmp_path / "out/.unfinished/000001.npz"
    content = bytearray(damaged.read_bytes())
    content[100] ^= 0xFF
    damaged.write_bytes(content)
    assert millrace(inside, "--out", tmp_path / "out", "--shard", "2").code == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
