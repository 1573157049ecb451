"""Properties of the routing policy: planted faults are named by line, proposals are read back, verdicts follow rules.

A green run does not prove the properties for spellings of TOML that are not drawn here.
"""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.decisions import Priority
from shared.errors import Fatal
from shared.routing.policy import Policy
from shared.routing.policy_file import LabelRow
from shared.routing.toml_lines import dotted, quoted
from shared.routing.training.proposal import propose
from shared.routing.verdict import PRIORITIES, Judged, judge

SOME = settings(max_examples=150, deadline=None)
Table = tuple[str, ...]


def load(raw: bytes) -> Policy:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "routing.toml"
        file.write_bytes(raw)
        return Policy.load(file)


@dataclass
class Cell:
    """One assignment."""

    key: str
    value: str


@dataclass
class Piece:
    """A statement or a comment, of one line or more."""

    before: str
    cells: list[Cell] = field(default_factory=list)
    after: str = ""

    @property
    def text(self) -> str:
        return self.before + ", ".join(f"{cell.key} = {cell.value}" for cell in self.cells) + self.after


@dataclass
class Written:
    """A file, and the piece and the table of each assignment in it."""

    pieces: list[Piece] = field(default_factory=list)
    cells: list[tuple[Piece, Table, Cell]] = field(default_factory=list)

    def add(self, table: Table, piece: Piece) -> None:
        self.pieces.append(piece)
        self.cells += [(piece, table, cell) for cell in piece.cells]

    def raw(self, newline: str = "\n") -> bytes:
        text = "\n".join(piece.text for piece in self.pieces) + "\n"
        return text.replace("\n", newline).encode()

    def line(self, wanted: Piece) -> int:
        """Return the line, from 1, on which a piece begins."""
        before = self.pieces[: next(at for at, piece in enumerate(self.pieces) if piece is wanted)]
        return 1 + sum(piece.text.count("\n") + 1 for piece in before)


SPANNING = "'''\n[labels.x]\nauto_at = 7\n]'''"
labels = st.text(min_size=1, max_size=12) | st.sampled_from(["[labels.x]", "queue", "[key]", "a.b", "'''", "# x", "]"])
tenants = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
comments = st.lists(st.sampled_from(["", "  ", "# [labels.x]", "# auto_at = 7", "#'''"]).map(Piece), max_size=2)
right = {
    "queue": labels.map(quoted) | st.just(SPANNING),
    "priority": st.sampled_from(PRIORITIES).map(quoted),
    "auto_at": st.floats(0.5, 1).map(repr),
    "review_at": st.floats(0, 0.5).map(repr),
    "never_auto": st.sampled_from(["true", "false"]),
}
WRONG = {
    "queue": ["''", "3", "[\n1,\n]"],
    "priority": ["'top'", "true"],
    "auto_at": ["1.5", "-0.1", "nan", "true", "'''\n0.5'''"],
    "review_at": ["7", "[]"],
    "never_auto": ["1", "'''\n\n'''"],
}


@st.composite
def cells(draw: st.DrawFn, table: Table) -> list[Cell]:
    """Draw the contents of a row; [default] holds the thresholds."""
    keys = draw(st.lists(st.sampled_from(sorted(right)), unique=True, min_size=1))
    if table == ("default",):
        keys = list(dict.fromkeys([*keys, "auto_at", "review_at"]))
    return [Cell(key, draw(right[key])) for key in keys]


@st.composite
def policies(draw: st.DrawFn) -> Written:
    """Draw a valid policy in the spellings that TOML allows for it: dotted keys, inline tables, headers."""
    tables: list[Table] = [("default",)]
    tables += [("labels", label) for label in draw(st.lists(labels, max_size=3, unique=True))]
    for tenant in draw(st.lists(tenants, max_size=2, unique=True)):
        tables += [("tenants", tenant, "labels", label) for label in draw(st.lists(labels, max_size=2, unique=True))]
    made, headed = Written(), []
    for table in draw(st.permutations(tables)):
        spelling = draw(st.sampled_from(["dotted", "inline", "header"]))
        if spelling == "inline":
            made.add(table, Piece(f"{dotted(table)} = {{", draw(cells(table)), "}"))
        elif spelling == "dotted":
            for cell in draw(cells(table)):
                made.pieces += draw(comments)
                made.add(table, Piece(f"{dotted(table)}.", [cell]))
        else:
            headed.append(table)  # after the first header the others would belong to its table
    for table in headed:
        made.pieces += [*draw(comments), Piece(f"[{dotted(table)}] {draw(st.sampled_from(['', '# [x]']))}")]
        for cell in draw(cells(table)):
            made.pieces += draw(comments)
            made.add(table, Piece(draw(st.sampled_from(["", "  "])), [cell]))
    return made


def refusal(raw: bytes) -> str:
    """Return the error text after the file's name."""
    with pytest.raises(Fatal, match=r"/routing\.toml") as caught:
        load(raw)
    return str(caught.value).partition("routing.toml")[2]


newlines = st.sampled_from(["\n", "\r\n"])


