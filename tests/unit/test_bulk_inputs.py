"""What `millrace embed` takes as inputs: folders, manifests, tables, the ids in names, and the choice of the kind.

A green run does not prove that a file can be decoded.
"""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.bulk.inputs import Files, Input, Source, TableRows, named_ids, read_source, readable
from millrace.bulk.kinds import InputKind, choose_kind
from shared.errors import Fatal

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
FLAC = b"fLaC" + bytes(60)


def put(folder: Path, name: str, content: bytes = PNG) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def read(path: Path, text: str | None = None, label: str | None = None) -> list[Input]:
    return list(read_source(path, text, label).inputs())


def test_a_folder_gives_its_files_in_order_with_labels_and_ids(tmp_path: Path) -> None:
    for name in ("shoe/b.png", "image_7_product_x_1.png", "hat/winter/image_1_product_2.jpg", ".hidden/a.png"):
        put(tmp_path, name)
    found = read(tmp_path)
    assert [(each.file, each.label, each.image_id, each.product_id) for each in found] == [
        ("hat/winter/image_1_product_2.jpg", "winter", "1", "2"),
        ("image_7_product_x_1.png", "", "7", "x_1"),
        ("shoe/b.png", "shoe", "", ""),
    ]


IDS = st.text(st.characters(exclude_characters="/\0.()"), min_size=1).filter(
    lambda each: not any(char.isspace() for char in each) and "_product_" not in f"_{each}_".lower()
)


@given(
    IDS,
    st.from_regex(r"[A-Za-z0-9-]+", fullmatch=True),
    st.sampled_from(["image_{}_product_{}.jpg", "IMAGE_{}_Product_{}.JPG"]),
)
def test_ids_in_a_name_are_read_back(image_id: str, product_id: str, form: str) -> None:
    name = "a/b/" + form.format(image_id, product_id)
    assert named_ids(name) == (readable(image_id), product_id)
    readable(name).encode()


@pytest.mark.parametrize(
    "name",
    [
        "image_1.jpg",
        "image__product_2.jpg",
        "image_1_product_.jpg",
        "my_image_1_product_2.jpg",
        "image_1_product_2 (1).jpg",
        "image_1_product_2(1).jpg",
        "image_1_product_2 copy.jpg",
        "image_17_product_4.jpg.jpg",
        "image_a_product_b_product_c.png",
    ],
)
def test_a_name_that_does_not_state_both_ids_clearly_states_none(name: str) -> None:
    assert named_ids(name) == ("", "")


def test_a_manifest_states_labels_and_ids_before_names_do(tmp_path: Path) -> None:
    for name in ("image_1_product_2.png", "b.png"):
        put(tmp_path, name)
    manifest = tmp_path / "list.csv"
    manifest.write_text("file,Label,product_id\nimage_1_product_2.png,hat,9\nb.png,,\nmissing.png,hat,\n")
    found = read(manifest)
    assert [(each.file, each.label, each.image_id, each.product_id) for each in found] == [
        ("image_1_product_2.png", "hat", "1", "9"),
        ("b.png", "", "", ""),
        ("missing.png", "hat", "", ""),
    ]
    assert [each.row for each in found] == ["row 1 (line 2)", "row 2 (line 3)", "row 3 (line 4)"]


def test_rows_of_a_table_that_cannot_be_used_stay_with_their_fault(tmp_path: Path) -> None:
    table = tmp_path / "texts.jsonl"
    table.write_text('{"text": "one", "label": "a"}\n{"text": \n{"text": null}\n{"other": 1}\n')
    source = read_source(table, None, None)
    assert isinstance(source, TableRows)
    assert source.count == 4
    one, broken, empty, other = source.inputs()
    assert (one.text, one.label, one.fault) == ("one", "a", "")
    assert broken.fault
    assert (empty.text, other.text) == ("", "")


def test_a_column_of_texts_makes_a_table_no_manifest(tmp_path: Path) -> None:
    table = tmp_path / "texts.csv"
    table.write_text("file,body,class\na.png,Hello,greeting\n")
    [found] = read(table, "body", "class")
    assert (found.text, found.label, found.path) == ("Hello", "greeting", None)
    [as_manifest] = read(table)
    assert as_manifest.path is not None


