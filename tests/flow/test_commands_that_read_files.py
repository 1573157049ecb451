"""No command that reads a file exits with 0 if it has used no row of it.

The model is a fake and the head a small one. A green run does not show the output of the commands for good files: the
tests of each command do.
"""

from pathlib import Path

import pytest

from tests.support.fakes import FakeModel
from tests.support.ingest_files import millrace

USELESS: dict[str, bytes] = {
    "nothing.csv": b"",
    "blank lines.csv": b"\n\n\n",
    "header alone.csv": b"id,text,label,ticket_id,subject,body\n",
    "empty cells.csv": b"id,text,label,ticket_id,subject,body\n,,,,,\n,,,,,\n",
    "blank cells.csv": b'id,text,label,ticket_id,subject,body\n" "," "," "," "," "," "\n',
    "no header.csv": b"1,Where is my parcel?,delivery\n2,My lamp is broken.,lamp\n",
    "other columns.csv": b"colour,size\nred,5\nblue,6\n",
    "extra cells.csv": b"id,text,label\n1,Where, please, is it,delivery\n2,Where, on earth, is it,delivery\n",
    "not UTF-8.csv": b"id,text,label\n1,caf\xe9,delivery\n",
    "open quote.csv": b'id,text,label\n1,"Where is it,delivery\n',
    "twice.csv": b"text,text,label,label\na,b,c,d\n",
    "no lines.jsonl": b"",
    "no objects.jsonl": b"1\n2\n",
    "empty objects.jsonl": b"{}\n{}\n",
    "repeated keys.jsonl": b'{"id": "1", "text": "a", "text": "b", "label": "c"}\n',
    "one document.jsonl": b'[{"id": "1", "text": "a", "label": "c"}]',
    "no workbook.xlsx": b"PK\x03\x04 not really",
    "strange.pdf": b"%PDF-1.7",
}
LABELLED = b"id,text,label\n" + b"".join(
    f"{n},{('my parcel is late', 'my lamp is broken')[n % 2]} {n},{('delivery', 'lamp')[n % 2]}\n".encode()
    for n in range(40)
)
UNKNOWN_LABELS = b"id,text,label\n1,my parcel is late,garden\n2,my lamp is broken,kitchen\n"
INVISIBLE_TEXTS = b"id,text,label\n" + b"".join(f"{n},\u200b\u200b,delivery\n".encode() for n in range(4))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Yield a folder with labelled texts and a head trained on them, and let every command load a fast model."""
    for module in ("millrace.learning.labelled_files", "millrace.cli.similar", "millrace.bulk.work"):
        monkeypatch.setattr(f"{module}.load_text_model", lambda _: FakeModel())
    (tmp_path / "good.csv").write_bytes(LABELLED)
    code, printed = millrace(["router", "train", "good.csv", "--out", "head", "--no-plots"], tmp_path, {})
    assert code == 0, printed
    for name, content in USELESS.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "unknown labels.csv").write_bytes(UNKNOWN_LABELS)
    (tmp_path / "invisible texts.csv").write_bytes(INVISIBLE_TEXTS)
    return tmp_path


def commands(name: str) -> list[list[str]]:
    """Return every command that reads a file, with this file; commands that read two get it in each place in turn."""
    return [
        ["ingest", name, "--tenant", "acme", "--dry-run"],
        ["ingest", name, "--tenant", "acme", "--dry-run", "--skip-bad"],
        ["router", "train", name, "--out", "other", "--no-plots"],
        ["router", "evaluate", name, "--model", "head"],
        ["policy", "check", name, "--model", "head"],
        ["embed", name, "--out", f"vectors of {name}"],
        *(
            ["similar", how, *files]
            for how in ("evaluate", "tune")
            for files in (["--corpus", name, "--queries", "good.csv"], ["--corpus", "good.csv", "--queries", name])
        ),
    ]


def test_with_a_good_file_all_commands_exit_with_0(folder: Path) -> None:
    for command in commands("good.csv"):
        more = (
            ["--map", "text=body", "--map", "label=agent_label", "--id-column", "id"] if command[0] == "ingest" else []
        )
        code, printed = millrace([*command, *more], folder, {})
        assert code == 0, (command, printed)


def test_without_a_usable_row_no_command_exits_with_0(folder: Path) -> None:
    for name in USELESS:
        for command in commands(name):
            code, printed = millrace(command, folder, {})
            assert code == 1, (command, printed)
            assert "error: " in printed, (command, printed)
            assert "Traceback" not in printed
    assert not (folder / "other").exists(), "no head is created from an empty file"


def test_with_unusable_labels_or_texts_no_command_exits_with_0(folder: Path) -> None:
    for command in commands("unknown labels.csv"):
        if command[0] in ("policy", "similar") or command[:2] == ["router", "evaluate"]:
            code, printed = millrace(command, folder, {})
            assert (code, "error: " in printed) == (1, True), (command, printed)
    for command in commands("invisible texts.csv"):
        if command[0] != "ingest":
            code, printed = millrace(command, folder, {})
            assert (code, "error: " in printed) == (1, True), (command, printed)
