"""routing.toml: where each value is inherited from, what is refused, and the line that the error names.

A green run does not prove that TOML syntax errors name the line that a person would expect: those come from tomllib.
"""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from shared.errors import Fatal
from shared.routing.policy import Policy, Rule
from shared.routing.toml_lines import Lines
from shared.routing.training.proposal import propose

DEFAULT = "[default]\nauto_at = 0.8\nreview_at = 0.4\n"


def load(folder: Path, text: str) -> Policy:
    file = folder / "routing.toml"
    file.write_text(text, encoding="utf-8", newline="")
    return Policy.load(file)


def refused(folder: Path, text: str) -> str:
    """Return the error text after the file's name."""
    with pytest.raises(Fatal) as caught:
        load(folder, text)
    assert str(caught.value).startswith(str(folder / "routing.toml"))
    return str(caught.value).removeprefix(str(folder / "routing.toml"))


def test_the_packaged_file_sends_a_label_to_the_queue_of_its_name() -> None:
    policy = Policy.load(None)
    assert policy.rule("acme", "a b") == Rule("a b", None, 0.8, 0.4, False)
    assert (policy.labels, policy.tenants) == (frozenset(), frozenset())


def test_every_key_that_the_packaged_file_explains_is_valid(tmp_path: Path) -> None:
    packaged = Path(Policy.load(None).source).read_text(encoding="utf-8")
    text = "\n".join(re.findall(r"^# (\[.+|\w+ = .+)$", packaged, re.MULTILINE))
    policy = load(tmp_path, DEFAULT + text)
    assert policy.rule("acme", "cancellation") == Rule("acme-retention", "high", 0.9, 0.5, True)
    assert policy.rule("other", "card.lost") == Rule("cards", "low", 0.8, 0.4, True)


def test_the_digest_covers_the_bytes_of_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, DEFAULT).sha256 == sha256(DEFAULT.encode()).hexdigest()
    assert load(tmp_path, DEFAULT + "# a comment\n").sha256 != sha256(DEFAULT.encode()).hexdigest()


INHERITANCE = """
[default]
queue = "desk"
auto_at = 0.8
review_at = 0.4
priority = "low"
[labels.a]
queue = "all-a"
auto_at = 0.7
never_auto = true
[labels.b]
[tenants.acme.default]
auto_at = 0.9
[tenants.acme.labels.a]
review_at = 0.5
never_auto = false
"""


@pytest.mark.parametrize(
    ("tenant_id", "label", "rule"),
    [
        ("acme", "a", Rule("all-a", "low", 0.9, 0.5, False)),
        ("acme", "b", Rule("desk", "low", 0.9, 0.4, False)),
        ("other", "a", Rule("all-a", "low", 0.7, 0.4, True)),
        (None, "a", Rule("all-a", "low", 0.7, 0.4, True)),
        ("other", "unheard of", Rule("desk", "low", 0.8, 0.4, False)),
    ],
)
def test_each_field_comes_from_the_nearest_row_that_has_it(
    tenant_id: str | None, label: str, rule: Rule, tmp_path: Path
) -> None:
    assert load(tmp_path, INHERITANCE).rule(tenant_id, label) == rule


@pytest.mark.parametrize(
    ("rest", "line", "says"),
    [
        ("[label.x]", 4, "at the top level: unknown key label; did you mean labels?"),
        ("auto-at = 1", 4, "[default]: unknown key auto-at; did you mean auto_at?"),
        ("[labels.x]\nqueu = 'q'", 5, "[labels.x]: unknown key queu; did you mean queue?"),
        ("[labels.x]\ncolour = 'q'", 5, "the keys are queue, priority, auto_at, review_at, never_auto"),
        ("[labels.card.lost]\nqueue = 'q'", 4, 'a name with a dot needs quotes: "card.lost"'),
        ("[tenants.acme]\nqueue = 'q'", 5, "[tenants.acme]: unknown key queue; the keys are default, labels"),
        ("[labels.x]\nqueue = ''", 5, "[labels.x] queue = '': expected a text of 1 to 128 characters"),
        ("[labels.x]\nqueue = 3", 5, "queue = 3: expected a text"),
        ("[labels.x]\n\n\nauto_at = 1.5", 7, "[labels.x] auto_at = 1.5: expected a number from 0 to 1"),
        ("[labels.x]\nauto_at = -0.1", 5, "expected a number from 0 to 1"),
        ("[labels.x]\nauto_at = true", 5, "auto_at = true: expected a number from 0 to 1"),
        ("[labels.x]\nreview_at = nan", 5, "expected a number from 0 to 1"),
        ("[labels.x]\nreview_at = '0.5'", 5, "expected a number from 0 to 1"),
        ("[labels.x]\nnever_auto = 1", 5, "never_auto = 1: expected true or false"),
        ("[labels.x]\npriority = 'top'", 5, "priority = 'top': expected one of low, normal, high, urgent"),
        ("[labels]\nx = 'queue'", 5, "[labels.x] = 'queue': expected a table"),
        ("[[labels.x]]\nqueue = 'q'", 4, "expected a table"),
        ("[labels.'']", 4, '[labels.""]: the name is not valid: a label has 1 to 128 characters'),
        (f"[labels.{'x' * 129}]", 4, "a label has 1 to 128 characters"),
        ("[tenants.'a:b'.default]", 4, '[tenants."a:b"]: the name is not valid: a tenant id'),
        ("[labels.'[key]']\nqueue = 1", 5, '[labels."[key]"] queue = 1: expected a text'),
        ("[labels]\nqueue = 1", 5, "[labels.queue] = 1: expected a table"),
        ("[labels]\nx = {queue = 'q', auto_at = 2}", 5, "[labels.x] auto_at = 2: expected"),
        ("[labels]\nx.queue = 'q'\nx.auto_at = 2", 6, "[labels.x] auto_at = 2: expected"),
        ('[labels]\n"x y".auto_at = 2', 5, '[labels."x y"] auto_at = 2: expected'),
        ("[labels.x]\nqueue = '''\n\n'q'\n'''\nauto_at = 2", 9, "auto_at = 2: expected"),
        ('[labels.x]\nqueue = [\n 1, # ]\n \'"""\',\n]\nauto_at = 0', 5, "expected a text"),
        ("[labels.x]\r\nqueue = '[labels.y]'\r\n[labels.y]\r\nauto_at = 2", 7, "[labels.y] auto_at = 2"),
        ("[labels.x]\n[labels.x]", 5, "Cannot declare"),
        ("[labels.x]\nqueue = 'a'\nqueue = 'b'\n", 6, "Cannot overwrite a value"),
        ("[labels.x\n", 4, "Expected ']'"),
    ],
)
def test_an_invalid_file_is_refused_with_its_line(rest: str, line: int, says: str, tmp_path: Path) -> None:
    reported = refused(tmp_path, DEFAULT + rest)
    assert reported.startswith(f", line {line}: ")
    assert says in reported


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ": [default]: auto_at is missing"),
        ("[default]\nauto_at = 1\n", ", line 1: [default]: review_at is missing"),
        ("auto_at = " + "9" * 5_000, ": Exceeds the limit"),
        ("auto_at = " + "[" * 5_000, ": "),
    ],
)
def test_without_a_known_line_the_error_names_no_line(text: str, says: str, tmp_path: Path) -> None:
    assert refused(tmp_path, text).startswith(says)


