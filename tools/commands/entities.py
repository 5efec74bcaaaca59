"""`python -m tools entities --dataset A --out FILE`: the commonest nouns of captions; tools/entities/ does the work."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import typer

from shards.base import UsageError, find_wordnet, say
from shards.cli import (
    DEBUG_OPTION,
    JSON_OPTION,
    ROOTS_OPTION,
    emit,
    facts_table,
    one_line_errors,
    open_dataset,
    print_examples,
    show_progress,
)

ENTITIES_HELP = """Write the commonest nouns of the texts of datasets: the list of entities of ALPRO's entity prompting.

All English texts of all samples are read (captions, questions, answers), no media. A line of the list is a noun in the
singular and how often it occurs, the commonest first, as in ALPRO's unigrams.txt. Nouns are told by the tagged counts
of WordNet, which has to be installed; docs/alpro.md says how.

\b
Examples:
  python -m tools entities --dataset data/webvid/train --dataset data/cc3m/train --out data/entities.txt
  python -m tools entities --dataset s3://bucket/msrvtt/train --count 500 --out entities.txt

\b
Exit codes: 0 done, 1 an error, 2 wrong usage, also fewer nouns than --count, 3 a bug, 130 stopped.
"""
_SHOWN = 20
"""Nouns in the printed table."""


def entities(
    dataset: list[str] = typer.Option(metavar="PATH", help="Folder or URL of a dataset; repeatable."),
    out: Path = typer.Option(metavar="FILE", help="The list; an earlier one is replaced."),
    count: int = typer.Option(1000, min=1, help="Nouns in the list."),
    wordnet: str | None = typer.Option(
        None, metavar="FOLDER", help="WordNet's files.  [default: where wordnet-base puts them]"
    ),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Write the commonest nouns of the texts of datasets."""
    with one_line_errors(debug, "stopped; nothing was written"):
        from shards.base import WordForms
        from tools.entities.count import count_nouns, write_entities
        from tools.entities.nouns import Nouns

        if out.is_dir() or re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(out)):
            raise UsageError(f"--out {out}: the list is one local file; name it, such as entities.txt")
        opened = [open_dataset(path, "stats", root) for path in dataset]
        urls = [one.url.rstrip("/") for one in opened]
        if twice := next((url for url in urls if urls.count(url) > 1), None):
            raise UsageError(f"--dataset {twice}: is given twice, and its nouns would count twice; give it once")
        nouns = Nouns(WordForms(find_wordnet(wordnet, "the list of nouns", "--wordnet")))
        total = sum(int(one.index.shards.num_samples.sum()) for one in opened)
        with show_progress("entities", total, "samples") as progress:
            counts = count_nouns(opened, nouns, progress)
        chosen = counts.commonest(count)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_entities(out, chosen)
    facts = [
        ("samples", f"{counts.num_samples:,}"),
        ("samples without a text that can be read", f"{counts.num_unreadable:,}"),
        ("texts", f"{counts.num_texts:,}"),
        ("words", f"{counts.num_words:,}"),
        ("words that WordNet does not know", f"{counts.num_words - counts.num_english:,}"),
        ("different nouns", f"{len(counts.nouns):,}"),
        *((f"{number}. {noun}", f"{times:,}") for number, (noun, times) in enumerate(chosen[:_SHOWN], 1)),
    ]
    if count > _SHOWN:
        facts.append((f"{count:,}. {chosen[-1][0]}", f"{chosen[-1][1]:,}"))
    emit(
        {"out": str(out), **counts.to_dict(), "entities": dict(chosen)},
        as_json,
        facts_table(f"{count:,} nouns -> {out}", facts),
    )
    if not as_json:
        print_examples("samples without a text that can be read", counts.examples, counts.num_unreadable)
    if counts.is_foreign:
        known = f"{counts.num_english:,} of {counts.num_words:,}"
        say(f"warning: WordNet knows {known} words; where texts are not English, no nouns are found", sys.stderr)
