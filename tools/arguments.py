"""Parameters of `rows` that several datasets have, with their help on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AnnotationsFile = Annotated[Path, typer.Option(help="The annotation file, as published.")]
MediaPath = Annotated[Path, typer.Option(help="Folder under which the media lie.")]
IdMap = Annotated[
    Path | None, typer.Option(help='JSON {"id": "path under the media folder"}; goes before all other rules.')
]
Split = Annotated[str | None, typer.Option(help="Which split, where an annotation file holds several.")]
VideoListFile = Annotated[
    Path | None, typer.Option(help="List of the videos to take: a .csv with video_id, or an id per line.")
]
CaptionText = Annotated[
    str, typer.Option(help="paragraph: the captions of a video as one text; segments: a record for each, with times.")
]