@pytest.mark.parametrize(
    ("content", "text", "label", "expected"),
    [
        ("a,b\n1,2\n", None, None, "neither a column file nor a column text"),
        ("text\nHello\n", None, "class", "no column class; the columns are text"),
        ("text\nHello\n", "body", None, "no column body"),
        ("text,text\nHello,you\n", None, None, "the column text appears 2 times"),
        ("text\n", None, None, "it has no row"),
        ("file\n../a.png\n", None, None, "outside the folder"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    content: str, text: str | None, label: str | None, expected: str, tmp_path: Path
) -> None:
    table = tmp_path / "texts.csv"
    table.write_text(content)
    with pytest.raises(Fatal, match=expected):
        read(table, text, label)


def test_options_of_tables_are_refused_for_a_folder(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    with pytest.raises(Fatal, match="for tables"):
        read(tmp_path, label="x")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: put(folder, "hat/c.png"),
        lambda folder: (folder / "hat/a.png").rename(folder / "hat/d.png"),
        lambda folder: (folder / "hat").rename(folder / "cap"),
        lambda folder: put(folder, "hat/a.png", PNG + b"1"),
        lambda folder: os.utime(folder / "hat/a.png", ns=(1, 1)),
        lambda folder: (folder / "more").symlink_to(folder / "hat"),
    ],
)
def test_each_change_of_a_folder_changes_its_digest(change: object, tmp_path: Path) -> None:
    put(tmp_path, "hat/a.png")
    put(tmp_path, "hat/b.png")
    before = read_source(tmp_path, None, None).digest
    assert read_source(tmp_path, None, None).digest == before
    assert callable(change)
    change(tmp_path)
    assert read_source(tmp_path, None, None).digest != before


def folder_of(tmp_path: Path, **counts: int) -> Source:
    kinds = {"images": ("png", PNG), "sounds": ("flac", FLAC), "texts": ("txt", b"Hello"), "others": ("csv", b"a,b")}
    for kind, count in counts.items():
        for number in range(count):
            put(tmp_path, f"{number}.{kinds[kind][0]}", kinds[kind][1])
    return read_source(tmp_path, None, None)


@pytest.mark.parametrize("texts", [0, 1, 2, 5])
def test_the_kind_is_images_or_sounds_whatever_texts_lie_beside_them(texts: int, tmp_path: Path) -> None:
    source = folder_of(tmp_path, images=2, sounds=1, texts=texts, others=4)
    assert isinstance(source, Files)
    assert choose_kind(source, None, tmp_path) is InputKind.IMAGES
    assert choose_kind(source, InputKind.SOUNDS, tmp_path) is InputKind.SOUNDS
    if texts:
        assert choose_kind(source, InputKind.TEXTS, tmp_path) is InputKind.TEXTS


def test_the_kind_of_a_folder_with_neither_images_nor_sounds_is_texts(tmp_path: Path) -> None:
    assert choose_kind(folder_of(tmp_path, texts=1, others=4), None, tmp_path) is InputKind.TEXTS


def test_the_kind_is_asked_for_where_images_and_sounds_are_equally_frequent(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"1 sound, 1 image .* --kind"):
        choose_kind(folder_of(tmp_path, images=1, sounds=1), None, tmp_path)


def test_a_folder_without_anything_that_can_be_embedded_is_refused(tmp_path: Path) -> None:
    source = folder_of(tmp_path, others=2)
    with pytest.raises(Fatal, match="no image, no sound and no text"):
        choose_kind(source, None, tmp_path)
    with pytest.raises(Fatal, match=r"there is no image in .*: nothing that can be embedded"):
        choose_kind(source, InputKind.IMAGES, tmp_path)


def test_a_table_of_texts_holds_only_texts(tmp_path: Path) -> None:
    table = tmp_path / "texts.csv"
    table.write_text("text\nHello\n")
    source = read_source(table, None, None)
    assert choose_kind(source, None, table) is InputKind.TEXTS
    with pytest.raises(Fatal, match="no image in it"):
        choose_kind(source, InputKind.IMAGES, table)


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="does not exist"):
        read(tmp_path / "photos")
