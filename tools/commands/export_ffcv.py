"""`python -m tools export-ffcv SRC OUT.beton`: write a dataset as one FFCV file; tools/ffcv/ does the work."""

from __future__ import annotations

import typer

from shards.cli import DEBUG_OPTION, JSON_OPTION, ROOTS_OPTION, one_line_errors, show_progress
from tools.cli.summary import finish
from tools.rows import OptionError


def export_ffcv(
    source: str = typer.Argument(metavar="SRC", help="Folder or URL prefix of a dataset of shards."),
    out: str = typer.Argument(metavar="OUT.beton", help="The file to write; must not be there yet."),
    num_frames: int = typer.Option(min=1, max=4096, help="Frames of each sample, evenly spread; fewer if it is short."),
    short_side: int = typer.Option(min=16, max=4096, help="Pixels of the short side; frames are never enlarged."),
    mode: str = typer.Option("raw", help="raw: pixels as they are decoded; jpg: about a tenth of the bytes."),
    quality: int = typer.Option(90, min=1, max=100, help="Of the JPEGs."),
    where: str | None = typer.Option(None, help='Samples to take, e.g. "duration >= 2"; as in a dataset\'s config.'),
    exclude: list[str] | None = typer.Option(None, help="JSON-lines of samples to leave out; may be given repeatedly."),
    jobs: int = typer.Option(2, min=1, help="Threads that read and decode."),
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 1 above so many failed samples."),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Write the frames of a small dataset into one FFCV file, which `source: ffcv` reads; docs/ffcv.md.

    OUT.beton.quarantine.jsonl lists what was left out or failed.

    \b
    Exit codes: 0 done, 1 an error, or more failed than --max-quarantined, 2 wrong usage, 3 a bug, 130 stopped.
    """
    with one_line_errors(debug, "stopped; nothing was written"):
        from shards.base import threads
        from tools.ffcv.export import export
        from tools.ffcv.file_writer import MODES

        if mode not in MODES:
            raise OptionError(f"--mode {mode} is not known; choose one of {', '.join(MODES)}")
        with show_progress("export", None, "samples") as progress:
            report = export(
                source,
                out,
                num_frames=num_frames,
                short_side=short_side,
                mode=MODES[mode],
                quality=quality,
                where=where,
                exclude=exclude or (),
                engine=threads(jobs),
                progress=progress,
                roots=root or (),
            )
    finish(
        report,
        as_json,
        source=report.name,
        quarantine=f"{report.out}.quarantine.jsonl",
        max_quarantined=max_quarantined,
        facts=[(f"frames ({report.mode})", f"{report.frames:,}")],
        num_failed=report.num_failed,
    )
