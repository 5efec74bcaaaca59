"""`python -m tools build DATASET`: annotations and media become a dataset of shards; tools/build.py does the work.

Every dataset has a command of its own: its options are the parameters of the dataset's `rows` (tools/datasets/), with
types, checks and help from there, followed by the options of every build. The inputs are kept in the
provenance, so that a build cannot go on with others.
"""

from __future__ import annotations

import copy
import functools
import inspect
import operator
from collections.abc import Callable, Iterator
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperGroup

from shards.base import complain
from shards.cli import DEBUG_OPTION, JSON_OPTION, WRONG_USAGE, one_line_errors, show_progress
from tools.commands.profiles import PROFILE_OPTIONS, chosen_profile
from tools.commands.signature import with_options
from tools.commands.summary import STOPPED, finish
from tools.datasets import DATASETS, find_dataset
from tools.datasets.recognition import check_dataset
from tools.rows import OptionError

BUILD_HELP = """Turn annotations and media into a dataset of tar shards with an index.

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

`python -m tools build DATASET --help` shows the options of a dataset. Every row ends as a sample, or in
OUT/quarantine.jsonl with file, line, reason and remedy. A build that was killed goes on when the same command is given
again; one that is finished has nothing to do. Start with --limit 100 into a folder of its own to see whether media are
found.

\b
Exit codes: 0 done, 1 an error, or more rows quarantined than --max-quarantined, 2 wrong usage, 3 a bug, 130 stopped.
"""


class DatasetCommands(TyperGroup):
    """The commands of `build`, one for each dataset."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The datasets by name."""
        return sorted(DATASETS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a dataset; an unknown one ends the program with the nearest name."""
        try:
            name, make_rows = find_dataset(cmd_name)
        except OptionError as error:
            complain(error)
            raise typer.Exit(WRONG_USAGE) from None
        program = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
        program.command(name)(_command(name, make_rows))
        return typer.main.get_command(program)


def _command(dataset: str, make_rows: Callable[..., Iterator[Any]]) -> Callable[..., None]:
    """The function behind the command of a dataset, with the signature that typer reads."""
    own = [_as_option(parameter) for parameter in inspect.signature(make_rows, eval_str=True).parameters.values()]
    build = functools.partial(_build, dataset, make_rows)
    command = with_options(build, own=own, profile_changes=PROFILE_OPTIONS)
    command.__doc__ = inspect.getdoc(make_rows)
    return command


def _as_option(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter of `rows` as an option.

    An option with a default is None where it is not given: the provenance holds only what was given.
    """
    kind, option = parameter.annotation, typer.Option()
    if get_origin(kind) is Annotated:
        kind, option = get_args(kind)
    if parameter.default in (None, parameter.empty):
        return parameter.replace(annotation=Annotated[kind, option])
    option = copy.copy(option)
    option.help = f"{option.help or ''}  [default: {parameter.default}]".strip()
    return parameter.replace(default=None, annotation=Annotated[kind | None, option])


def _build(
    dataset: str,
    make_rows: Callable[..., Iterator[Any]],
    own: dict[str, Any],
    profile_changes: dict[str, Any],
    out: str = typer.Option(help="Folder or URL prefix (s3://...) for the dataset; one per split."),
    name: str | None = typer.Option(None, help="The dataset's name in origins and logs.  [default: DATASET]"),
    samples_per_shard: int = typer.Option(1000, min=1, help="Samples in a tar."),
    limit: int | None = typer.Option(None, min=1, help="Take only the first so many rows."),
    media_profile: str | None = typer.Option(
        None, help="What to make of media (see transcode --help); they stay as they are by default."
    ),
    threads: int = typer.Option(2, min=1, help="Threads that read, probe and transcode media."),
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 1 above so many quarantined rows."),
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Build a dataset from the options of its own and of every build."""
    with one_line_errors(debug, STOPPED):
        profile = chosen_profile(media_profile, profile_changes)
        from shards.base import threads as in_threads
        from tools.build import build
        from tools.provenance import provenance_of
        from tools.trust.croissant import write_croissant

        if "annotations" in own:
            check_dataset(dataset, own["annotations"])
        rows = make_rows(**own)
        total = operator.length_hint(rows, 0)
        if limit is not None:
            total = min(limit, total or limit)
        with show_progress("build", total or None, "rows") as progress:
            report = build(
                rows,
                out,
                name or dataset,
                own["annotations"].name if "annotations" in own else dataset,
                samples_per_shard=samples_per_shard,
                provenance=provenance_of(dataset, own, samples_per_shard, limit, profile),
                limit=limit,
                engine=in_threads(threads),
                profile=profile[1] if profile else None,
                progress=progress,
            )
        write_croissant(out)
    finish(
        report,
        as_json,
        source=report.name,
        quarantine=f"{report.out}/quarantine.jsonl",
        max_quarantined=max_quarantined,
        facts=[("records dropped", f"{report.num_dropped:,}")],
        lists=[("records dropped (each also in its sample's json)", report.dropped, report.num_dropped)],
    )
