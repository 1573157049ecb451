"""Options of the commands that recognise speech."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str,
    typer.Option(
        help="Name of the model, a table in models.toml: `whisper-base` recognises about a hundred languages; "
        "`whisper-tiny-en` is twice as fast and knows English only."
    ),
]
ModelsFile = Annotated[
    Path | None, typer.Option(help="Your own models.toml; the packaged one by default.", show_default=False)
]
Device = Annotated[str, typer.Option(help="`auto`, `cpu`, `cuda` or `cuda:1`; `auto` uses the first GPU, if any.")]
Batch = Annotated[
    int,
    typer.Option(
        min=1, help="Pieces of up to 30 seconds that are recognised at once: about 8 on a CPU, 16 to 32 on a GPU."
    ),
]
