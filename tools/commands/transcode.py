"""`python -m tools transcode SRC OUT`: transcode the media of a dataset; tools/transcode.py does the work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from shards.cli import DEBUG_OPTION, JSON_OPTION, ROOTS_OPTION, one_line_errors, show_progress
from tools.cli.engines import ADDRESS_OPTION, ENGINE_OPTION, THREADS_OPTION, chosen_engine
from tools.cli.profiles import PROFILE_OPTIONS, chosen_profile
from tools.cli.signature import with_options
from tools.cli.summary import STOPPED, finish

if TYPE_CHECKING:
    from tools.transcode import TranscodeReport

TRANSCODE_HELP = """Make another dataset of one that is there, with media that decode fast.

\b
Profiles:
  h264_256        short side 256, H.264, a key frame every 8 frames (the default; for GPUs and CPUs);
                  both sides of videos are multiples of 16
  h264_256_tenth  the same with every tenth frame only
  hevc_256        HEVC: smaller, slower on a CPU
  av1_256         AV1: smaller; not for Turing, A100, H100
  frames_8        8 JPEG pictures of each video, evenly spread (frames_16: 16)

\b
Examples:
  python -m tools transcode data/samples/webvid data/samples/webvid_256 --profile h264_256
  python -m tools transcode data/samples/webvid data/samples/webvid_f4 --profile frames_8 --num-frames 4

Keys, texts and order stay; every sample is written or stands in OUT/quarantine.jsonl. A run that was killed goes on
when the same command is given again; one that is finished has nothing to do. docs/media.md says what to choose.

\b
Exit codes: 0 done, 1 an error, or more quarantined than --max-quarantined, 2 wrong usage, 3 a bug, 130 stopped.
"""


def _transcode(
    profile_changes: dict[str, Any],
    source: str = typer.Argument(metavar="SRC", help="Folder or URL of a dataset (other tars: shards index first)."),
    out: str = typer.Argument(metavar="OUT", help="Folder or URL prefix (s3://...) for the new one."),
    profile_name: str = typer.Option("h264_256", "--profile", help="One of the profiles above."),
    name: str | None = typer.Option(None, help="The dataset's name in origins and logs.  [default: that of SRC]"),
    samples_per_shard: int = typer.Option(1000, min=1, help="Samples in a tar."),
    limit: int | None = typer.Option(None, min=1, help="Take only the first so many samples."),
    engine: str = ENGINE_OPTION,
    address: str | None = ADDRESS_OPTION,
    threads: int | None = THREADS_OPTION,
    compare: int = typer.Option(16, min=0, help="Samples whose quality and speed are measured at the end."),
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 1 above so many quarantined samples."),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    with one_line_errors(debug, STOPPED):
        found = chosen_profile(profile_name, profile_changes)
        assert found is not None
        from tools.transcode import transcode_dataset

        with (
            chosen_engine(engine, address, threads) as chosen,
            show_progress("transcode", None, "samples") as progress,
        ):
            report = transcode_dataset(
                source,
                out,
                *found,
                name=name,
                samples_per_shard=samples_per_shard,
                limit=limit,
                engine=chosen,
                compared=compare,
                progress=progress,
                roots=root or (),
            )
    finish(
        report,
        as_json,
        source=report.source,
        quarantine=f"{report.out}/quarantine.jsonl",
        max_quarantined=max_quarantined,
        facts=_facts(report),
    )


transcode = with_options(_transcode, profile_changes=PROFILE_OPTIONS)


def _facts(report: TranscodeReport) -> Iterator[tuple[str, str]]:
    if report.num_members_left:
        yield "other members left out", f"{report.num_members_left:,}"
    before, after = report.media_bytes_before, report.media_bytes_after
    yield "bytes of media before", f"{before:,}"
    yield "bytes of media after", f"{after:,} ({after / max(before, 1):.2f}x)"
    found = report.quality
    if found is not None:
        psnr = "equal" if found.psnr_db is None else f"{found.psnr_db:.1f} dB"
        ratio = found.clips_per_s_after / found.clips_per_s_before
        yield f"of {found.media} samples, {found.frames} frames", f"{found.damaged} damaged" if found.damaged else ""
        yield "  PSNR, luma, at equal size", psnr
        yield "  SSIM, mean (worst)", f"{found.ssim:.4f} ({found.worst_ssim:.4f})"
        yield "  clips/s before, one core", f"{found.clips_per_s_before:.1f}"
        yield "  clips/s after", f"{found.clips_per_s_after:.1f} ({ratio:.1f}x)"
