"""The command line of the tools: `python -m tools build NAME ...`, `python -m tools transcode SRC OUT ...`.

Exit codes: 0 done; 1 an error, in one line (with --debug as a traceback); 2 wrong usage (an option that is not known,
missing, or names what is not there); 3 done, but more was quarantined than --max-quarantined allows; 130 stopped
by Ctrl-C (the same command goes on).
"""

from __future__ import annotations

import hashlib
import inspect
import json
import operator
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tools.datasets import DATASETS, find_dataset
from tools.rows import OptionError

if TYPE_CHECKING:
    from tools.build import BuildReport
    from tools.export_ffcv import ExportReport
    from tools.media import Profile
    from tools.transcode import TranscodeReport

FAILED, WRONG_USAGE, TOO_MANY_QUARANTINED, STOPPED = 1, 2, 3, 130
MAX_DIGEST_BYTES = 1 << 30
"""Bytes of an annotation file above which only its size goes into the provenance, not its digest."""

SHORT_SIDE = typer.Option(None, min=16, help="Short side of frames, pixels; smaller media keep their own.")
FPS = typer.Option(None, help="Keep at most so many frames per second of a video.")
EVERY = typer.Option(None, min=1, help="Keep one of so many frames of a video.")
GOP = typer.Option(None, min=1, help="Frames from one key frame to the next.")
CODEC = typer.Option(None, help="h264, hevc or av1.")
QUALITY = typer.Option(None, min=0, help="Videos: constant rate factor, less is better; frames_...: 1 to 100.")
NUM_FRAMES = typer.Option(None, min=1, help="frames_...: pictures of each video.")
PICTURE = typer.Option(None, help="frames_...: jpeg or webp.")
PICTURE_QUALITY = typer.Option(None, min=1, help="JPEG quality of pictures in the dataset, 1 to 100.")

PROFILE_FIELDS = ("short_side", "fps", "every", "gop", "codec", "quality", "num_frames", "picture", "picture_quality")
"""Options that change a field of a media profile (tools/media.py)."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def tools() -> None:
    """Make datasets of shards that the loader reads. `python -m tools build --help` has examples."""


def _build_help() -> str:
    known = "\n".join(f"  {name:<14} {_first_line(rows)}" for name, rows in sorted(DATASETS.items()))
    return f"""Turn annotations and media into a dataset of tar shards with an index.

\b
Datasets (NAME):
{known}

\b
Examples:
  python -m tools build webvid --annotations samples/webvid/results_2M_train.csv \\
      --media samples --out data/samples/webvid
  python -m tools build cc3m --annotations samples/cc3m/Train_GCC-training.tsv \\
      --media samples --out data/samples/cc3m
  python -m tools build msrvtt_qa --annotations samples/msrvtt_qa/train.jsonl \\
      --id-map samples/msrvtt_qa/video_id_to_file.json --media samples --out data/samples/msrvtt_qa/train
  python -m tools build webvid --annotations samples/webvid/results_2M_train.csv \\
      --media samples --media-profile h264_256 --out data/samples/webvid_256
  python -m tools build shapes --split train --num-clips 2000 --seed 0 --out data/shapes/train

Every row ends as a sample, or in OUT/quarantine.jsonl with file, line, reason and remedy. A build that was killed goes
on when the same command is given again. Start with --limit 100 into a folder of its own to see whether media are found.

