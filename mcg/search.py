"""Find the clips that fit a text, or the texts that fit a clip.

    python -m mcg.search --checkpoint runs/ft --videos clips/ --text "a red square moves left"
    python -m mcg.search --checkpoint runs/ft --videos s3://bucket/data/webvid/val --text "a dog" --text "two people"
    python -m mcg.search --checkpoint runs/ft --video clip.mp4 --text "a dog" --text "a cat"

--videos is a folder of media files or a dataset of shards. Prints the best with their scores as a table, or with --json
as a line of JSON per query. Features of clips are kept by their content in ~/.cache/mcg-streams (--cache), so a second
search reads no frames. From Python:

    from mcg.search import Searcher

    searcher = Searcher.load("runs/ft", cache="cache")
    searcher.add("clips/")
    for hit in searcher.search("a red square moves left"):
        print(hit.score, hit.name)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from mcg.inputs import check_request
from shards.base import UsageError, cell, say, say_json, user_cache
from shards.cli import DEBUG_OPTION, console, one_line_errors, start_command

if TYPE_CHECKING:
    from mcg.searching.searcher import Hit, Searcher

__all__ = ["Hit", "Searcher"]
_NUM_FAILURES = 5


def __getattr__(name: str) -> Any:
    """The names for programs come from their module, which loads torch, when they are first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mcg.searching import searcher

    return getattr(searcher, name)


def main(
    checkpoint: Annotated[Path, typer.Option(help="A checkpoint folder, or a run folder.")],
    text: Annotated[list[str], typer.Option(help="What to look for, or with --video a text to compare; repeatable.")],
    videos: Annotated[str | None, typer.Option(help="Folder of media files, or folder or URL of a dataset.")] = None,
    video: Annotated[Path | None, typer.Option(help="One media file: ranks the texts for it.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many to show.")] = 10,
    config: Annotated[Path | None, typer.Option(help="A config file, where the checkpoint has none of a task.")] = None,
    select: Annotated[str, typer.Option(help="Which checkpoint of a run folder: latest or best (by val).")] = "latest",
    cache: Annotated[
        Path | None, typer.Option(help="Folder that keeps features.  [default: ~/.cache/mcg-streams/search]")
    ] = None,
    use: Annotated[str | None, typer.Option(help="Which use, of a run of several (uses).")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; default: the GPU where there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON per query.")] = False,
    debug: bool = DEBUG_OPTION,
    overrides: Annotated[list[str] | None, typer.Argument(help="a.b=c, over the file of --config.")] = None,
) -> None:
    """Rank clips for a text, or texts for a clip."""
    # RuntimeError: what torch says of a device that is not there
    with one_line_errors(debug, also=(RuntimeError,)):
        if (videos is None) == (video is None):
            raise UsageError("give --videos to look for clips, or --video to compare texts with one; one of the two")
        chosen = check_request(checkpoint, select, config, overrides or [], use)

        from mcg.searching.searcher import Searcher

        searcher = Searcher.load(
            checkpoint,
            config=config,
            select=chosen,
            overrides=overrides or [],
            device=device,
            use=use,
            cache=cache or user_cache("search"),
        )
        if video is not None:
            _show(str(video), searcher.best_texts(video, text, count), as_json)
            return
        assert videos is not None
        number = searcher.add(videos)
        say(f"{number:,} clips, {searcher.num_encoded:,} of them new", sys.stderr)
        for failure in searcher.failures[:_NUM_FAILURES]:
            say(f"left out: {failure}", sys.stderr)
        if len(searcher.failures) > _NUM_FAILURES:
            say(f"left out: {len(searcher.failures) - _NUM_FAILURES:,} more", sys.stderr)
        for one in text:
            _show(one, searcher.search(one, count), as_json)


def _show(query: str, hits: Sequence[Hit], as_json: bool) -> None:
    if as_json:
        say_json({"query": query, "hits": [asdict(hit) for hit in hits]})
        return
    has_matches = any(hit.match is not None for hit in hits)
    table = Table(title=cell(query), title_justify="left")
    table.add_column("found")
    table.add_column("score", justify="right")
    if has_matches:
        table.add_column("match", justify="right")
    for hit in hits:
        table.add_row(cell(hit.name), f"{hit.score:.4f}", *([f"{hit.match:.4f}"] if hit.match is not None else []))
    console().print(table)


if __name__ == "__main__":
    start_command(main, "python -m mcg.search")
