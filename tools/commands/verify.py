"""`python -m tools verify DATASET...`: does a dataset hold what it promises; tools/trust/ does the work.

The options of a build are known only when the dataset is open, so they are read from the rest of the command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from shards.base import UsageError, cell, complain
from shards.cli import (
    DEBUG_OPTION,
    JSON_OPTION,
    PROBLEMS,
    ROOTS_OPTION,
    emit,
    facts_table,
    num_cores,
    one_line_errors,
    open_dataset,
    print_examples,
    show_progress,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tools.trust.verify import Checked, Result

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of the command: options that it does not know are those of a build."""


def verify(
    context: typer.Context,
    decode: int = typer.Option(64, min=0, help="Media of each dataset that are drawn and decoded; 0: none."),
    every_byte: bool = typer.Option(False, "--every-byte", help="Compare every byte and decode every medium."),
    changed_inputs: bool = typer.Option(
        False, "--changed-inputs", help="Compare also with files that are not those of the build."
    ),
    seed: int = typer.Option(0, min=0, help="Seed of the draw."),
    jobs: int | None = typer.Option(None, min=1, help="Media decoded at a time.  [default: the CPU cores]"),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Check what a dataset promises against what it was made from: DATASET... [--annotations FILE ...]

    Reads all texts once and decodes a draw of the media. With the files of the build (--annotations FILE, --id-map
    FILE, ...; split and other settings are in dataset.json) every row is looked for in the dataset, and every sample
    among the rows. Several datasets, e.g. train, val and test, must share no id and no medium. Published counts are
    shown beside those that are here.

    \b
    Examples:
      python -m tools verify data/webvid/train
      python -m tools verify data/webvid/train --annotations raw/webvid/results_2M_train.csv
      python -m tools verify data/msvd_qa/train data/msvd_qa/val data/msvd_qa/test
      python -m tools verify s3://bucket/webvid/train --every-byte --json

    \b
    Exit codes: 0 all is well, 1 something is wrong (named on stderr), 2 wrong usage.
    """
    with one_line_errors(debug):
        from tools.trust.inputs import Inputs, datasets_and_files
        from tools.trust.verify import verify as check

        paths, given = datasets_and_files(context.args)
        if not paths:
            raise UsageError("give the folder or URL of a dataset: python -m tools verify DATASET...")
        if given and len(paths) > 1:
            raise UsageError("files of a build belong to one dataset: verify the splits one by one, then all together")
        datasets = [open_dataset(path, "verify", root) for path in paths]
        inputs = Inputs(datasets[0].index.dataset, datasets[0].url, given, changed_inputs) if given else None
        total = sum(int(dataset.index.dataset["num_samples"]) for dataset in datasets)
        with show_progress("verify", total, "samples") as progress:
            result = check(
                datasets,
                inputs,
                decode=decode,
                every_byte=every_byte,
                seed=seed,
                jobs=jobs or num_cores(),
                progress=progress,
            )
        emit(result.to_dict(), as_json, _tables(result))
        if not as_json:
            print_examples("problems", result.problems, len(result.problems))
        if result.num_problems:
            more = f" (the first of {result.num_problems:,} problems)" if result.num_problems > 1 else ""
            complain(f"{result.problems[0]}{more}")
            raise typer.Exit(PROBLEMS)


def _tables(result: Result) -> RenderableType:
    from rich.console import Group

    tables = [facts_table(f"{one.dataset} at {one.url}", _facts(one)) for one in result.datasets]
    texts = [_texts(one) for one in result.datasets if one.text_figures["fields"]]
    shared = [
        facts_table(
            f"{overlap.first} and {overlap.second}",
            [
                ("ids in both", "not compared (other sets)" if overlap.ids is None else f"{overlap.ids:,}"),
                ("media in both", f"{overlap.contents:,}"),
                *([("  not confirmed by reading", f"{overlap.unconfirmed:,}")] if overlap.unconfirmed else []),
            ],
        )
        for overlap in result.overlaps
    ]
    return Group(*tables, *texts, *shared)


def _facts(one: Checked) -> Iterator[tuple[str, str]]:
    yield "samples", f"{one.samples:,}"
    yield "texts", f"{one.texts:,}" if one.texts >= 0 else "unknown"
    yield "quarantined", f"{one.quarantined:,}"
    if one.published is not None and one.here is not None:
        split, what, count = one.published
        yield f"{what} of {split}", f"published {count:,}, here {one.here:,}"
    if (compared := one.comparison) is not None:
        merged = f" + {compared.merged:,} merged" if compared.merged else ""
        accounts = f"{compared.rows:,} = {compared.samples:,} samples{merged} + {compared.quarantined:,} quarantined"
        wrong = compared.missing + compared.refused
        yield "rows in the annotation files", accounts + (f" + {wrong:,} lost" if wrong else "")
        yield "samples of no row", f"{compared.extra:,}"
        yield "samples with other texts", f"{compared.changed:,}"
    yield "media decoded", f"{one.decoded:,}"
    if one.bytes is not None:
        yield "bytes compared", f"{one.bytes.num_bytes:,}"
    figures = one.text_figures
    yield "samples with unreadable texts", f"{figures['unreadable']:,}"
    yield "different words", ("more than " if figures["vocabulary_is_cut"] else "") + f"{figures['vocabulary']:,}"
    yield "problems", f"{one.num_problems:,}"


def _texts(one: Checked) -> RenderableType:
    from rich.table import Table

    table = Table(title=cell(f"Texts of {one.dataset}"), title_justify="left")
    titles = (
        "field",
        "texts",
        "different",
        "words p50",
        "p99",
        "max",
        "empty",
        "very long",
        "mojibake",
        "most frequent",
    )
    for title in titles:
        table.add_column(title, justify="left" if title in ("field", "most frequent") else "right")
    for name, field in one.text_figures["fields"].items():
        words, most = field["words"], field["most_frequent"]
        counts = (field["count"], field["different"], words["p50"], words["p99"], words["max"])
        hints = (field["empty"], field["very_long"], field["mojibake"])
        shown = [f"{number:,}" for number in (*counts, *hints)]
        table.add_row(cell(name), *shown, cell(f"{100 * most['share']:.2g} %: {most['text']}", 48))
    return table
