"""Pictures per second of the whole worker of products, beside the same model in a bare loop: `python -m benchmarks.images`.

The ways run in turn: the worker (embedded broker, Edge, decoding children, pictures read from files, titles embedded, a
vote, near-duplicates); the bare loop (Pillow opens each file, it is prepared, and the model embeds batches) and its parts
alone. `--memory N` sends N pictures through one worker and prints its memory, with that of its children, ten times.

The pictures are those of the data folder, else of the demo's samples: each many times, cropped a little differently, so
that no two are equal. The cache is off.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from importlib.resources import files as package_files
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.memory import children_mib, own_mib
from benchmarks.throughput import CLOCK, Phases, seconds_of, wait_for
from millrace.demo.sample_files import rows_of
from millrace.resources import Process, load_models, open_store
from millrace.streams import PICTURED
from millrace.wiring import stream_worker
from schemas.topics import input_topic
from shared.audit.comparison import audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.embedding.image.pixels import prepare_picture
from shared.embedding.port import Model, Pixels
from shared.embedding.registry import load_image_card
from shared.media_settings import MediaSettings
from shared.metrics.registry import Registry
from shared.records import Message
from shared.settings import CacheSettings, OperationSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from tests.support.fakes import PRIVACY
from tests.support.streams import PRODUCT_KIND

TENANT = "bench"
TITLES = ("Blue mug with a handle", "Cotton shirt, washed", "Lamp for a desk", "Watch with a leather band")
BATCH = 32
SAMPLES = 10


def pictures(wanted: int, folder: Path) -> list[Path]:
    """Write that number of pictures, no two of them equal, and return their files."""
    originals = list(_originals())
    found = []
    for number in range(wanted):
        with Image.open(originals[number % len(originals)]) as opened:
            shift = number // len(originals) % 40
            picture = opened.convert("RGB").crop((shift, shift // 2, opened.width, opened.height))
        file = folder / f"{number:06}.jpg"
        picture.save(file, quality=80 + number % 15)
        found.append(file)
    return found


def _originals() -> Iterator[Path]:
    data = os.environ.get("MILLRACE_DATA")
    if data:
        return iter(sorted(Path(data).glob("images/clothing/*/*/*.jpg")))
    samples = Path(str(package_files("millrace.demo").joinpath("samples")))
    return (samples / row["file"] for row in rows_of("products.jsonl") if row["refused"] is None)


class Bare:
    """The bare loop and its parts.

    Args:
        model: The model of pictures.
        own: The settings of the stream, which name its card.
    """

    def __init__(self, model: Model[Pixels], own: StreamSettings) -> None:
        self._model, self._card = model, load_image_card(own.image.model, own.image.models_file)

    def decode(self, files: Sequence[Path]) -> list[Pixels]:
        """Decode, on this thread."""
        return [np.asarray(Image.open(file).convert("RGB")) for file in files]

    def resize(self, decoded: Sequence[Pixels]) -> list[Pixels]:
        """Prepare for the model, on this thread."""
        return [prepare_picture(each, self._card) for each in decoded]

    def embed(self, prepared: Sequence[Pixels]) -> None:
        """Compute the vectors, in batches."""
        for begin in range(0, len(prepared), BATCH):
            self._model.embed(prepared[begin : begin + BATCH])

    def loop(self, files: Sequence[Path]) -> None:
        """Do all of it, batch by batch."""
        for begin in range(0, len(files), BATCH):
            self.embed(self.resize(self.decode(files[begin : begin + BATCH])))

    def parts(self, files: Sequence[Path]) -> dict[str, float]:
        """Return the seconds of each part."""
        took = {"decode": 0.0, "resize": 0.0, "device": 0.0}
        for begin in range(0, len(files), BATCH):
            started_s = CLOCK.monotonic_s()
            decoded = self.decode(files[begin : begin + BATCH])
            decoded_s = CLOCK.monotonic_s()
            prepared = self.resize(decoded)
            resized_s = CLOCK.monotonic_s()
            self.embed(prepared)
            took["decode"] += decoded_s - started_s
            took["resize"] += resized_s - decoded_s
            took["device"] += CLOCK.monotonic_s() - resized_s
        return took


def work_s(
    models: Mapping[str, Model[Any]], chunks: Sequence[Sequence[Path]], note: Callable[[], object]
) -> list[float]:
    """Return the seconds that a worker takes for each of some equally large chunks; `note` is called after each.

    The worker runs on this thread, as in `millrace run`; see `benchmarks.throughput`.
    """
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker() as broker:
        broker.create([topic.name for topic in PICTURED.topics()])
        settings = Settings(
            store=StoreSettings(path=Path(folder) / "store"),
            cache=CacheSettings(memory_mib=0),
            privacy=PRIVACY,
            media=MediaSettings(file_root=chunks[0][0].parent),
            operation=OperationSettings(state_dir=Path(folder) / "state"),
        )
        with closing(KafkaSink(broker.bootstrap, settings.broker)) as sink, open_store(settings) as store:

            def begin(chunk: Sequence[Path]) -> Callable[[], None]:
                def send() -> None:
                    note()
                    sink.produce([_message(file) for file in chunk])
                    sink.flush()

                return send

            def end() -> None:
                note()
                running.lifecycle.stop()

            phases = Phases(len(chunks[0]), *(begin(chunk) for chunk in chunks), end)
            process = Process(settings, broker.bootstrap, store, Registry())
            with stream_worker(PICTURED, StreamSettings(), process, models, [phases]) as running:
                wait_for(lambda: running.source.assigned > 0)
                phases.next()
                running.worker.run()
            reader = TopicReader(broker.bootstrap, PRODUCT_KIND.group)
            assert audit(reader, PICTURED, store.open_alias(PICTURED.name)).clean
    return phases.seconds


def _message(file: Path) -> Message:
    number = int(file.stem)
    event = PRODUCT_KIND.event(
        file.stem,
        tenant_id=TENANT,
        text=TITLES[number % len(TITLES)],
        product_id=file.stem,
        image={"uri": file.as_uri()},
    )
    record = PRODUCT_KIND.record(event)
    return Message(input_topic(PICTURED.name), record.key, record.value)


def report(wanted: int, rounds: int) -> None:
    """Measure the rates, interleaved, and print them."""
    own = StreamSettings()
    models = load_models(PICTURED, own)
    bare = Bare(models["image"], own)
    with tempfile.TemporaryDirectory() as folder:
        files = pictures(wanted, Path(folder))
        bare.loop(files[:BATCH])
        rates: dict[str, list[float]] = {"bare loop": [], "worker": []}
        parts: dict[str, list[float]] = {"decode": [], "resize": [], "device": []}
        for _ in range(rounds):
            rates["bare loop"].append(wanted / seconds_of(lambda: bare.loop(files)))
            rates["worker"].append(wanted / work_s(models, [files], lambda: None)[0])
            for name, seconds in bare.parts(files).items():
                parts[name].append(wanted / seconds)
    print(f"\nPictures per second, {own.image.model}, {wanted} pictures, {rounds} rounds interleaved")
    print(f"{'':<20}{'min':>8}{'median':>8}{'max':>8}{'ratio to the bare loop, by round':>40}")
    for name, found in (rates | parts).items():
        ratios = ", ".join(f"{rate / base:.2f}" for rate, base in zip(found, rates["bare loop"], strict=True))
        print(f"{name:<20}{min(found):>8.0f}{median(found):>8.0f}{max(found):>8.0f}{ratios:>40}")


def memory(wanted: int) -> list[tuple[float, float]]:
    """Send pictures through one worker; return and print its memory and that of its children, in MiB, before and after."""
    seen: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = pictures(wanted, Path(folder))
        size = wanted // SAMPLES
        chunks = [files[begin : begin + size] for begin in range(0, size * SAMPLES, size)]
        work_s(
            load_models(PICTURED, StreamSettings()),
            chunks,
            lambda: seen.append((own_mib("RssAnon"), children_mib("RssAnon"))),
        )
    print(f"\nMemory of a worker over {wanted} pictures, in MiB: its own, and that of its children")
    for number, (own, children) in enumerate(seen):
        print(f"{number * wanted // SAMPLES:>8}{own:>10.0f}{children:>8.0f}")
    return seen


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, metavar="N", help="measure the memory over N pictures instead")
    given = parser.parse_args()
    if given.memory:
        memory(given.memory)
    else:
        report(given.pictures, given.rounds)


if __name__ == "__main__":
    main()
