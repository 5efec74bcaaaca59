"""`python -m tools scenes SOURCE OUT`: cut long videos into clips at scene changes; tools/scenes/ does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from shards.cli import DEBUG_OPTION, JSON_OPTION, ROOTS_OPTION, one_line_errors, show_progress
from tools.cli.engines import ADDRESS_OPTION, ENGINE_OPTION, THREADS_OPTION, chosen_engine
from tools.cli.profiles import PROFILE_OPTIONS, chosen_profile
from tools.cli.signature import with_options
from tools.cli.summary import STOPPED, finish
from tools.rows import OptionError

SCENES_HELP = """Cut long videos into clips at their scene changes (PySceneDetect); docs/scoring.md.

\b
Examples:
  python -m tools scenes data/films data/films_clips --max-seconds 30
  python -m tools scenes raw/videos raw/clips --detector content --cut copy

SOURCE is a dataset of shards, whose clips become another dataset: each sample has its video's key as "parent", its
number, start and end (seconds), and the texts that belong to it. Or SOURCE is a folder of videos: OUT/clips/ then has
the clips as files and OUT/clips.jsonl a line for each. Every video gives clips or stands in OUT/quarantine.jsonl. A
run that was killed goes on when the same command is given again.

\b
Exit codes: 0 done, 1 an error, or more quarantined than --max-quarantined, 2 wrong usage, 3 a bug, 130 stopped.
"""


def _scenes(
    profile_changes: dict[str, Any],
    source: str = typer.Argument(metavar="SOURCE", help="A dataset (folder or URL), or a local folder of videos."),
    out: str = typer.Argument(
        metavar="OUT", help="Of a dataset: folder or URL for the new one. Of a folder: a folder."
    ),
    detector: str = typer.Option("adaptive", help="adaptive: also where the camera moves; content: frame by frame."),
    threshold: float | None = typer.Option(
        None, min=0.1, max=255, help="Higher: fewer cuts.  [default: 3; content 27]"
    ),
    min_seconds: float = typer.Option(1.0, min=0, help="A shorter scene belongs to the one before it."),
    max_seconds: float | None = typer.Option(None, min=0.1, help="A longer scene is cut into equal parts."),
    cut: str = typer.Option("reencode", help="reencode: exact; copy: no loss, moved to the nearest key frames."),
    media_profile: str = typer.Option("h264_256", help="How clips are encoded (see transcode --help)."),
    name: str | None = typer.Option(None, help="The new dataset's name.  [default: that of SOURCE and _clips]"),
    samples_per_shard: int = typer.Option(1000, min=1, help="Samples in a tar."),
    engine: str = ENGINE_OPTION,
    address: str | None = ADDRESS_OPTION,
    threads: int | None = THREADS_OPTION,
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 1 above so many quarantined rows."),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    with one_line_errors(debug, STOPPED):
        found = chosen_profile(media_profile, profile_changes)
        assert found is not None
        if cut == "copy" and profile_changes:
            raise OptionError("--cut copy leaves videos as they are; leave the options of a media profile out")
        from tools.scenes.dataset import cut_dataset
        from tools.scenes.detect import Detection
        from tools.scenes.folder import cut_folder
        from tools.scenes.video import Cutting

        cutting = Cutting(Detection(detector, threshold), min_seconds, max_seconds, cut, *found)
        with (
            chosen_engine(engine, address, threads) as chosen,
            show_progress("scenes", None, "videos" if _is_folder(source) else "clips") as progress,
        ):
            if _is_folder(source):
                report = cut_folder(Path(source), _local(out), cutting, engine=chosen, progress=progress)
            else:
                report = cut_dataset(
                    source,
                    out,
                    cutting,
                    name=name,
                    samples_per_shard=samples_per_shard,
                    engine=chosen,
                    progress=progress,
                    roots=root or (),
                )
    finish(report, as_json, source=source, quarantine=f"{out}/quarantine.jsonl", max_quarantined=max_quarantined)


scenes = with_options(_scenes, profile_changes=PROFILE_OPTIONS)


def _is_folder(source: str) -> bool:
    """True for a folder of videos: a local one that is no dataset."""
    from shards.dataset import DATASET_FILE

    path = Path(source)
    if "://" not in source and path.is_file() and path.name != DATASET_FILE:
        raise OptionError(f"{source}: is one file; give the folder in which it lies, or a dataset of shards")
    return "://" not in source and path.is_dir() and not (path / DATASET_FILE).exists()


def _local(out: str) -> Path:
    if "://" in out:
        raise OptionError(f"{out}: clips of a folder are written to a local folder")
    return Path(out)