def test_the_first_of_several_faults_is_reported(tmp_path: Path) -> None:
    reported = refused(tmp_path, DEFAULT + "[tenants.t.labels.x]\nqueue = 1\n[labels.y]\nqueue = 2\nauto_at = 3\n")
    assert reported.startswith(", line 5: ")
    assert reported.endswith("(and 2 more)")


@pytest.mark.parametrize(
    ("rest", "line", "places"),
    [
        ("[labels.x]\nreview_at = 0.9", 5, ("[labels.x], line 5", "[default], line 2")),
        ("[labels.x]\nauto_at = 0.3", 5, ("[default], line 3", "[labels.x], line 5")),
        ("[labels.x]\nauto_at = 0.3\nreview_at = 0.5", 6, ("[labels.x], line 6", "[labels.x], line 5")),
        ("[labels.x]\nreview_at=0.6\n[tenants.t.default]\nauto_at=0.5", 7, ("[labels.x], line 5", "line 7")),
        ("[tenants.t.labels.y]\nauto_at = 0.3", 5, ("[default], line 3", "[tenants.t.labels.y], line 5")),
        ("[tenants.t.default]\nreview_at = 0.85", 5, ("[tenants.t.default], line 5", "[default], line 2")),
    ],
)
def test_thresholds_that_contradict_each_other_after_inheritance_are_refused(
    rest: str, line: int, places: tuple[str, str], tmp_path: Path
) -> None:
    reported = refused(tmp_path, DEFAULT + rest)
    assert reported.startswith(f", line {line}: review_at is ")
    above, below = reported.split("which is above auto_at")
    assert places[0] in above
    assert places[1] in below


def test_equal_thresholds_leave_no_review_and_are_allowed(tmp_path: Path) -> None:
    assert load(tmp_path, "default = {auto_at = 0, review_at = 0.0}").rule("t", "x").auto_at == 0


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "routing.toml"
    file.write_bytes(DEFAULT.encode() + b"# caf\xe9\n")
    with pytest.raises(Fatal, match="line 4: the text is not valid UTF-8"):
        Policy.load(file)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "routing.toml"
    file.write_bytes(b"\xef\xbb\xbf" + DEFAULT.encode())
    assert Policy.load(file).rule("t", "x").auto_at == 0.8


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"gone\.toml cannot be read: No such file"):
        Policy.load(tmp_path / "gone.toml")


def test_all_labels_of_a_head_need_a_table(tmp_path: Path) -> None:
    policy = load(tmp_path, DEFAULT + "[labels.a]\n[tenants.t.labels.b]\n")
    policy.check_labels(["a"])
    with pytest.raises(Fatal, match=r"no table for 2 of the head's labels: add \[labels\.\"a b\"\], \[labels\.b\], or"):
        policy.check_labels(["b", "a", "a b"])
    with pytest.raises(Fatal, match=r"no table for 9 .* and 4 more, or"):
        policy.check_labels("bcdefghij")


def test_rows_for_labels_a_head_does_not_have_are_found(tmp_path: Path) -> None:
    policy = load(tmp_path, DEFAULT + "[labels.a]\n[labels.'b c']\n[tenants.t.labels.d]\n")
    assert policy.rows_beyond(["a"]) == ['[labels."b c"]', "[tenants.t.labels.d]"]
    assert policy.rows_beyond(["a", "b c", "d"]) == []


def test_a_proposal_is_a_policy_with_a_row_for_each_label(tmp_path: Path) -> None:
    policy = load(tmp_path, propose(["card lost", "a.b"], 0.91, 0.3))
    policy.check_labels(["card lost", "a.b"])
    assert policy.rule("t", "a.b") == Rule("a.b", None, 0.91, 0.3, False)


def test_an_array_of_tables_has_the_line_of_its_first_table() -> None:
    lines = Lines("[[a]]\nb = 1\n[[a]]\nc = 2\n[a.d]\n")
    assert [lines.of(path) for path in [("a",), ("a", "b"), ("a", "c"), ("a", "d"), ("e",)]] == [1, 2, 4, 5, None]
