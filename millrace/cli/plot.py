"""`millrace plot`."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from millrace.bars import bar
from millrace.bulk.folder import METADATA, PLOT, check_plot, read_metadata
from millrace.bulk.inputs import readable
from millrace.cli.options import Json, quiet

DEFAULT_SAMPLE = 2_000


def plot(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that `millrace embed` wrote.")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The PNG to write, outside of DIR; DIR/tsne.png by default.", show_default=False
        ),
    ] = None,
    sample: Annotated[
        int,
        typer.Option(
            min=5,
            help="Most vectors to draw; of more, this number is drawn at random, always the same ones. 2,000 take about "
            "half a minute on two cores, and the time grows at least in proportion.",
        ),
    ] = DEFAULT_SAMPLE,
    json: Json = False,
) -> None:
    """Draw the vectors of `millrace embed` in the plane, coloured by class, and print how well the classes are apart.

    The map is drawn by t-SNE with a fixed seed: neighbours stay together, but distances between groups mean nothing. Two
    figures are computed on the vectors themselves: the silhouette (by cosine distance, -1 to 1, higher is better) and the
    Davies-Bouldin index (0 or more, lower is better). They need at least two classes.
    """
    from millrace.bulk.drawing import draw
    from millrace.bulk.plotting import SEED, measure, place, read_sample, require_matplotlib

    quiet()
    require_matplotlib()
    file = out or folder / PLOT
    check_plot(folder, file)
    found = read_sample(folder, sample)
    model = str(read_metadata(folder / METADATA).get("model"))
    drawn = len(found.vectors)
    with bar("placing vectors", None):
        separation = measure(found)
        places = place(found)
        extent = f"{drawn} vectors" if drawn == found.total else f"{drawn} of {found.total} vectors, drawn at random"
        draw(places, found.labels, found.classes, f"{model}, {extent}, t-SNE with seed {SEED}", file)
    if json:
        facts = {
            "file": readable(str(file)),
            "vectors": found.total,
            "drawn": drawn,
            "seed": SEED,
            "classes": len(found.classes),
            "silhouette": separation.silhouette,
            "davies_bouldin": separation.davies_bouldin,
            "reason": separation.reason or None,
        }
        typer.echo(jsonlib.dumps(facts, ensure_ascii=False))
        return
    typer.echo(f"{readable(str(file))}: {extent}")
    if separation.reason:
        typer.echo(f"  {separation.reason}")
    else:
        typer.echo(f"  silhouette {separation.silhouette:.3f} (cosine distance, -1 to 1, higher is better)")
        typer.echo(f"  Davies-Bouldin {separation.davies_bouldin:.3f} (0 or more, lower is better)")
