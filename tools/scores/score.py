"""Score the samples of a dataset into a side table: `python -m tools score` as a function.

Promises: shards are read and never written; every sample has a row, in the order of the index; one that cannot be
decoded, or whose scorer fails, has nulls, is counted by stage and stands in OUT.quarantine.jsonl, which is an exclusion
list. A killed run goes on where it was and gives the same bytes; table and list appear whole or not at all. A scorer
that fails on every one of the first samples stops the run.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

from shards.base import ConversionError, Engine, threads
from shards.cli import Progress
from shards.dataset import NUM_EXAMPLES
from shards.read import Reader
from shards.storage import is_remote
from tools.rows import OptionError
from tools.scores.journal import Journal, difference, open_journal
from tools.scores.scorers import check_names
from tools.scores.side_table import Row, made_with, write_side_table
from tools.scores.values import ColumnKinds
from tools.scores.work import Chunk, Scored, Scoring, chunks_of, open_scoring

_TRIED = 128
"""Samples on all of which a scorer may fail before the run stops."""


@dataclass(slots=True, kw_only=True)
class ScoreReport:
    """The accounts of a run; num_rows = num_scored + num_failed."""

    name: str
    out: str
    num_rows: int = 0
    num_resumed: int = 0
    """Rows among num_rows that an earlier run had scored."""
    num_failed: int = 0
    """Samples that have nulls because of a failure."""
    failed: dict[str, int] = field(default_factory=dict)
    """Failures by stage: read, decode, or the name of the scorer; a sample may fail with several scorers."""
    examples: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    """Type by column."""
    seconds: float = 0.0
    finished_before: bool = False

    @property
    def num_scored(self) -> int:
        """Samples with all of their values."""
        return self.num_rows - self.num_failed

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "num_scored": self.num_scored}


def score(scoring: Scoring, out: str, *, engine: Engine | None = None, progress: Progress | None = None) -> ScoreReport:
    """Write the side table `out` (a local .parquet), or go on with it; one that is finished leaves nothing to do.

    engine: where samples are decoded and scored; None: two threads. Raises OptionError, ConversionError; DatasetError
    and SourceError of the dataset; OSError for the disk.
    """
    begin = time.monotonic()
    _check_out(out)
    check_names(scoring.names, scoring.checkpoint)
    open_scoring.cache_clear()  # what lies there may have changed since another run of this process
    reader, scorers = open_scoring(scoring)
    total = int(reader.index.shards.num_samples.sum())
    if not total:
        raise ConversionError(f"{reader.index.source.url}: holds no samples; there is nothing to score")
    side_of = {"dataset": str(reader.index.dataset["name"]), "fingerprint": reader.fingerprint}
    settings = {
        **side_of,
        "scorers": {scorer.name: scorer.settings for scorer in scorers},
        "frames": scoring.num_frames,
        "size": scoring.size,
    }
    report = ScoreReport(name=side_of["dataset"], out=out)
    if os.path.exists(out):
        _take_over_finished(report, settings)
    else:
        folder, name = os.path.split(os.path.abspath(out))
        with open_journal(os.path.join(folder, f".{name}.journal")) as journal:
            journal.go_on(settings)
            _work(report, scoring, reader, journal, total, engine or threads(2), progress)
            _publish(report, reader, journal, side_of, settings)
            os.unlink(journal.path)
    report.seconds = time.monotonic() - begin
    return report


def _check_out(out: str) -> None:
    if is_remote(out):
        raise OptionError(f"{out}: a side table is written to a local file; copy it to the store when it is finished")
    if not out.endswith(".parquet"):
        raise OptionError(f"{out}: the name should end with .parquet; give such a name")
    folder = os.path.dirname(os.path.abspath(out))
    if not os.path.isdir(folder):
        raise OptionError(f"{out}: there is no folder {folder}; make it first")


def _work(
    report: ScoreReport,
    scoring: Scoring,
    reader: Reader,
    journal: Journal,
    total: int,
    engine: Engine,
    progress: Progress | None,
) -> None:
    """Score all chunks that the journal does not have."""
    kinds, tried, failed = ColumnKinds(), 0, Counter[str]()
    report.num_resumed = sum(chunk.stop - chunk.first for chunk in chunks_of(reader.index) if chunk in journal)
    done = report.num_resumed
    if progress is not None:
        progress.update(0, total)
        progress.skip(done)
    missing: Iterator[Chunk] = (chunk for chunk in chunks_of(reader.index) if chunk not in journal)
    for scored in engine(scoring, missing):
        for key, values in scored.rows:
            kinds.note(values, key)
        journal.add(scored)
        done += len(scored.rows)
        failed.update(failure.stage for failure in scored.failures)
        if tried < _TRIED and not report.num_resumed:
            tried += len(scored.rows)
            _check_scorers(scored, failed, tried, journal)
        if progress is not None:
            progress.update(done, quarantined=failed)


def _check_scorers(scored: Scored, failed: Counter[str], tried: int, journal: Journal) -> None:
    """Raise ConversionError where a scorer fails on every one of the first samples, and begin anew next time."""
    for stage, count in failed.items():
        if count == tried >= _TRIED and stage not in ("read", "decode"):
            os.unlink(journal.path)
            reason = next((failure.reason for failure in scored.failures if failure.stage == stage), "")
            raise ConversionError(
                f"{stage}: fails on each of the first {tried} samples, the last time with: {reason}; correct it, and "
                "start again"
            )


def _publish(
    report: ScoreReport, reader: Reader, journal: Journal, side_of: dict[str, str], settings: dict[str, Any]
) -> None:
    """Write the list of failures and the table, and put both in their places."""
    kinds = ColumnKinds()
    folder, name = os.path.split(os.path.abspath(report.out))
    table_part, list_part = (os.path.join(folder, f".{name}.{what}") for what in ("part", "quarantine.part"))
    shards = reader.index.shards.names
    with open(list_part, "w", encoding="ascii") as lines:
        for scored in journal.chunks():
            report.num_rows += len(scored.rows)
            for key, values in scored.rows:
                kinds.note(values, key)
            for failure in scored.failures:
                key = scored.rows[failure.row - scored.chunk.first][0]
                where = {"dataset": report.name, "shard": shards[scored.chunk.shard], "key": key}
                lines.write(json.dumps({**where, "stage": failure.stage, "reason": failure.reason}) + "\n")
            report.num_failed += len({failure.row for failure in scored.failures})
            _count(report, scored, shards)
    expected = int(reader.index.shards.num_samples.sum())
    if report.num_rows != expected:
        raise ConversionError(f"{report.out}: {report.num_rows} of {expected} samples were scored; report a bug")
    if all(kind == "none" for kind in kinds.kinds.values()):
        os.unlink(list_part)
        os.unlink(journal.path)  # nothing in it is worth going on with
        first = " | ".join(report.examples[:3]) or "every value is None"
        raise ConversionError(f"{report.out}: no sample has a value, so nothing is written; the first: {first}")
    schema = kinds.schema()
    report.columns = {one.name: str(one.type) for one in schema if one.name in kinds.kinds}
    write_side_table(table_part, schema, _by_shard(journal, shards), side_of, settings)
    os.replace(list_part, f"{report.out}.quarantine.jsonl")
    os.replace(table_part, report.out)


def _count(report: ScoreReport, scored: Scored, shards: list[str]) -> None:
    for failure in scored.failures:
        report.failed[failure.stage] = report.failed.get(failure.stage, 0) + 1
        if len(report.examples) < NUM_EXAMPLES:
            key = scored.rows[failure.row - scored.chunk.first][0]
            report.examples.append(f"{shards[scored.chunk.shard]}:{key}: {failure.stage}: {failure.reason}")


def _by_shard(journal: Journal, shards: list[str]) -> Iterator[tuple[str, list[Row]]]:
    for shard, chunks in groupby(journal.chunks(), lambda scored: scored.chunk.shard):
        yield shards[shard], [row for scored in chunks for row in scored.rows]


def _take_over_finished(report: ScoreReport, settings: dict[str, Any]) -> None:
    """Fill in the accounts of a table that was finished before. Raises OptionError where it is another one."""
    import pyarrow.parquet as pq

    found, num_rows = made_with(report.out)
    if found != json.loads(json.dumps(settings)):
        raise OptionError(f"{report.out}: is there already and {difference(found, settings)}; choose another --out")
    schema = pq.read_schema(report.out)
    report.columns = {one.name: str(one.type) for one in schema if one.name not in ("shard", "key")}
    report.finished_before, report.num_rows, report.num_resumed = True, num_rows, num_rows
    bad = set()
    try:
        with open(f"{report.out}.quarantine.jsonl", encoding="ascii") as lines:
            for line in map(json.loads, lines):
                report.failed[line["stage"]] = report.failed.get(line["stage"], 0) + 1
                bad.add((line["shard"], line["key"]))
    except FileNotFoundError:
        pass  # the table is whole without it
    report.num_failed = len(bad)