\b
Exit codes: 0 done, 1 error, 2 wrong usage, 3 done but more rows quarantined than --max-quarantined, 130 stopped.
"""


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


@app.command(help=_build_help())
def build(
    context: typer.Context,
    dataset: str = typer.Argument(metavar="NAME", help="One of the datasets above."),
    out: str = typer.Option(help="Folder or URL prefix (s3://...) for the dataset; one per split."),
    annotations: Path | None = typer.Option(None, help="The annotation file, as published."),
    media: Path | None = typer.Option(None, help="Folder under which the media lie (VIOLET's images: the .tsv)."),
    answers: Path | None = typer.Option(
        None, help="activitynet_qa: the *_a.json; nextqa_oe: add_reference_answer_test.json."
    ),
    id_map: Path | None = typer.Option(
        None, help='JSON {"id": "path under the media folder"}; goes before all rules. msvd_qa: or youtube_mapping.txt.'
    ),
    split: str | None = typer.Option(
        None, help="Which split, where an annotation file holds several; tgif_qa: train or val; for shapes always."
    ),
    num_clips: int | None = typer.Option(None, min=1, help="shapes: how many clips to render."),
    text: str | None = typer.Option(None, help="shapes: captions (to pre-train on) or questions."),
    seed: int | None = typer.Option(None, min=0, help="shapes: the seed of the clips."),
    name: str | None = typer.Option(None, help="The dataset's name in origins and logs.  [default: NAME]"),
    samples_per_shard: int = typer.Option(1000, min=1, help="Samples in a tar."),
    limit: int | None = typer.Option(None, min=1, help="Take only the first so many rows."),
    media_profile: str | None = typer.Option(
        None, help="What to make of media (see transcode --help); they stay as they are by default."
    ),
    short_side: int | None = SHORT_SIDE,
    fps: float | None = FPS,
    every: int | None = EVERY,
    gop: int | None = GOP,
    codec: str | None = CODEC,
    quality: int | None = QUALITY,
    num_frames: int | None = NUM_FRAMES,
    picture: str | None = PICTURE,
    picture_quality: int | None = PICTURE_QUALITY,
    threads: int = typer.Option(2, min=1, help="Threads that read, probe and transcode media."),
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 3 above so many quarantined rows."),
    as_json: bool = typer.Option(False, "--json", help="Print the summary as one JSON object instead of a table."),
    debug: bool = typer.Option(False, help="Show the traceback of an error."),
) -> None:
    given = {
        "annotations": annotations,
        "media": media,
        "answers": answers,
        "id_map": id_map,
        "split": split,
        "num_clips": num_clips,
        "text": text,
        "seed": seed,
    }
    with _one_line_errors(debug):
        profile = _find_profile(media_profile, context)
        dataset, make_rows = find_dataset(dataset)
        options = {option: value for option, value in given.items() if value is not None}
        _check_options(dataset, make_rows, options)
        report = _run(
            dataset, make_rows, options, out, name or dataset, samples_per_shard, limit, threads, media_profile, profile
        )
    if as_json:
        print(json.dumps(report.to_dict()))
    else:
        _print_table(report)
    _check_quarantined("rows", report.num_quarantined, max_quarantined)


def _check_quarantined(what: str, num_quarantined: int, allowed: int | None) -> None:
    if allowed is not None and num_quarantined > allowed:
        _complain(f"{num_quarantined} {what} were quarantined, --max-quarantined allows {allowed}")
        raise typer.Exit(TOO_MANY_QUARANTINED)


def _find_profile(name: str | None, context: typer.Context) -> Profile | None:
    """The media profile that the options describe; None: media stay as they are. Raises OptionError."""
    changes = {field: context.params[field] for field in PROFILE_FIELDS}
    given = [_flag(option) for option, value in changes.items() if value is not None]
    if name is None and given:
        raise OptionError(f"{', '.join(given)}: say with --media-profile what to make of media")
    if name is None:
        return None
    # The encoder of AV1 would write a page to stderr for every video.
    os.environ.setdefault("SVT_LOG", "1")
    from tools.media import find_profile

    return find_profile(name, **changes)


@app.command("export-ffcv")
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
    as_json: bool = typer.Option(False, "--json", help="Print the summary as one JSON object instead of a table."),
    debug: bool = typer.Option(False, help="Show the traceback of an error."),
) -> None:
    """Write the frames of a small dataset into one FFCV file, which `source: ffcv` reads; docs/ffcv.md.

    OUT.beton.quarantine.jsonl lists what was left out or failed. Exit codes are those of build.
    """
    with _one_line_errors(debug, "stopped; nothing was written"):
        from tools.export_ffcv import MODES, export

        if mode not in MODES:
            raise OptionError(f"--mode {mode} is not known; choose one of {', '.join(MODES)}")
        with _progress("samples") as on_sample:
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
            )
    if as_json:
        print(json.dumps(report.to_dict()))
    else:
        _print_export(report)
    _check_quarantined("samples", report.num_failed, max_quarantined)


def _check_options(dataset: str, make_rows: Callable[..., Any], options: dict[str, Any]) -> None:
    parameters = inspect.signature(make_rows).parameters
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    missing = [_flag(name) for name in required if name not in options]
    if missing:
        raise OptionError(f"{dataset} needs {', '.join(missing)}; see python -m tools build --help")
    surplus = [_flag(name) for name in options if name not in parameters]
    if surplus:
        takes = ", ".join(map(_flag, parameters))
        raise OptionError(f"{dataset} takes no {', '.join(surplus)}; it takes {takes}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _run(
    dataset: str,
    make_rows: Callable[..., Iterator[Any]],
    options: dict[str, Any],
    out: str,
    name: str,
    samples_per_shard: int,
    limit: int | None,
    threads: int,
    media_profile: str | None,
    profile: Profile | None,
) -> BuildReport:
    from tools.build import build as build_dataset

    rows = make_rows(**options)
    annotations = options.get("annotations")
    source = annotations.name if annotations is not None else dataset
    total = operator.length_hint(rows, 0) or options.get("num_clips")
    if limit is not None:
        total = min(limit, total or limit)
    with _progress("rows", total) as on_row:
        return build_dataset(
            rows,
            out,
            name,
            source,
            samples_per_shard=samples_per_shard,
            provenance=_provenance(dataset, options, limit, media_profile, profile),
            limit=limit,
            num_threads=threads,
            profile=profile,
            on_row=on_row,
        )


def _provenance(
    dataset: str, options: dict[str, Any], limit: int | None, media_profile: str | None, profile: Profile | None
) -> dict[str, Any]:
    """What decides which rows come, so that a build cannot go on with other inputs; files by content, not by path."""
    files = {
        name: {"file": path.name, "bytes": path.stat().st_size, "sha256": _digest(path)}
        for name, path in options.items()
        if isinstance(path, Path) and path.is_file()
    }
    plain = {name: value for name, value in options.items() if not isinstance(value, Path)}
    made = {}
    if media_profile is not None and profile is not None:
        from tools.media import describe

        made = {"media_profile": describe(media_profile, profile)}
    return {"tool": "tools build", "dataset": dataset, **files, **plain, "limit": limit, **made}


def _digest(path: Path) -> str | None:
    if path.stat().st_size > MAX_DIGEST_BYTES:
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _progress(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar on stderr: rows or samples done of about so many, those quarantined, time left.

    Its function takes (done, quarantined), and a total when that is known later.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[quarantined]} quarantined"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total, quarantined=0)

        def on_row(done: int, quarantined: int, total: int | None = None) -> None:
            progress.update(task, completed=done, quarantined=quarantined, total=total)

        yield on_row
        progress.update(task, total=progress.tasks[task].completed)


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
when the same command is given again. docs/media.md says what to choose.

\b
Exit codes: 0 done, 1 error, 2 wrong usage, 3 done but more quarantined than --max-quarantined, 130 stopped.
"""


