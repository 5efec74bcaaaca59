"""Caption videos with a trained model.

    python -m mcg.caption --checkpoint runs/lavender/ft_msrvtt_cap --video clip.mp4
    python -m mcg.caption --checkpoint runs/lavender/ft_msrvtt_cap --video clips/ --video s3://bucket/msvd/test --json

--video is a media file, a folder of such files or a dataset of shards. Prints the captions with their scores as a
table, or with --json as a line of JSON per video. A video that cannot be used is told and left out; where none can, the
exit code is 1. From Python:

    from mcg.caption import Captioner

    captioner = Captioner.load("runs/lavender/ft_msrvtt_cap")
    print(captioner.caption("clip.mp4")[0].text)

The checkpoint says how it was trained, and with that the clip is planned and decoded as in evaluation. A converted
release says only what model it is: --config names the file of its task.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from mcg.inputs import check_request
from shards.base import MediaError, cell, say, say_json
from shards.cli import DEBUG_OPTION, console, one_line_errors, start_command

if TYPE_CHECKING:
    from mcg.answering.captioner import Captioned, Captioner

__all__ = ["Captioned", "Captioner"]


def __getattr__(name: str) -> Any:
    """The names for programs come from their module, which loads torch, when they are first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mcg.answering import captioner

    return getattr(captioner, name)


def main(
    checkpoint: Annotated[Path, typer.Option(help="A checkpoint folder, or a run folder.")],
    video: Annotated[list[str], typer.Option(help="Media file, folder of such, or dataset; may be repeated.")],
    num_captions: Annotated[int, typer.Option(min=1, help="Captions to show of each; task.num_beams at most.")] = 1,
    config: Annotated[Path | None, typer.Option(help="A config file, where the checkpoint has none of a task.")] = None,
    select: Annotated[str, typer.Option(help="Which checkpoint of a run folder: latest or best (by val).")] = "latest",
    use: Annotated[str | None, typer.Option(help="Which use, of a run of several (uses).")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; default: the GPU where there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON per video.")] = False,
    debug: bool = DEBUG_OPTION,
    overrides: Annotated[list[str] | None, typer.Argument(help="a.b=c, over the file of --config.")] = None,
) -> None:
    """Write captions of videos."""
    # RuntimeError: what torch says of a device that is not there
    with one_line_errors(debug, also=(RuntimeError,)):
        chosen = check_request(checkpoint, select, config, overrides or [], use)

        from mcg.answering.captioner import Captioner

        captioner = Captioner.load(
            checkpoint,
            config=config,
            select=chosen,
            overrides=overrides or [],
            device=device,
            use=use,
        )
        table = Table("video", "caption")
        table.add_column("score", justify="right")
        failures: list[MediaError] = []
        num_captioned = 0
        for one in captioner.caption_all(video, num_captions):
            if isinstance(one, MediaError):
                failures.append(one)
                continue
            num_captioned += 1
            if as_json:
                captions = [{"caption": text, "score": score} for text, score, _ in one.captions]
                say_json({"video": one.video, "captions": captions})
            for text, score, _ in one.captions:
                table.add_row(cell(one.video), cell(text), f"{score:.4f}")
        if not num_captioned:
            raise failures[0]
        for failure in failures:
            say(f"left out: {failure}", sys.stderr)
        if not as_json:
            console().print(table)


if __name__ == "__main__":
    start_command(main, "python -m mcg.caption")
