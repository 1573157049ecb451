"""The comparison with peers: its arithmetic, its checks, the peers' routing, and its tables and picture.

A green run does not prove that a contender works (`tests/faults/test_peers.py` runs two of them), nor that a figure is
right on another machine.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.comparison import Plan
from benchmarks.peers.contenders import ALL, MILLRACE, NAIVE, chosen, model_settings, own_model
from benchmarks.peers.desk import Router
from benchmarks.peers.family import cpu_s, peak_mib
from benchmarks.peers.figures import Spread, agreement, labels_of, missing_of, percentiles, ratios
from benchmarks.peers.machine import machine
from benchmarks.peers.picture import draw
from benchmarks.peers.report import COLUMNS, Findings, Row, print_findings
from shared.routing.head import Head
from shared.routing.head_files import save_head
from shared.routing.training.plan import plan_training
from shared.routing.training.train import train
from tests.support.labelled import WordModel, examples, support


def result(number: int, label: str) -> bytes:
    return json.dumps({"ticket_id": f"T-{number}", "label": label}).encode()


# --- arithmetic ---


def test_percentiles_are_those_of_a_known_list() -> None:
    assert percentiles(list(range(101))) == {"p50": 50, "p95": 95, "p99": 99}


def test_a_spread_is_the_median_and_both_ends() -> None:
    assert Spread.of([4.0, 1.0, 2.0]) == Spread(2.0, 1.0, 4.0)


def test_ratios_are_by_round() -> None:
    assert ratios([10.0, 30.0], [5.0, 10.0]) == [2.0, 3.0]


def test_labels_are_read_from_the_results_of_peers_and_of_millrace() -> None:
    ours = json.dumps({"ticket_id": "T-2", "decision": {"top": [{"label": "b"}, {"label": "c"}]}}).encode()
    assert labels_of([result(1, "a"), ours]) == {"T-1": "a", "T-2": "b"}


def test_a_second_result_of_a_ticket_is_refused() -> None:
    with pytest.raises(ValueError, match="two results of T-1"):
        labels_of([result(1, "a"), result(1, "a")])


def test_tickets_without_a_result_are_found() -> None:
    assert missing_of({"T-1": "a"}, [1, 2]) == ["T-2"]


def test_agreement_is_over_the_tickets_that_both_have() -> None:
    assert agreement({"T-1": "a", "T-2": "b", "T-9": "z"}, {"T-1": "a", "T-2": "c"}) == 0.5
    with pytest.raises(ValueError, match="no ticket in common"):
        agreement({"T-1": "a"}, {"T-2": "a"})


# --- contenders ---


def test_each_contender_has_a_name_of_its_own_and_each_peer_a_module() -> None:
    assert len({each.name for each in ALL}) == len({each.title for each in ALL}) == len(ALL)
    assert all(find_spec(f"benchmarks.peers.{each.module}") for each in ALL if each.is_peer)


def test_contenders_are_chosen_by_name() -> None:
    assert [each.name for each in chosen(ALL, ["faust", "naive"])] == ["naive", "faust"]
    assert chosen(ALL, []) == list(ALL)


def test_a_model_of_the_user_is_a_further_row_with_a_head_of_its_own(tmp_path: Path) -> None:
    own = own_model("minilm-int8", tmp_path / "models.toml")
    assert own.model == "minilm-int8"
    assert model_settings(own)["MILLRACE_TICKETS__EMBEDDING__MODELS_FILE"] == str(tmp_path / "models.toml")


def test_every_contender_gets_the_same_paced_tickets_and_the_backlog_of_the_slowest() -> None:
    plan = Plan(ALL, records=3, age_s=2.0, age_rate=5.0)
    naive, fast = plan.load(NAIVE), plan.load(MILLRACE[0])
    assert (len(naive.backlog), len(fast.backlog)) == (3, 18)
    assert naive.backlog == fast.backlog[:3]
    assert (naive.paced, naive.due_s()) == (fast.paced, fast.due_s())
    assert len(naive.due_s()) == 10
    assert naive.due_s() == sorted(naive.due_s())


def test_a_peer_routes_as_the_head_does(tmp_path: Path) -> None:
    given = examples(support(labels=4))
    head: Head = train(plan_training(given, None), WordModel.fingerprint, lambda: None).head
    save_head(head, tmp_path)
    new = examples(support(labels=4, seed=1))
    best = np.argmax(head.predict(new.texts, new.vectors).probabilities, axis=1)
    labels = Router(tmp_path).labels_of(new.texts, new.vectors)
    assert labels == [head.labels[each] for each in best]
    assert len(set(labels)) > 1


# --- the process and the machine ---


def test_cpu_and_memory_include_the_children() -> None:
    alone_s, alone_mib = cpu_s(os.getpid()), peak_mib(os.getpid())
    work = "sum(range(20_000_000)); held = b'x' * (50 << 20); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert cpu_s(os.getpid()) >= alone_s + 0.1
        assert peak_mib(os.getpid()) >= alone_mib + 50
        child.communicate(b"\n")


def test_the_machine_has_a_name_and_cores() -> None:
    found = machine()
    assert found["cpu"]
    assert found["cores"] == len(os.sched_getaffinity(0))


# --- tables and picture ---


@pytest.fixture
def found() -> Findings:
    rows = {"naive": Row("a naive loop", True, "library"), "ours": Row("Millrace", False, "library")}
    for number, row in enumerate(rows.values(), 1):
        for each in (1.0, 2.0):
            row.add(dict.fromkeys(COLUMNS, each * number), 1.0)
    return Findings(
        {"machine": {"cpu": "a CPU", "cores": 2, "instructions": ["avx512_bf16"]}, "age_rate": 20.0},
        rows,
        {"library": [2.0, 2.0]},
    )


def test_the_tables_have_medians_spreads_and_ratios(found: Findings, capsys: pytest.CaptureFixture[str]) -> None:
    print_findings(found)
    printed = capsys.readouterr().out
    assert "3.0 (2.0-4.0)" in printed
    assert "2.00: 2.00, 2.00" in printed
    assert "1.50: 1.00, 2.00" in printed


def test_the_json_has_the_figures_of_each_round_and_their_ratios(found: Findings) -> None:
    kept = json.loads(json.dumps(found.as_dict()))
    assert kept["rows"]["ours"]["figures"]["peak_mib"] == [2.0, 4.0]
    assert kept["ratios"]["best peer, naive"]["ours"] == [2.0, 2.0]
    assert kept["ratios"]["bare encoder"] == {"naive": [0.5, 1.0], "ours": [1.0, 2.0]}


def test_the_best_peer_is_no_row_of_millrace(found: Findings) -> None:
    assert found.best_peer() == "naive"


def test_the_picture_names_every_contender(found: Findings, tmp_path: Path) -> None:
    draw(found, tmp_path / "peers.svg")
    drawn = (tmp_path / "peers.svg").read_text(encoding="utf-8")
    assert all(row.title in drawn for row in found.rows.values())
    assert "with bfloat16" in drawn