@app.command(help=TRANSCODE_HELP)
def transcode(
    context: typer.Context,
    source: str = typer.Argument(metavar="SRC", help="Folder or URL of a dataset (other tars: shards index first)."),
    out: str = typer.Argument(metavar="OUT", help="Folder or URL prefix (s3://...) for the new one."),
    profile_name: str = typer.Option("h264_256", "--profile", help="One of the profiles above."),
    short_side: int | None = SHORT_SIDE,
    fps: float | None = FPS,
    every: int | None = EVERY,
    gop: int | None = GOP,
    codec: str | None = CODEC,
    quality: int | None = QUALITY,
    num_frames: int | None = NUM_FRAMES,
    picture: str | None = PICTURE,
    picture_quality: int | None = PICTURE_QUALITY,
    name: str | None = typer.Option(None, help="The dataset's name in origins and logs.  [default: that of SRC]"),
    samples_per_shard: int = typer.Option(1000, min=1, help="Samples in a tar."),
    limit: int | None = typer.Option(None, min=1, help="Take only the first so many samples."),
    threads: int | None = typer.Option(None, min=1, help="Media that are worked on at once.  [default: all cores]"),
    compare: int = typer.Option(16, min=0, help="Samples whose quality and speed are measured at the end."),
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 3 above so many quarantined samples."),
    as_json: bool = typer.Option(False, "--json", help="Print the summary as one JSON object instead of a table."),
    debug: bool = typer.Option(False, help="Show the traceback of an error."),
) -> None:
    with _one_line_errors(debug):
        profile = _find_profile(profile_name, context)
        assert profile is not None
        from shards.commands.output import num_cores
        from shards.index import Index, WrongPlace
        from shards.source import open_source
        from tools.transcode import transcode_dataset

        try:
            total = min(int(Index.open(open_source(source)).dataset["num_samples"]), limit or 1 << 62)
        except WrongPlace as error:
            raise OptionError(str(error)) from error
        with _progress("samples", total) as on_sample:
            report = transcode_dataset(
                source,
                out,
                profile_name,
                profile,
                name=name,
                samples_per_shard=samples_per_shard,
                limit=limit,
                num_threads=threads or num_cores(),
                compared=compare,
                on_sample=on_sample,
            )
    if as_json:
        print(json.dumps(report.to_dict()))
    else:
        _print_transcoded(report)
    _check_quarantined("samples", report.num_quarantined, max_quarantined)


