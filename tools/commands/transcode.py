"""`python -m tools transcode SRC OUT`: a dataset made anew with other media; tools/transcode.py does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from shards.cli import (
    DEBUG_OPTION,
    JSON_OPTION,
    ROOTS_OPTION,
    emit,
    facts_table,
    num_cores,
    one_line_errors,
    print_examples,
    show_progress,
)
from tools.commands import profiles
from tools.commands.summary import STOPPED, check_quarantined, say_finished

if TYPE_CHECKING:
    from tools.transcode import TranscodeReport

TRANSCODE_HELP = """Make another dataset of one that is there, with media that decode fast.

\b
Profiles:
  h264_256        short side 256, H.264, a key frame every 8 frames (the default; for GPUs and CPUs)
  h264_256_tenth  the same with every tenth frame only
  hevc_256        HEVC: smaller, slower on a CPU
  av1_256         AV1: smaller, for GPUs from Ampere on
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


def transcode(
    context: typer.Context,
    source: str = typer.Argument(metavar="SRC", help="Folder or URL of a dataset (other tars: shards index first)."),
    out: str = typer.Argument(metavar="OUT", help="Folder or URL prefix (s3://...) for the new one."),
    profile_name: str = typer.Option("h264_256", "--profile", help="One of the profiles above."),
    short_side: int | None = profiles.SHORT_SIDE,
    fps: float | None = profiles.FPS,
    every: int | None = profiles.EVERY,
    gop: int | None = profiles.GOP,
    codec: str | None = profiles.CODEC,
    quality: int | None = profiles.QUALITY,
    num_frames: int | None = profiles.NUM_FRAMES,
    picture: str | None = profiles.PICTURE,
    picture_quality: int | None = profiles.PICTURE_QUALITY,
    name: str | None = typer.Option(None, help="The dataset's name in origins and logs.  [default: that of SRC]"),
    samples_per_shard: int = typer.Option(1000, min=1, help="Samples in a tar."),
    limit: int | None = typer.Option(None, min=1, help="Take only the first so many samples."),
    threads: int | None = typer.Option(None, min=1, help="Media that are worked on at once.  [default: all cores]"),
    compare: int = typer.Option(16, min=0, help="Samples whose quality and speed are measured at the end."),
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 1 above so many quarantined samples."),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    with one_line_errors(debug, STOPPED):
        profile = profiles.find_profile(profile_name, context)
        assert profile is not None
        from shards.dataset import Index
        from shards.storage import open_source
        from tools.engine import threads as in_threads
        from tools.transcode import transcode_dataset

        there = Index.open(open_source(source, root or ()), root or ()).dataset
        total = min(int(there["num_samples"]), limit or 1 << 62)
        with show_progress("transcode", total, "samples") as progress:
            report = transcode_dataset(
                source,
                out,
                profile_name,
                profile,
                name=name,
                samples_per_shard=samples_per_shard,
                limit=limit,
                engine=in_threads(threads or num_cores()),
                compared=compare,
                progress=progress,
                roots=root or (),
            )
    _print_report(report, as_json)
    check_quarantined("samples", report.num_quarantined, max_quarantined)


def _print_report(report: TranscodeReport, as_json: bool) -> None:
    rows = [("samples in", f"{report.num_rows:,}")]
    if report.num_resumed and not report.finished_before:
        rows.append(("  of an earlier run", f"{report.num_resumed:,}"))
    rows += [("samples", f"{report.num_samples:,}"), ("samples quarantined", f"{report.num_quarantined:,}")]
    rows += [(f"  {reason}", f"{count:,}") for reason, count in report.quarantined.items()]
    if report.num_members_left:
        rows.append(("other members left out", f"{report.num_members_left:,}"))
    before, after = report.media_bytes_before, report.media_bytes_after
    rows += [
        ("shards", f"{report.num_shards:,}"),
        ("bytes", f"{report.bytes:,}"),
        ("bytes of media before", f"{before:,}"),
        ("bytes of media after", f"{after:,} ({after / max(before, 1):.2f}x)"),
    ]
    found = report.quality
    if found is not None:
        psnr = "equal" if found.psnr_db is None else f"{found.psnr_db:.1f} dB"
        ratio = found.clips_per_s_after / found.clips_per_s_before
        rows += [
            (f"of {found.media} samples, {found.frames} frames", f"{found.damaged} damaged" if found.damaged else ""),
            ("  PSNR, luma, at equal size", psnr),
            ("  SSIM, mean (worst)", f"{found.ssim:.4f} ({found.worst_ssim:.4f})"),
            ("  clips/s before, one core", f"{found.clips_per_s_before:.1f}"),
            ("  clips/s after", f"{found.clips_per_s_after:.1f} ({ratio:.1f}x)"),
        ]
    rows.append(("seconds", f"{report.seconds:.1f}"))
    if report.finished_before and not as_json:
        say_finished(report.out)
    emit(report.to_dict(), as_json, facts_table(f"{report.source} -> {report.out}", rows))
    if not as_json:
        listed = f"quarantined (all in {report.out}/quarantine.jsonl)"
        print_examples(listed, report.examples, report.num_quarantined)
