"""`millrace embed` on folders that break software: strange names, links in circles, pipes, and files of other kinds.

Each file has a row or a reason, and no file ends the run. A stand-in computes the vectors. A green run does not prove that
a program that reads the CSV files shows every name safely.
"""

import csv
import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from millrace.bulk.embedding import Done, Wanted, embed
from millrace.bulk.inputs import read_source
from millrace.bulk.kinds import InputKind, choose_kind
from millrace.cli import app
from shared.clock import SystemClock
from shared.errors import Fatal
from shared.settings import Settings
from shared.stream_settings import StreamSettings
from tests.support.bulk import command, contents, stand_in, write_pictures

pytestmark = pytest.mark.usefixtures("_stand_ins")


@pytest.fixture
def _stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MILLRACE_") and name != "MILLRACE_DATA"]:
        monkeypatch.delenv(name)
    stand_in(monkeypatch.setattr)


@pytest.fixture(scope="module")
def strings(data_dir: Path) -> list[str]:
    found: list[str] = json.loads((data_dir / "faults" / "blns.json").read_text(encoding="utf-8"))
    assert len(found) > 500
    return found


def run(path: Path, out: Path, kind: InputKind | None = None) -> Done:
    source = read_source(path, None, None)
    wanted = Wanted(path, out, choose_kind(source, kind, path), shard=64)
    return embed(wanted, source, StreamSettings(), Settings(), SystemClock())


def listed(out: Path, name: str) -> list[dict[str, str]]:
    with (out / name).open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_strange_names_of_files_and_labels_are_read_back(strings: list[str], tmp_path: Path) -> None:
    inside, made = tmp_path / "in", set[str]()
    for string in strings:
        name = string.replace("/", "_").replace("\0", "_").strip(".") or "empty"
        for file in (f"{name}.txt", f"{name}/a.txt"):
            with suppress(OSError, UnicodeEncodeError):  # too long for the file system
                path = inside / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"Where is {file}?", encoding="utf-8")
                if path.is_file() and not path.relative_to(inside).as_posix().startswith("."):
                    made.add(path.relative_to(inside).as_posix())
    assert len(made) > 800
    run(inside, tmp_path / "out")
    rows, rejects = listed(tmp_path / "out", "rows.csv"), listed(tmp_path / "out", "rejects.csv")
    assert {row["file"] for row in rows} | {row["file"] for row in rejects} == made
    assert len(rows) + len(rejects) == len(made)
    assert len(rows) > 800
    classes = json.loads((tmp_path / "out/metadata.json").read_bytes())["classes"]
    labels = np.load(tmp_path / "out/labels.npy")
    for row in rows:
        label = row["file"].rpartition("/")[0]
        assert row["label"] == label
        assert (classes[labels[int(row["row"])]] if label else "") == label


@pytest.mark.parametrize("separator", [",", "\t"])
def test_strange_texts_of_a_table_have_a_row_or_a_reason(separator: str, strings: list[str], tmp_path: Path) -> None:
    table = tmp_path / ("t.csv" if separator == "," else "t.tsv")
    with table.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, delimiter=separator)
        writer.writerow(["text", "label"])
        writer.writerows([each or "empty", each] for each in strings)
    done = run(table, tmp_path / "out")
    assert done.metadata["inputs"] == len(strings)
    assert done.metadata["embedded"] + done.metadata["rejected"] == len(strings)
    assert done.metadata["embedded"] > 400


def test_names_that_are_not_utf_8_stay_distinct(tmp_path: Path) -> None:
    inside = write_pictures(tmp_path / "in", 2)
    content = next((inside / "hat").iterdir()).read_bytes()
    names = [
        os.fsdecode(b"hat\xff/\xfe.png"),
        os.fsdecode(b"hat\xfe/\xfe.png"),
        os.fsdecode(b"image_1\xfd_product_2.png"),
    ]
    for name in names:
        (inside / name).parent.mkdir(exist_ok=True)
        (inside / name).write_bytes(content)
    done = run(inside, tmp_path / "out")
    assert done.metadata["embedded"] == 5
    found = {row["file"] for row in listed(tmp_path / "out", "rows.csv")}
    assert {r"hat\udcff/\udcfe.png", r"hat\udcfe/\udcfe.png", r"image_1\udcfd_product_2.png"} <= found
    assert {r"hat\udcff", r"hat\udcfe"} <= set(done.metadata["classes"])
    again = run(inside, tmp_path / "again")
    assert again.before == 0
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


