"""`python -m benchmarks.models [KEY ...]`: texts per second, memory and start-up of text models, interleaved.

Each model runs in a process of its own, and the processes work in turn, so that neither the threads nor the memory of
one model affect another. `--models-file` names a models.toml of your own. Texts are Banking77's if `MILLRACE_DATA`
names them, and Millrace's samples.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.memory import own_mib
from shared.clock import SystemClock
from shared.logs import configure
from shared.model_settings import EmbeddingSettings
from shared.stream_settings import StreamSettings

PACKAGED = ("minilm-l6-v2", "use-multilingual-v3")
BATCH_TEXTS = 256
STARTS = 3
CLOCK = SystemClock()
LIBRARIES = {
    "torch": "shared.embedding.text",
    "openvino": "shared.embedding.openvino.model",
    "numpy": "shared.embedding.universal",
}
"""By backend, the module whose import brings all libraries of the model."""


class ModelProcess:
    """A process that serves one model to the benchmark.

    Args:
        key: The model.
        models_file: A models.toml; None means the packaged one.
        texts_wanted: The largest number of texts of each set.
    """

    def __init__(self, key: str, models_file: Path | None, texts_wanted: int) -> None:
        given = [key, str(texts_wanted), str(models_file or "")]
        began_s = CLOCK.monotonic_s()
        command = [sys.executable, "-m", "benchmarks.models", "--serve", *given]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603  (ourselves)
        self.loaded = self._answer()
        self.loaded["start_s"] = CLOCK.monotonic_s() - began_s

    def ask(self, texts: str) -> dict[str, Any]:
        """Embed a set of texts once, and return what the process measured."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{texts}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


def serve(key: str, texts_wanted: int, models_file: Path | None) -> None:
    """Load a model, report that, and embed the set of texts that each line of the standard input names."""
    own = StreamSettings(embedding=EmbeddingSettings(model=key, models_file=models_file))
    began_s = CLOCK.monotonic_s()
    from millrace.configured import model_card
    from millrace.resources import load_text_model
    from shared.embedding.backends import choose_backend

    backend = choose_backend(model_card(own), own.embedding.backend, own.embedding.device)
    import_module(LIBRARIES[backend])
    imported_s = CLOCK.monotonic_s() - began_s
    model = load_text_model(own)
    model.embed(["Where is my order?"])
    print(json.dumps({"import_s": imported_s, "memory_mib": own_mib("VmRSS")}), flush=True)
    sets = text_sets(texts_wanted)
    for line in sys.stdin:
        texts = sets[line.strip()]
        began_s = CLOCK.monotonic_s()
        for start in range(0, len(texts), BATCH_TEXTS):
            model.embed(texts[start : start + BATCH_TEXTS])
        rate = len(texts) / (CLOCK.monotonic_s() - began_s)
        print(json.dumps({"rate": rate, "peak_mib": own_mib("VmHWM")}), flush=True)


def text_sets(texts_wanted: int) -> dict[str, list[str]]:
    """Return the sets of texts, by name; imported here, so that the imports do not count as memory of the model."""
    from benchmarks.samples import labelled_samples
    from benchmarks.texts import load_texts

    where, texts = load_texts(texts_wanted)
    return {where: texts, "samples": list(labelled_samples().texts)[:texts_wanted]}


def report(keys: Sequence[str], models_file: Path | None, texts_wanted: int, rounds: int) -> None:
    """Measure and print.

    Args:
        keys: The models; ratios are those to the first.
        models_file: A models.toml; None means the packaged one.
        texts_wanted: The largest number of texts of each set.
        rounds: How often each model embeds each set.
    """
    starts: dict[str, list[dict[str, Any]]] = {key: [] for key in keys}
    for _ in range(STARTS - 1):
        for key in keys:
            started = ModelProcess(key, models_file, texts_wanted)
            started.close()
            starts[key].append(started.loaded)
    with ExitStack() as stack:
        processes = {}
        for key in keys:
            processes[key] = ModelProcess(key, models_file, texts_wanted)
            stack.callback(processes[key].close)
            starts[key].append(processes[key].loaded)
        print(f"\nText models: seconds from the start of the process to the first vector, {STARTS} starts in turn")
        for key in keys:
            start = _spread([each["start_s"] for each in starts[key]], ".1f")
            imports = _spread([each["import_s"] for each in starts[key]], ".1f")
            memory = median(each["memory_mib"] for each in starts[key])
            print(f"  {key:<36} {start} s, of which imports {imports} s; {memory:.0f} MiB in use")
        for name, texts in text_sets(texts_wanted).items():
            _report_rates(f"{len(texts)} texts of {name}", name, processes, rounds)


def _report_rates(title: str, name: str, processes: dict[str, ModelProcess], rounds: int) -> None:
    rates: dict[str, list[float]] = {key: [] for key in processes}
    peaks: dict[str, float] = {}
    for _ in range(rounds):
        for key, process in processes.items():
            found = process.ask(name)
            rates[key].append(found["rate"])
            peaks[key] = found["peak_mib"]
    first = next(iter(rates.values()))
    print(f"\nTexts per second, {title}, batches of {BATCH_TEXTS}, {rounds} rounds in turn: median (min-max)")
    for key, found_rates in rates.items():
        ratios = [rate / base for rate, base in zip(found_rates, first, strict=True)]
        ratio = f"ratio to the first {_spread(ratios, '.2f')}"
        print(f"  {key:<36} {_spread(found_rates, '.0f')}; {ratio}; peak {peaks[key]:.0f} MiB")


def _spread(values: Sequence[float], form: str) -> str:
    return f"{median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def main() -> None:
    """Measure the named models, or the packaged ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "key", nargs="*", default=PACKAGED, help="models, as in models.toml; the packaged ones by default"
    )
    parser.add_argument("--models-file", type=Path, help="a models.toml of your own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=2_048, help="the largest number of texts of each set")
    parser.add_argument("--serve", nargs=3, metavar=("KEY", "TEXTS", "MODELS_FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    configure("error", json_lines=False)
    if given.serve:
        key, texts, models_file = given.serve
        serve(key, int(texts), Path(models_file) if models_file else None)
    else:
        report(given.key, given.models_file, given.texts, given.rounds)


if __name__ == "__main__":
    main()