@SOME
@given(policies(), newlines)
def test_a_valid_policy_is_read(made: Written, newline: str) -> None:
    policy = load(made.raw(newline))
    assert policy.labels == {table[1] for _, table, _ in made.cells if table[0] == "labels"}
    assert policy.tenants == {table[1] for _, table, _ in made.cells if table[0] == "tenants"}
    for _, table, cell in made.cells:
        if table[0] == "labels" and cell.key == "auto_at":
            assert policy.rule(None, table[1]).auto_at == float(cell.value)


@SOME
@given(policies(), newlines, st.data())
def test_a_planted_value_is_named_with_its_line(made: Written, newline: str, data: st.DataObject) -> None:
    piece, table, cell = data.draw(st.sampled_from(made.cells))
    cell.value = data.draw(st.sampled_from(WRONG[cell.key]))
    reported = refusal(made.raw(newline))
    assert reported.startswith(f", line {made.line(piece)}: [{dotted(table)}] {cell.key} = ")


@SOME
@given(policies(), newlines, st.data())
def test_a_planted_key_is_named_with_its_line(made: Written, newline: str, data: st.DataObject) -> None:
    piece, table, cell = data.draw(st.sampled_from(made.cells))
    old, cell.key = cell.key, f"{cell.key}s"
    reported = refusal(made.raw(newline))
    says = f"[{dotted(table)}]: unknown key {old}s; did you mean {old}?"
    assert reported == f", line {made.line(piece)}: {says}"


@SOME
@given(policies(), newlines, st.data())
def test_a_planted_contradiction_is_named_with_its_line(made: Written, newline: str, data: st.DataObject) -> None:
    for _, _, cell in made.cells:
        cell.value = "0.75" if cell.key == "auto_at" else cell.value
    piece, table, planted = data.draw(st.sampled_from([each for each in made.cells if each[2].key == "review_at"]))
    planted.value = "0.8"
    reported = refusal(made.raw(newline))
    assert f"review_at is 0.8 ([{dotted(table)}], line {made.line(piece)}), which is above auto_at, 0.75 " in reported


@SOME
@given(st.lists(labels, max_size=8, unique=True), st.floats(0, 1), st.floats(0, 1))
def test_a_proposal_is_read_back_with_the_same_rules(names: list[str], one: float, other: float) -> None:
    policy = load(propose(names, max(one, other), min(one, other)).encode())
    policy.check_labels(names)
    assert policy.labels == set(names)
    for name in names:
        rule = policy.rule("acme", name)
        assert (rule.queue, rule.auto_at, rule.review_at) == (name, max(one, other), min(one, other))
        assert (rule.priority, rule.never_auto) == (None, False)


WORDS = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "labels",
    "tenants",
    "default",
    ".",
    " = ",
    "\n",
    '"',
    "'''",
    "a",
    "0.5",
    ",",
    "#",
]
fragments = st.lists(st.sampled_from([*WORDS, *LabelRow.model_fields])).map("".join)


@SOME
@given(st.binary(max_size=100) | (st.text(max_size=100) | fragments).map(str.encode))
def test_any_bytes_that_are_no_policy_are_refused_with_an_error_that_names_the_file(raw: bytes) -> None:
    assert refusal(raw).startswith((":", ", line "))  # random bytes do not make a table with both thresholds


events = st.builds(
    Judged,
    shares=st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1)), max_size=3),
    kind=st.sampled_from(["vote", "head", "zero_shot"]),
    in_scope=st.booleans(),
    abstains=st.sampled_from(["no_text", None]),
    agent_decided=st.booleans(),
    priority=st.sampled_from(PRIORITIES),
    tenant_id=st.sampled_from(["acme", "other", None]),
)


@SOME
@given(events, st.floats(0, 0.6), st.floats(0.6, 1), st.booleans(), st.sampled_from(PRIORITIES))
def test_a_verdict_follows_its_rule(event: Judged, low: float, high: float, never: bool, wanted: Priority) -> None:
    text = (
        f"default = {{auto_at = {high!r}, review_at = {low!r}}}\n"
        f"[labels.a]\nnever_auto = {str(never).lower()}\npriority = '{wanted}'\nqueue = 'q'\n"
    )
    verdict = judge(event, load(text.encode()))
    trusted = event.abstains is None and event.in_scope and bool(event.shares) and event.shares[0][1] >= low
    assert (verdict.action == "abstain") == (not trusted)
    assert (verdict.queue is None) == (verdict.label is None) == (not trusted)
    if not trusted:
        assert verdict.priority == event.priority
        return
    label, share = event.shares[0]
    assert (verdict.label, verdict.queue) == (label, {"a": "q", "b": "b"}[label])
    held = event.agent_decided or event.kind == "zero_shot" or (never and label == "a")
    unseen = share >= high and not held
    assert (verdict.action == "auto") == unseen
    levels = [PRIORITIES.index(each) for each in (event.priority, wanted)[: 2 if label == "a" else 1]]
    assert PRIORITIES.index(verdict.priority) == max(levels)