def _print_transcoded(report: TranscodeReport) -> None:
    rows = [("samples in", f"{report.samples_in:,}")]
    if report.samples_resumed:
        rows.append(("  of an earlier run", f"{report.samples_resumed:,}"))
    rows += [("samples", f"{report.samples:,}"), ("samples quarantined", f"{report.num_quarantined:,}")]
    rows += [(f"  {reason}", f"{count:,}") for reason, count in report.quarantined.items()]
    if report.members_left:
        rows.append(("other members left out", f"{report.members_left:,}"))
    before, after = report.media_bytes_before, report.media_bytes_after
    rows += [
        ("shards", f"{report.shards:,}"),
        ("bytes", f"{report.bytes:,}"),
        ("bytes of media before", f"{before:,}"),
        ("bytes of media after", f"{after:,} ({after / max(before, 1):.2f}x)"),
    ]
    found = report.quality
    if found is not None:
        psnr = "equal" if found.psnr_db is None else f"{found.psnr_db:.1f} dB"
        ratio = found.clips_per_s_after / found.clips_per_s_before
        rows += [
            (f"of {found.media} samples, {found.frames} frames", ""),
            ("  PSNR, luma, at equal size", psnr),
            ("  SSIM, mean (worst)", f"{found.ssim:.4f} ({found.worst_ssim:.4f})"),
            ("  clips/s before, one core", f"{found.clips_per_s_before:.1f}"),
            ("  clips/s after", f"{found.clips_per_s_after:.1f} ({ratio:.1f}x)"),
        ]
    rows.append(("seconds", f"{report.seconds:.1f}"))
    _print_rows(f"{report.source} -> {report.out}", rows)
    _print_examples(
        f"quarantined (all in {report.out}/quarantine.jsonl)", report.quarantine_examples, report.num_quarantined
    )


def _print_table(report: BuildReport) -> None:
    rows = [("rows in", f"{report.rows_in:,}")]
    if report.rows_resumed:
        rows.append(("  of an earlier run", f"{report.rows_resumed:,}"))
    rows += [("samples", f"{report.samples:,}"), ("rows quarantined", f"{report.num_quarantined:,}")]
    rows += [(f"  {reason}", f"{count:,}") for reason, count in report.quarantined.items()]
    rows += [
        ("records", f"{report.records:,}"),
        ("records dropped", f"{report.records_dropped:,}"),
        ("shards", f"{report.shards:,}"),
        ("bytes", f"{report.bytes:,}"),
        ("seconds", f"{report.seconds:.1f}"),
    ]
    _print_rows(f"{report.name} -> {report.out}", rows)
    _print_examples(
        f"quarantined (all in {report.out}/quarantine.jsonl)", report.quarantine_examples, report.num_quarantined
    )
    dropped = "records dropped (each also in its sample's json)"
    _print_examples(dropped, report.dropped_examples, report.records_dropped)


def _print_rows(title: str, rows: list[tuple[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _print_examples(heading: str, examples: list[str], count: int) -> None:
    from rich.console import Console
    from rich.text import Text

    if examples:
        more = f"\n  ... and {count - 5} more" if count > 5 else ""
        lines = "".join(f"\n  {_printable(example)}" for example in examples[:5])
        Console().print(Text(f"{heading}:{lines}{more}"), soft_wrap=True)


def _print_export(report: ExportReport) -> None:
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
    _print_rows(f"{report.name} -> {report.out}", rows)
    listed = f"failed (all in {report.out}.quarantine.jsonl)"
    _print_examples(listed, report.quarantine_examples, report.num_quarantined)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _complain(message: str) -> None:
    print(_printable(f"error: {message}"), file=sys.stderr)


@contextmanager
def _one_line_errors(
    debug: bool, stopped: str = "stopped; finished shards stay, the same command goes on after them"
) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        _complain(stopped)
        raise typer.Exit(STOPPED) from None
    except Exception as error:
        if debug:
            raise
        expected = isinstance(error, (ValueError, OSError))
        text = re.sub(r"^\[Errno \d+\] ", "", " ".join(str(error).split("\n")))
        _complain(text if expected else f"{type(error).__name__}: {text}; this is a bug: --debug shows where")
        raise typer.Exit(WRONG_USAGE if isinstance(error, OptionError) else FAILED) from None


if __name__ == "__main__":
    app(prog_name="python -m tools")
