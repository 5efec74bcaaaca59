"""`python -m tools build NAME`: annotations and media become a dataset of shards; tools/build.py does the work.

Promises: options are checked against what the dataset takes before anything is read, and the inputs are filed in the
provenance, so that a build cannot go on with others.
"""

from __future__ import annotations

import hashlib
import inspect
import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from shards.cli import (
    DEBUG_OPTION,
    JSON_OPTION,
    emit,
    facts_table,
    flag,
    one_line_errors,
    print_examples,
    show_progress,
)
from tools.commands import profiles
from tools.commands.summary import STOPPED, check_quarantined, say_finished
from tools.datasets import DATASETS, find_dataset
from tools.rows import OptionError

if TYPE_CHECKING:
    from tools.build import BuildReport
    from tools.media.profiles import Profile


def build_help() -> str:
    """The help of the verb, with a line for each dataset."""
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
on when the same command is given again; one that is finished has nothing to do. Start with --limit 100 into a folder of
its own to see whether media are found.

\b
Exit codes: 0 done, 1 an error, or more rows quarantined than --max-quarantined, 2 wrong usage, 3 a bug, 130 stopped.
"""


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


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
    short_side: int | None = profiles.SHORT_SIDE,
    fps: float | None = profiles.FPS,
    every: int | None = profiles.EVERY,
    gop: int | None = profiles.GOP,
    codec: str | None = profiles.CODEC,
    quality: int | None = profiles.QUALITY,
    num_frames: int | None = profiles.NUM_FRAMES,
    picture: str | None = profiles.PICTURE,
    picture_quality: int | None = profiles.PICTURE_QUALITY,
    threads: int = typer.Option(2, min=1, help="Threads that read, probe and transcode media."),
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 1 above so many quarantined rows."),
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
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
    with one_line_errors(debug, STOPPED):
        profile = profiles.find_profile(media_profile, context)
        dataset, make_rows = find_dataset(dataset)
        taken = {option: value for option, value in given.items() if value is not None}
        _check_options(dataset, make_rows, taken)
        report = _run(
            dataset, make_rows, taken, out, name or dataset, samples_per_shard, limit, threads, media_profile, profile
        )
    _print_report(report, as_json)
    check_quarantined("rows", report.num_quarantined, max_quarantined)


def _check_options(dataset: str, make_rows: Callable[..., Any], options: dict[str, Any]) -> None:
    parameters = inspect.signature(make_rows).parameters
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    missing = [flag(name) for name in required if name not in options]
    if missing:
        raise OptionError(f"{dataset} needs {', '.join(missing)}; see python -m tools build --help")
    surplus = [flag(name) for name in options if name not in parameters]
    if surplus:
        takes = ", ".join(map(flag, parameters))
        raise OptionError(f"{dataset} takes no {', '.join(surplus)}; it takes {takes}")


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
    from tools.engine import threads as in_threads

    rows = make_rows(**options)
    annotations = options.get("annotations")
    source = annotations.name if annotations is not None else dataset
    total = operator.length_hint(rows, 0) or options.get("num_clips")
    if limit is not None:
        total = min(limit, total or limit)
    with show_progress("build", total, "rows") as progress:
        return build_dataset(
            rows,
            out,
            name,
            source,
            samples_per_shard=samples_per_shard,
            provenance=_provenance(dataset, options, samples_per_shard, limit, media_profile, profile),
            limit=limit,
            engine=in_threads(threads),
            profile=profile,
            progress=progress,
        )


def _provenance(
    dataset: str,
    options: dict[str, Any],
    samples_per_shard: int,
    limit: int | None,
    media_profile: str | None,
    profile: Profile | None,
) -> dict[str, Any]:
    """What decides what comes out, so that a build cannot go on with other inputs: files by content, folders (of media)
    by where they lie."""
    given = {name: _input(value) if isinstance(value, Path) else value for name, value in options.items()}
    made = {}
    if media_profile is not None and profile is not None:
        from tools.media.profiles import describe

        made = {"media_profile": describe(media_profile, profile)}
    limits = {"samples_per_shard": samples_per_shard, "limit": limit}
    return {"tool": "tools build", "dataset": dataset, **given, **limits, **made}


def _input(path: Path) -> str | dict[str, Any]:
    if not path.is_file():
        return str(path.resolve())
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _print_report(report: BuildReport, as_json: bool) -> None:
    rows = [("rows in", f"{report.num_rows:,}")]
    if report.num_resumed and not report.finished_before:
        rows.append(("  of an earlier run", f"{report.num_resumed:,}"))
    rows += [("samples", f"{report.num_samples:,}"), ("rows quarantined", f"{report.num_quarantined:,}")]
    rows += [(f"  {reason}", f"{count:,}") for reason, count in report.quarantined.items()]
    rows += [
        ("records", f"{report.num_records:,}"),
        ("records dropped", f"{report.num_dropped:,}"),
        ("shards", f"{report.num_shards:,}"),
        ("bytes", f"{report.bytes:,}"),
        ("seconds", f"{report.seconds:.1f}"),
    ]
    if report.finished_before and not as_json:
        say_finished(report.out)
    emit(report.to_dict(), as_json, facts_table(f"{report.name} -> {report.out}", rows))
    if as_json:
        return
    print_examples(f"quarantined (all in {report.out}/quarantine.jsonl)", report.examples, report.num_quarantined)
    dropped = "records dropped (each also in its sample's json)"
    print_examples(dropped, report.dropped, report.num_dropped)
