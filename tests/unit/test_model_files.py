"""The files of a model's folder: which are listed, which nobody reads, links, and files that name others.

A green run does not prove that a loader reads no file that counts as unread; the contract suite loads real models.
"""

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from shared.embedding.files import digest_of, faults, files_of, files_table, is_inside, outside_references
from shared.errors import Fatal

EMPTY = sha256(b"").hexdigest()


def written(folder: Path, *names: str) -> Path:
    """Write empty files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("size", [0, 1, 262_144, 262_145, 3_000_001])
def test_a_digest_covers_the_whole_file(tmp_path: Path, size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    (tmp_path / "file").write_bytes(content[:size])
    assert digest_of(tmp_path / "file") == sha256(content[:size]).hexdigest()


def test_every_file_that_a_loader_may_read_is_in_the_table(tmp_path: Path) -> None:
    names = ["model.safetensors", "1_Pooling/config.json", "vocab.txt", ".hidden.json", "license.json", "README.json"]
    assert files_of(written(tmp_path, *names)) == dict.fromkeys(sorted(names), EMPTY)
    assert faults(tmp_path, files_of(tmp_path)) == []


@pytest.mark.parametrize(
    "name",
    [
        "README.md", "README", "LICENSE", "LICENSE.txt", "LICENSE-MIT", "licence.md", "NOTICE", "1_Dense/README.md",
        ".gitattributes", "data_config.json", "train_script.py", "__init__.py", "__pycache__/cli.cpython-311.pyc",
        ".cache/huggingface/download/model.safetensors.metadata", ".git/objects/ab/cd", "py.typed",
    ],
)  # fmt: skip
def test_files_that_no_loader_reads_are_not_in_the_table(tmp_path: Path, name: str) -> None:
    assert files_of(written(tmp_path, name)) == {}
    assert faults(tmp_path, {}) == []


def test_files_that_no_loader_reads_may_be_listed_anyway(tmp_path: Path) -> None:
    written(tmp_path, "README.md")
    assert faults(tmp_path, {"README.md": EMPTY}) == []
    assert faults(tmp_path, {"README.md": "0" * 64}) == [
        f"{tmp_path / 'README.md'} has SHA-256 {EMPTY}, but the model's card states {'0' * 64}"
    ]


def test_the_table_is_toml(tmp_path: Path) -> None:
    written(tmp_path, "b.json", 'a "quoted".json')
    assert files_table(tmp_path) == f'"a \\"quoted\\".json" = "{EMPTY}"\n"b.json" = "{EMPTY}"'


@pytest.mark.parametrize("name", ["a", "a/b.json", "..a", "a..", "a b", "é"])
def test_a_name_inside_the_folder_is_accepted(name: str) -> None:
    assert is_inside(name)


@pytest.mark.parametrize(
    "name", ["", "/a", "../a", "a/../b", "a/..", ".", "a//b", "a/", "a\\b", "C:a", "a\nb", "a\x00"]
)
def test_a_name_that_may_lead_outside_the_folder_is_refused(name: str) -> None:
    assert not is_inside(name)


# --- links ---


@pytest.mark.parametrize("target", ["real.json", "../outside.json", "nowhere"])
def test_a_link_is_refused_wherever_it_leads(tmp_path: Path, target: str) -> None:
    folder = written(tmp_path, "outside.json", "model/real.json") / "model"
    (folder / "link.json").symlink_to(target)
    with pytest.raises(Fatal, match=r"link\.json is a symbolic link: replace it with the file itself"):
        files_of(folder)


def test_a_linked_folder_inside_is_refused_but_the_model_s_own_folder_may_be_a_link(tmp_path: Path) -> None:
    folder = written(tmp_path, "other/a.json", "model/real.json") / "model"
    (tmp_path / "current").symlink_to(folder)
    assert files_of(tmp_path / "current") == {"real.json": EMPTY}
    (folder / "1_Pooling").symlink_to(tmp_path / "other")
    with pytest.raises(Fatal, match="1_Pooling is a symbolic link"):
        files_of(folder)


def snapshot(root: Path) -> Path:
    """Lay out a snapshot as the Hugging Face cache does: links to blobs."""
    repository = root / "models--org--name"
    written(repository, "blobs/0a1b", "outside")
    folder = repository / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    (folder / "config.json").symlink_to("../../blobs/0a1b")
    return folder


def test_links_of_a_snapshot_lead_to_the_blobs_of_its_repository(tmp_path: Path) -> None:
    assert files_of(snapshot(tmp_path)) == {"config.json": EMPTY}


@pytest.mark.parametrize("target", ["../../outside", "../../../other/blobs/0a1b", "../../blobs/none", "../../blobs"])
def test_no_other_link_of_a_snapshot_is_followed(tmp_path: Path, target: str) -> None:
    folder = snapshot(tmp_path)
    written(tmp_path, "other/blobs/0a1b")
    (folder / "more.json").symlink_to(target)
    with pytest.raises(Fatal, match=r"more\.json is a symbolic link"):
        files_of(folder)


def test_anything_that_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Fatal, match="pipe is neither a file nor a folder"):
        files_of(tmp_path)


def test_a_folder_that_does_not_exist_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="cannot be read: No such file"):
        files_of(tmp_path / "none")


# --- files that name others ---

INDEX = "model.safetensors.index.json"


def indexed(folder: Path, *shards: str) -> None:
    """Write an index of shards."""
    weights = {f"layer{number}": shard for number, shard in enumerate(shards)}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weights}))


def test_shards_are_listed(tmp_path: Path) -> None:
    indexed(tmp_path, "a.safetensors", "b.safetensors", "a.safetensors")
    assert outside_references(tmp_path, dict.fromkeys([INDEX, "a.safetensors", "b.safetensors"], EMPTY)) == []


@pytest.mark.parametrize("shard", ["c.safetensors", "../a.safetensors", "/tmp/a.safetensors"])  # noqa: S108  (never opened)
def test_a_shard_that_is_not_listed_is_found(tmp_path: Path, shard: str) -> None:
    indexed(tmp_path, "a.safetensors", shard)
    found = outside_references(tmp_path, dict.fromkeys([INDEX, "a.safetensors"], EMPTY))
    assert found == [f"{INDEX} names the shard {shard}, which its card does not list"]


def test_shards_are_in_the_folder_of_their_index(tmp_path: Path) -> None:
    written(tmp_path, "sub/a.safetensors")
    indexed(tmp_path / "sub", "a.safetensors")
    assert outside_references(tmp_path, dict.fromkeys([f"sub/{INDEX}", "sub/a.safetensors"], EMPTY)) == []


@pytest.mark.parametrize(("path", "leads_out"), [("", False), ("1_Pooling", False), ("../x", True), ("/etc", True)])
def test_a_module_is_in_the_model_s_folder(tmp_path: Path, path: str, leads_out: bool) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([{"idx": 0, "path": path, "type": "any"}]))
    assert bool(outside_references(tmp_path, {"modules.json": EMPTY})) is leads_out


def test_an_adapter_depends_on_weights_that_no_card_lists(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    found = outside_references(tmp_path, {"adapter_config.json": EMPTY})
    assert found == ["adapter_config.json names the base model org/base, which its card does not list"]


@pytest.mark.parametrize("content", ["{", "[]", "3", '{"weight_map": [1]}', "\xff"])
@pytest.mark.parametrize("name", [INDEX, "adapter_config.json"])
def test_an_invalid_index_is_fatal(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="latin-1")
    with pytest.raises(Fatal, match="is not valid for a file of this name"):
        outside_references(tmp_path, {name: EMPTY})
