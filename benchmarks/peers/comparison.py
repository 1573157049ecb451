"""The comparison: models and heads are prepared, each contender lives once in each round, and what was found is kept."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.bare import rate_of
from benchmarks.peers.contenders import ALL, PACKAGED_MODEL, Contender, model_settings
from benchmarks.peers.figures import agreement
from benchmarks.peers.life import CLOCK, Load, live
from benchmarks.peers.machine import machine, versions
from benchmarks.peers.models import export_onnx, labelled_table, train_head, weights
from benchmarks.peers.picture import draw
from benchmarks.peers.report import RATE, Findings, Row, print_findings
from benchmarks.peers.stream import create_stream
from benchmarks.texts import load_mix
from tests.support.kafka.server import KafkaServer, why_unavailable

KEPT = Path(".millrace/peers.json")
LIBRARY = {"whole": "sentence-transformers, all at once", "batches": "sentence-transformers, batches of 256"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        contenders: The contenders; labels are compared with those of the first.
        rounds: How often.
        records: Tickets of the naive loop's backlog; the others get several times as many.
        age_s: Seconds of tickets at a steady rate.
        age_rate: Their number per second, below what the slowest contender can do.
        bare: Whether bare encoders are measured too.
    """

    contenders: Sequence[Contender]
    rounds: int = 3
    records: int = 640
    age_s: float = 30.0
    age_rate: float = 20.0
    bare: bool = True

    def load(self, contender: Contender) -> Load:
        """Return the tickets of a contender."""
        return Load(
            load_mix(self.records * contender.share), load_mix(round(self.age_s * self.age_rate)), self.age_rate
        )


def compare(plan: Plan, table: Path, folder: Path, keep: Callable[[Findings], None]) -> Findings:
    """Measure.

    Args:
        plan: What is measured.
        table: Labelled texts, for the heads.
        folder: An empty folder for the models and heads.
        keep: Called after each round with what is found until then.

    Raises:
        RuntimeError: a contender failed, or gave other labels than the first one.
    """
    began_s = CLOCK.monotonic_s()
    about = {"machine": machine(), "versions": versions(), "age_rate": plan.age_rate, "records": plan.records}
    found = Findings(about, {each.name: _row(each) for each in plan.contenders}, {})
    onnx = export_onnx(weights(), folder / "onnx") if any(each.encoder == "onnx" for each in plan.contenders) else None
    heads = _heads(plan.contenders, table, folder)
    with KafkaServer() as kafka:
        create_stream(kafka.bootstrap)
        for number in range(plan.rounds):
            first: Mapping[str, str] = {}
            for each in plan.contenders:
                model = onnx if onnx is not None and each.encoder == "onnx" else weights()
                group = f"{each.name}-{number}"
                lived = live(each, kafka.bootstrap, model, heads[each.model], plan.load(each), group)
                first = first or lived.labels
                found.rows[each.name].add(lived.figures, _checked(each, agreement(lived.labels, first)))
                print(f"round {number + 1}: {each.title}, {lived.figures[RATE]:.1f} tickets/s", flush=True)
            if plan.bare:
                _measure_bare(plan, found)
            found.about["took_s"] = round(CLOCK.monotonic_s() - began_s)
            keep(found)
    return found


def _checked(contender: Contender, agreed: float) -> float:
    """Return the share of labels in which a contender agrees with the first one, if it is high enough."""
    if agreed < contender.least_agreement:
        raise RuntimeError(f"{contender.name} gave the same label to only {agreed:.2%} of the tickets")
    return agreed


def _row(contender: Contender) -> Row:
    """Return a contender's row; without figures yet, and with the bare encoder that does the same work."""
    if contender.encoder == "onnx":
        return Row(contender.title, contender.is_peer, "")
    return Row(contender.title, contender.is_peer, LIBRARY["batches"] if contender.is_peer else _bare_title(contender))


def _bare_title(contender: Contender) -> str:
    """Return what a Millrace encoder is called: contenders with the same settings of the encoder share it."""
    chosen_by = model_settings(contender)
    named = ", ".join(Path(value).name for value in chosen_by.values())
    return f"Millrace's encoder, {named or 'as chosen by default'}"


def _heads(contenders: Sequence[Contender], table: Path, folder: Path) -> dict[str, Path]:
    """Train a head for each model; the packaged one is computed as by default, whatever its contenders choose."""
    wanted = {each.model: {} if each.model == PACKAGED_MODEL else model_settings(each) for each in contenders}
    return {model: train_head(settings, table, folder / f"head-{model}") for model, settings in wanted.items()}


def _measure_bare(plan: Plan, found: Findings) -> None:
    """Measure each bare encoder once, with as many texts as its contenders get."""
    kinds = {title: (kind, 2, dict[str, str]()) for kind, title in LIBRARY.items()}
    ours = [each for each in plan.contenders if not each.is_peer]
    kinds |= {_bare_title(each): ("millrace", each.share, model_settings(each)) for each in ours}
    for title, (kind, share, settings) in kinds.items():
        rate = rate_of(kind, plan.records * share, weights(), settings)
        found.bare.setdefault(title, []).append(rate)
        print(f"  {title}: {rate:.1f} texts/s", flush=True)


def report(plan: Plan, kept: Path, picture: Path | None) -> None:
    """Measure, print, and keep the figures and the picture."""
    kept.parent.mkdir(parents=True, exist_ok=True)

    def keep(found: Findings) -> None:
        kept.write_text(json.dumps(found.as_dict(), indent=1) + "\n", encoding="utf-8")
        if picture is not None:
            draw(found, picture)

    with tempfile.TemporaryDirectory(prefix="millrace-peers-") as named:
        folder = Path(named)
        found = compare(plan, labelled_table(folder / "labelled.csv"), folder, keep)
    print_findings(found)
    print(f"\nAll of it took {found.about['took_s']:,} s; the figures are in {kept}")


def run_all() -> None:
    """Compare all contenders, as a part of `make bench`; without Kafka's jars, say so."""
    if reason := why_unavailable():
        print(f"\nPeers: skipped, {reason}")
        return
    print("\nA worker of tickets and its peers")
    report(Plan(ALL), KEPT, None)