def test_folders_whose_names_are_not_utf_8_are_used_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inside, out = (tmp_path / os.fsdecode(name) for name in (b"in\xff", b"out\xfe"))
    run_command = command(monkeypatch, capsys)
    write_pictures(inside, 5)
    assert r"out\udcfe: 5 vectors" in run_command(inside, "--out", out).out
    assert json.loads(run_command(inside, "--out", out, "--json").out)["source"].endswith(r"in\udcff")
    result = CliRunner().invoke(app, ["plot", str(out)])
    assert result.exit_code == 0
    assert r"out\udcfe/tsne.png: 5 vectors" in result.output


def test_links_pipes_and_unreadable_files_do_not_end_the_run(tmp_path: Path) -> None:
    inside = write_pictures(tmp_path / "in", 2)
    (inside / "circle").symlink_to("circle")
    (inside / "hat" / "up").symlink_to(inside)  # a folder that holds itself
    (inside / "lost.png").symlink_to("nowhere.png")
    (inside / "long.png").symlink_to("x" * 300)
    (inside / "empty.png").write_bytes(b"")
    (inside / "zeros").symlink_to("/dev/zero")
    os.mkfifo(inside / "pipe.png")
    (inside / "page.png").write_text("<html>")
    (inside / "sound.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")
    done = run(inside, tmp_path / "out")
    assert done.metadata["embedded"] == 2
    reasons = {row["file"]: (row["code"], row["reason"]) for row in listed(tmp_path / "out", "rejects.csv")}
    assert reasons.keys() == {"circle", "lost.png", "long.png", "empty.png", "page.png", "sound.wav", "hat/up"}
    assert reasons["hat/up"] == ("media_unreadable", "it is a link to a folder, which is not followed")
    assert reasons["lost.png"] == ("media_not_found", "the file does not exist")
    assert reasons["empty.png"] == ("empty_value", "it is empty")
    assert reasons["circle"][0] == reasons["long.png"][0] == "media_unreadable"
    assert {reasons[name][0] for name in ("page.png", "sound.wav")} == {"media_wrong_kind"}


def test_files_of_a_manifest_that_are_no_files_are_listed(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    names = ["hat/image_0_product_0.png", "pipe.png", "folder.png", "absent.png", "x" * 300 + ".png"]
    manifest = tmp_path / "list.csv"
    manifest.write_text("file\n" + "".join(f"{name}\n" for name in names))
    done = run(manifest, tmp_path / "out")
    assert (done.metadata["embedded"], done.metadata["rejected"]) == (1, 4)
    rejects = listed(tmp_path / "out", "rejects.csv")
    assert [(row["file"][:10], row["input_row"]) for row in rejects] == [
        ("pipe.png", "row 2 (line 3)"),
        ("folder.png", "row 3 (line 4)"),
        ("absent.png", "row 4 (line 5)"),
        ("x" * 10, "row 5 (line 6)"),
    ]


def test_a_file_that_vanishes_after_the_list_was_made_is_listed(tmp_path: Path) -> None:
    inside = write_pictures(tmp_path / "in", 3)
    source = read_source(inside, None, None)
    (inside / "hat" / "image_0_product_0.png").unlink()
    wanted = Wanted(inside, tmp_path / "out", InputKind.IMAGES)
    done = embed(wanted, source, StreamSettings(), Settings(), SystemClock())
    assert (done.metadata["embedded"], done.metadata["rejected"]) == (2, 1)


@pytest.mark.parametrize("name", ["absent", "in/empty"])
def test_a_path_without_files_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "in/empty/.hidden").mkdir(parents=True)
    (tmp_path / "in/empty/.hidden/a.png").write_bytes(b"x")
    with pytest.raises(Fatal):
        run(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()
