"""Images per second and memory of `millrace embed`: `python -m benchmarks.bulk`; `--images 20000` for a whole run.

The images are those of `benchmarks.images`, no two of them equal. One process embeds all of them by the command's own
function; its memory is noted after each tenth and at the end, when the outputs are written. Peak memory includes the
libraries and the model.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.images import pictures
from benchmarks.memory import children_mib, own_mib
from millrace.bulk import embedding
from millrace.bulk.inputs import read_source
from millrace.bulk.kinds import InputKind
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


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=3_000)
    configure("error", json_lines=False)
    report(parser.parse_args().images)


if __name__ == "__main__":
    main()
