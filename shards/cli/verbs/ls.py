"""`python -m shards ls PATH`: which samples a dataset holds, from the index alone (--records reads their texts too).

Stops reading the index at --limit; holds one row group of it. A text member that cannot be read is shown with the
reason and makes the exit code 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any

import typer

from shards.base.errors import UsageError
from shards.base.printing import cell, complain, say_json
from shards.base.safe_text import printable
from shards.cli.exit_codes import PROBLEMS, one_line_errors
from shards.cli.options import DEBUG_OPTION, JSON_OPTION, PATH_ARGUMENT, ROOTS_OPTION
from shards.cli.output import emit
from shards.cli.units import human_bytes
from shards.cli.verbs.open_dataset import Dataset, open_dataset
from shards.cli.verbs.tables import damaged, shard_tables
from shards.dataset.index.member_columns import MemberColumns
from shards.dataset.index.rows import MemberRow
from shards.dataset.members.plain_text import TextError
from shards.dataset.members.texts import read_texts
from shards.media.facts import FACT_NAMES

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType

_COLUMNS = ("key", "member_ext", "member_offset", "member_size", "num_records", *FACT_NAMES)
_RECORDS_SHOWN = 3
_TEXT_SHOWN = 200
_ROWS_AT_ONCE = 1024


def ls(
    path: str = PATH_ARGUMENT,
    shard: str | None = typer.Option(None, metavar="NAME", help="Only shards of this name; a pattern with * and ?."),
    key: str | None = typer.Option(
        None, metavar="PATTERN", help="Only samples whose key fits; a pattern with * and ?."
    ),
    limit: int = typer.Option(20, min=0, help="Samples to show; 0 shows all."),
    records: bool = typer.Option(False, "--records", help="Read the text records from the shards and show them."),
    lines: bool = typer.Option(
        False, "--lines", help="One JSON object per sample and line, for any number of samples."
    ),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """List samples: shard, key, members with their sizes, number of records, media facts.

    \b
    Examples:
      python -m shards ls data/webvid
      python -m shards ls data/webvid --shard 000003.tar --key 'bbb_*' --records
      python -m shards ls data/webvid --limit 0 --lines > samples.jsonl

    \b
    Exit codes: 0 fine, 1 no key fits --key, or the data is damaged (index, or a text of --records), 2 wrong usage.
    """
    with one_line_errors(debug):
        if lines and as_json:
            raise UsageError("--lines prints an object per sample, --json one object in all: choose one")
        dataset = open_dataset(path, "ls", root)
        found = _list_samples(dataset, shard, key, records)
        if lines:
            unreadable, any_found = _print_lines(islice(found, limit or None))
        else:
            samples = list(islice(found, limit or None))
            more = bool(limit) and next(found, None) is not None
            head = {"dataset": dataset.name, "url": dataset.url, "num_samples": dataset.index.dataset["num_samples"]}
            emit({**head, "samples": samples, "more": more}, as_json, _table(head, samples, more))
            unreadable, any_found = [sample for sample in samples if "error" in sample], bool(samples)
        if key is not None and not any_found:
            where = f" in {shard}" if shard is not None else ""
            complain(f"{dataset.url}: no sample of dataset {dataset.name!r} has a key like {key!r}{where}")
            raise typer.Exit(PROBLEMS)
        if unreadable:
            first = unreadable[0]
            complain(f"{dataset.url}: {first['shard']}:{first['key']}: {first['error']}")
            raise typer.Exit(PROBLEMS)


def _list_samples(dataset: Dataset, shard: str | None, key: str | None, records: bool) -> Iterator[dict[str, Any]]:
    """The samples that fit the patterns, in the order of the index. UsageError when no shard has such a name."""
    names = dataset.index.shards.names
    wanted = {number for number, name in enumerate(names) if shard is None or fnmatchcase(name, shard)}
    if shard is not None and not wanted:
        known = f"{names[0]} ... {names[-1]}" if names else "no shards"
        raise UsageError(f"{dataset.url}: no shard is named {shard!r}; it has {known}")
    for number, table in shard_tables(dataset, _COLUMNS, wanted):
        for sample in _samples(dataset, table, names[number], key):
            if records:
                _add_records(dataset, sample)
            yield sample


def _samples(dataset: Dataset, table: pa.Table, shard: str, key: str | None) -> Iterator[dict[str, Any]]:
    for start in range(0, table.num_rows, _ROWS_AT_ONCE):
        part = table.slice(start, _ROWS_AT_ONCE)
        members = MemberColumns(part)
        try:
            offset, size = members.numbers("member_offset"), members.numbers("member_size")
        except ValueError as error:
            raise damaged(dataset, f"shard {shard} {error}") from error
        facts = part.select(["num_records", *FACT_NAMES])
        for number, row_key in enumerate(part.column("key").to_pylist()):
            if key is not None and not fnmatchcase(row_key, key):
                continue
            (row,) = facts.slice(number, 1).to_pylist()
            listed = range(members.starts[number], members.starts[number + 1])
            yield {
                "shard": shard,
                "key": row_key,
                "members": [
                    {"ext": members.names[members.ext[i]], "offset": int(offset[i]), "size": int(size[i])}
                    for i in listed
                ],
                "num_records": row.pop("num_records"),
                "facts": row,
            }


def _add_records(dataset: Dataset, sample: dict[str, Any]) -> None:
    members = [MemberRow(**member, checksum=None) for member in sample["members"]]
    try:
        (texts,) = read_texts(dataset.shards, sample["shard"], [members], dataset.index.rules)
        if isinstance(texts, TextError):
            raise texts
        sample["records"] = texts.records
    except (TextError, OSError) as error:
        sample["error"] = str(error)


def _print_lines(samples: Iterator[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """Print each sample as it comes; returns the first unreadable one, if there is one, and whether any came."""
    unreadable: list[dict[str, Any]] = []
    any_found = False
    for sample in samples:
        say_json(sample)
        any_found = True
        if "error" in sample and not unreadable:
            unreadable.append(sample)
    return unreadable, any_found


def _table(head: dict[str, Any], samples: list[dict[str, Any]], more: bool) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    table = Table(title=cell(f"{head['dataset']} at {head['url']}"), title_justify="left")
    for column in ("shard", "key", "members", "records", "media"):
        table.add_column(column, overflow="fold", justify="right" if column == "records" else "left")
    with_text = any("records" in sample or "error" in sample for sample in samples)
    if with_text:
        table.add_column("text", overflow="fold")
    for sample in samples:
        members = "\n".join(f".{member['ext']} {human_bytes(member['size'])}" for member in sample["members"])
        number = "?" if sample["num_records"] < 0 else str(sample["num_records"])
        cells = [sample["shard"], sample["key"], members, number, describe_facts(sample["facts"])]
        table.add_row(*(_lines(text) for text in cells), *([_lines(_text(sample))] if with_text else []))
    shown = f"{len(samples):,} of {head['num_samples']:,} samples"
    return Group(table, cell(f"{shown}; there are more that fit: --limit shows them" if more else shown))


def describe_facts(facts: dict[str, Any]) -> str:
    """Media facts in one line: "video h264 320x240, 3.0 s, 75 frames at 25 fps"."""
    if not facts["width"]:
        return "no media facts in the index"
    text = f"{facts['kind']} {facts['codec']} {facts['width']}x{facts['height']}"
    if facts["kind"] == "image":
        return text
    return f"{text}, {facts['duration']:.1f} s, {facts['num_frames']} frames at {facts['fps']:.4g} fps"


def _text(sample: dict[str, Any]) -> str:
    if "error" in sample:
        return f"cannot be read: {sample['error']}"
    shown = [_describe_record(record) for record in sample["records"][:_RECORDS_SHOWN]]
    more = len(sample["records"]) - len(shown)
    return "\n".join(printable(text, _TEXT_SHOWN) for text in shown) + (f"\n+ {more} more" if more else "")


def _describe_record(record: dict[str, Any]) -> str:
    """A text record in one line: the caption, or question and answer, or field by field."""
    if isinstance(record.get("caption"), str):
        return str(record["caption"])
    if isinstance(record.get("question"), str):
        answer = f" -> {record['answer']}" if "answer" in record else ""
        return f"{record['question']}{answer}"
    return ", ".join(f"{name}: {value}" for name, value in record.items())


def _lines(text: str) -> Any:
    """A cell of several lines; each of them is shown as `cell` does."""
    from rich.text import Text

    return Text("\n").join(cell(line) for line in text.split("\n"))
