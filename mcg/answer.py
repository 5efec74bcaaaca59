"""Ask a trained model about a video.

    python -m mcg.answer --checkpoint runs/ft_msrvtt_qa --video clip.mp4 --question "what is the man doing?"
    python -m mcg.answer --checkpoint runs/ft_nextqa_mc --video clip.mp4 --question "why?" --choice "to eat" ...

Prints the answers with their scores as a table, or with --json as a line of JSON per question. From Python:

    from mcg.answer import Answerer

    answerer = Answerer.load("runs/ft_msrvtt_qa")
    for candidate in answerer.ask("clip.mp4", "what is the man doing?"):
        print(candidate.answer, candidate.score)

The checkpoint says how it was trained, and with that the clip is planned, decoded and asked about as in evaluation. A
converted release says only what model it is: --config names the file of its task. A picture is a video of one frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from mcg.inputs import check_request
from shards.base import cell, say_json
from shards.cli import DEBUG_OPTION, console, one_line_errors, start_command

if TYPE_CHECKING:
    from mcg.answering.answerer import Answerer, Candidate

__all__ = ["Answerer", "Candidate"]


def __getattr__(name: str) -> Any:
    """The names for programs come from their module, which loads torch, when they are first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mcg.answering import answerer

    return getattr(answerer, name)


def main(
    checkpoint: Annotated[Path, typer.Option(help="A checkpoint folder, or a run folder.")],
    video: Annotated[Path, typer.Option(help="A video or picture file.")],
    question: Annotated[list[str], typer.Option(help="What to ask; may be repeated.")],
    choice: Annotated[list[str] | None, typer.Option(help="An answer to choose from; may be repeated.")] = None,
    num_candidates: Annotated[
        int, typer.Option(min=1, help="Answers to show; written ones: task.num_beams at most.")
    ] = 5,
    config: Annotated[Path | None, typer.Option(help="A config file, where the checkpoint has none of a task.")] = None,
    select: Annotated[str, typer.Option(help="Which checkpoint of a run folder: latest or best (by val).")] = "latest",
    use: Annotated[str | None, typer.Option(help="Which use, of a run of several (uses).")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; default: the GPU where there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON per question.")] = False,
    debug: bool = DEBUG_OPTION,
    overrides: Annotated[list[str] | None, typer.Argument(help="a.b=c, over the file of --config.")] = None,
) -> None:
    """Answer questions about a video."""
    # RuntimeError: what torch says of a device that is not there
    with one_line_errors(debug, also=(RuntimeError,)):
        chosen = check_request(checkpoint, select, config, overrides or [], use)

        from mcg.answering.answerer import Answerer

        answerer = Answerer.load(
            checkpoint,
            config=config,
            select=chosen,
            overrides=overrides or [],
            device=device,
            use=use,
        )
        answers = answerer.ask_all(video, question, choices=choice or (), num_candidates=num_candidates)
    for asked, candidates in zip(question, answers, strict=True):
        if as_json:
            say_json({"question": asked, "candidates": [asdict(c) for c in candidates]})
        else:
            _print_table(asked, candidates)


def _print_table(question: str, candidates: Sequence[Candidate]) -> None:
    table = Table(title=cell(question), title_justify="left")
    table.add_column("answer")
    table.add_column("score", justify="right")
    for candidate in candidates:
        table.add_row(cell(candidate.answer), f"{candidate.score:.4f}")
    console().print(table)


if __name__ == "__main__":
    start_command(main, "python -m mcg.answer")
