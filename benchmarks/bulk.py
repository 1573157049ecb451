"""Images per second and memory of `millrace embed`: `python -m benchmarks.bulk`; `--images 20000` for a whole run.

The images are those of `benchmarks.images`, no two of them equal. One process embeds all of them by the command's own
function; its memory is noted after each tenth and at the end, when the outputs are written. Peak memory includes the
libraries and the model. `--compare N` measures the rate over N images instead, in turn with the bare loop of
`benchmarks.images`.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.images import BATCH, Bare, pictures
from benchmarks.memory import children_mib, own_mib
from benchmarks.throughput import seconds_of
from millrace.bulk import embedding
from millrace.bulk.inputs import read_source
from millrace.bulk.kinds import InputKind
from millrace.resources import load_image_model
from shared.clock import SystemClock
from shared.logs import configure
from shared.settings import Settings
from shared.stream_settings import StreamSettings

SAMPLES = 10


@dataclass(frozen=True)
class Noted:
    """The memory in MiB after some images: the peak, what is in use without pages of files, and that of the children."""

    images: int
    peak_mib: float
    used_mib: float
    children_mib: float

    @classmethod
    def now(cls, images: int) -> "Noted":
        """Return the memory of this moment."""
        return cls(images, own_mib("VmHWM"), own_mib("RssAnon"), children_mib("RssAnon"))


def measure(folder: Path, out: Path) -> tuple[list[Noted], float]:
    """Embed a folder; return the memory at each tenth and at the end, and the images per second."""
    noted: list[Noted] = []

    @contextmanager
    def noting(_title: str, total: int | None) -> Iterator[Callable[[int], None]]:
        done, each = 0, max(1, (total or 0) // SAMPLES)

        def advance(count: int) -> None:
            nonlocal done
            before, done = done, done + count
            if count and done // each > before // each:
                noted.append(Noted.now(done))

        yield advance

    setattr(embedding, "bar", noting)  # noqa: B010  (the progress bar is where a run reports how far it is)
    wanted = embedding.Wanted(folder, out, InputKind.IMAGES)
    source = read_source(folder, None, None)
    done = embedding.embed(wanted, source, StreamSettings(), Settings(), SystemClock())
    noted.append(Noted.now(source.count))
    assert done.metadata["embedded"] == source.count
    return noted, done.metadata["timing"]["items_per_second"]


def report(wanted: int) -> None:
    """Embed that number of images, and print the figures."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "images"
        folder.mkdir()
        pictures(wanted, folder)
        noted, rate = measure(folder, Path(made) / "out")
    print(f"\nmillrace embed, {wanted} images: {rate:.1f} images/s")
    print(f"{'images':>8}{'peak MiB':>10}{'in use':>8}{'children':>10}")
    for each in noted:
        print(f"{each.images:>8}{each.peak_mib:>10.0f}{each.used_mib:>8.0f}{each.children_mib:>10.0f}")


def compare(wanted: int, rounds: int) -> None:
    """Measure the rates of the command and of the bare loop, interleaved, and print them."""
    own = StreamSettings()
    bare = Bare(load_image_model(own.image), own)
    rates: dict[str, list[float]] = {"bare loop": [], "millrace embed": []}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "images"
        folder.mkdir()
        files = pictures(wanted, folder)
        bare.loop(files[:BATCH])
        for number in range(rounds):
            rates["bare loop"].append(wanted / seconds_of(lambda: bare.loop(files)))
            rates["millrace embed"].append(measure(folder, Path(made) / f"out{number}")[1])
    print(f"\nImages per second, {own.image.model}, {wanted} images, {rounds} rounds interleaved")
    for name, found in rates.items():
        ratios = ", ".join(f"{rate / base:.2f}" for rate, base in zip(found, rates["bare loop"], strict=True))
        print(f"{name:<16}{min(found):>7.1f}{median(found):>7.1f}{max(found):>7.1f}   ratio by round {ratios}")


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=3_000)
    parser.add_argument("--compare", type=int, metavar="N", help="compare the rate over N images with the bare loop")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    configure("error", json_lines=False)
    if given.compare:
        compare(given.compare, given.rounds)
    else:
        report(given.images)


if __name__ == "__main__":
    main()
