"""`python -m tools build DATASET`: annotations and media become a dataset of shards (tools/building/build.py).

Every dataset has a command of its own: its options are the parameters of the dataset's `rows` (tools/datasets/), with
types, checks and help from there, followed by the options of every build. The inputs are kept in the
provenance, so that a build cannot go on with others.
"""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperGroup

from shards.base import complain, say
from shards.cli import DEBUG_OPTION, JSON_OPTION, WRONG_USAGE, one_line_errors, show_progress
from tools.building.parts import Part
from tools.cli.engines import ADDRESS_OPTION, ENGINE_OPTION, THREADS_OPTION, chosen_engine
from tools.cli.profiles import PROFILE_OPTIONS, chosen_profile
from tools.cli.signature import with_options
from tools.cli.summary import STOPPED, finish, finish_plan
from tools.datasets import DATASETS, find_dataset
from tools.datasets.licences import licence_of
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
    command.__doc__ = f"{inspect.getdoc(make_rows)}\n\nLicence: {licence_of(dataset)}."
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
    sample: str | None = typer.Option(
        None, metavar="F|N", help="Take a random subset of the rows: a fraction (0.01) or a number (1000)."
    ),
    deduplicate: bool = typer.Option(
        False, "--deduplicate", help="Merge rows whose media have equal bytes into one sample with all their texts."
    ),
    check_media: str | None = typer.Option(
        None, metavar="some|all", help="Decode 4 frames or all of each medium; what does not decode is quarantined."
    ),
    no_facts: bool = typer.Option(
        False, "--no-facts", help="Do not look into media: fast, but sizes, lengths and GOP tables are not known then."
    ),
    dry_run: bool = typer.Option(
        False,
        "--dry-run",
        help="Say what would become of the rows and what it costs; read no medium (--deduplicate merges nothing then).",
    ),
    shard: str | None = typer.Option(
        None, metavar="I/N", help="Build part I of N only, at OUT/parts/I-of-N; `python -m tools merge OUT` joins them."
    ),
    media_profile: str | None = typer.Option(
        None, help="What to make of media (see transcode --help); they stay as they are by default."
    ),
    engine: str = ENGINE_OPTION,
    address: str | None = ADDRESS_OPTION,
    threads: int | None = THREADS_OPTION,
    max_quarantined: int | None = typer.Option(None, min=0, help="Exit with 1 above so many quarantined rows."),
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Build a dataset from the options of its own and of every build."""
    with one_line_errors(debug, STOPPED):
        profile = chosen_profile(media_profile, profile_changes)
        part = None if shard is None else Part.parse(shard)
        from tools.building.build import build
        from tools.building.choice import Choice
        from tools.building.cost import foresee
        from tools.building.load import Treatment
        from tools.building.merge import check_unmerged
        from tools.building.plan import plan
        from tools.building.provenance import provenance_of
        from tools.building.subset import Subset
        from tools.trust.croissant import write_croissant

        if "annotations" in own:
            check_dataset(dataset, own["annotations"])
        choice = Choice(None if sample is None else Subset.parse(sample), limit, deduplicate)
        treatment = Treatment(profile[1] if profile else None, check_media, not no_facts)
        source = (own.get("data") or own.get("annotations") or Path(dataset)).name
        if part is not None:
            check_unmerged(out)
        made = functools.partial(make_rows, **own)
        if dry_run:
            rows, total = choice.rows(made, dataset, None)
            mine = rows if part is None else part.rows(rows, samples_per_shard)
            with show_progress("plan", total or None, "rows") as progress:
                found = plan(mine, out, name or dataset, source, samples_per_shard=samples_per_shard, progress=progress)
            finish_plan(found, as_json, max_quarantined)
            return
        with chosen_engine(engine, address, threads) as chosen:
            rows, total = choice.rows(made, dataset, chosen)
            total = total if part is None else -(-total // part.of)
            cost, rows = foresee(rows, total, out, samples_per_shard)
            say(cost, sys.stderr)
            made_of = choice.provenance() | treatment.provenance() | ({} if part is None else {"part": str(part)})
            with show_progress("build", total or None, "rows") as progress:
                report = build(
                    rows,
                    out,
                    name or dataset,
                    source,
                    samples_per_shard=samples_per_shard,
                    provenance=provenance_of(dataset, own, samples_per_shard, limit, profile) | made_of,
                    part=part,
                    engine=chosen,
                    treatment=treatment,
                    deduplicated=deduplicate,
                    licence=licence_of(dataset),
                    progress=progress,
                )
        if part is None:
            write_croissant(out)
    finish(
        report,
        as_json,
        source=report.name,
        quarantine=f"{report.out}/quarantine.jsonl",
        max_quarantined=max_quarantined,
        facts=[
            *([("merged (equal media)", f"{report.num_merged:,}")] if report.num_merged else []),
            ("records dropped", f"{report.num_dropped:,}"),
        ],
        lists=[("records dropped (each also in its sample's json)", report.dropped, report.num_dropped)],
    )
