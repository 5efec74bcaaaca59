"""`python -m tools export-ffcv SRC OUT.beton`: a dataset as one FFCV file; tools/export_ffcv.py does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from shards.commands.output import ROOTS
from shards.printing import say_json
from tools.commands import output
from tools.rows import OptionError

if TYPE_CHECKING:
    from tools.export_ffcv import ExportReport


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
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 3 above so many failed samples."),
    root: list[str] | None = ROOTS,
    as_json: bool = output.JSON,
    debug: bool = output.DEBUG,
) -> None:
    """Write the frames of a small dataset into one FFCV file, which `source: ffcv` reads; docs/ffcv.md.

    OUT.beton.quarantine.jsonl lists what was left out or failed. Exit codes are those of build.
    """
    with output.one_line_errors(debug, "stopped; nothing was written"):
        from tools.export_ffcv import MODES, export

        if mode not in MODES:
            raise OptionError(f"--mode {mode} is not known; choose one of {', '.join(MODES)}")
        with output.progress("samples") as on_sample:
            report = export(
                source,
                out,
                num_frames=num_frames,
                short_side=short_side,
                mode=MODES[mode],
                quality=quality,
                where=where,
                exclude=exclude or (),
                num_threads=jobs,
                on_sample=on_sample,
                roots=root or (),
            )
    if as_json:
        say_json(report.to_dict())
    else:
        _print_export(report)
    output.check_quarantined("samples", report.num_failed, max_quarantined)


def _print_export(report: ExportReport) -> None:
    if report.finished_before:
        output.say_finished(report.out)
    rows = [
        ("samples in", f"{report.samples_in:,}"),
        ("samples written", f"{report.samples:,}"),
        ("quarantined", f"{report.num_quarantined:,}"),
    ]
    rows += [(f"  {stage}", f"{count:,}") for stage, count in report.quarantined.items()]
    rows += [
        ("records", f"{report.records:,}"),
        (f"frames ({report.mode})", f"{report.frames:,}"),
        ("bytes", f"{report.bytes:,}"),
        ("seconds", f"{report.seconds:.1f}"),
    ]
    output.print_rows(f"{report.name} -> {report.out}", rows)
    listed = f"failed (all in {report.out}.quarantine.jsonl)"
    output.print_examples(listed, report.quarantine_examples, report.num_quarantined)
