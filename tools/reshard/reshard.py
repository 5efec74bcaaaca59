"""Rearrange datasets of shards: `python -m tools reshard SOURCE... --out OUT` as a function.

Promises: members are copied byte for byte under their names (with --prefix put before them); what the indexes say of
samples comes along, and nothing is decoded but what an index does not know (copied.py). Each sample of the sources is
written, quarantined or left out (by where, exclude or a split), and the three are counted and compared with what the
sources hold. The promises of tools/building/conversion.py hold for each output. The provenance holds that of each
source; a run with other sources or settings does not go on in the same place.
Gives up: what the sources quarantined is not copied, and only its number is told.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from shards.base import AccountingError, ConversionError, Engine, shown, threads
from shards.cli import Progress, num_cores
from shards.dataset import Report
from shards.storage import below
from tools.building.conversion import convert_dataset
from tools.reshard.copied import copied, write
from tools.reshard.order import Share, check_keys, count, places
from tools.reshard.source import PrefixBy, Source, open_sources
from tools.reshard.without_index import finished, take_index_away


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The settings that decide what comes out."""

    samples_per_shard: int = 1000
    bytes_per_shard: int = 1 << 30
    seed: int | None = None
    """Order by a hash of (seed, key); None: the order of the sources."""
    where: str | None = None
    exclude: tuple[str, ...] = ()
    prefix_by: PrefixBy | None = None
    with_index: bool = True
    """False: tars alone."""


@dataclass(slots=True, kw_only=True)
class ReshardReport(Report):
    """The accounts of all outputs together; num_rows are the samples that were not left out."""

    num_in: int = 0
    """Samples of the sources."""
    num_left_out: int = 0
    """By where, exclude, or because they are in no split."""
    num_quarantined_before: int = 0
    """Samples that the sources' own making left out."""
    sources: list[str] = field(default_factory=list)
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Split -> the report of its dataset."""


def reshard(
    urls: Sequence[str],
    out: str,
    arrangement: Arrangement = Arrangement(),
    splits: Mapping[str, Share] | None = None,
    *,
    name: str | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
    roots: Sequence[str] = (),
) -> ReshardReport:
    """Write the samples of datasets (folders or URLs) to `out`, or go on with a run that was killed.

    splits: each goes to a folder of its own in `out`. name: of the new dataset (None: those of the sources, joined); a
    split's name is added. engine: where samples are read, None: a thread for each core. roots: where shards may lie
    beside the sources (shards/storage/roots.py).
    Raises WrongPlace for sources that do not go together; ConversionError; DatasetError, SourceError, WriteError.
    """
    begin = time.monotonic()
    sources = open_sources(urls, arrangement.where, arrangement.exclude, arrangement.prefix_by, roots)
    check_keys(sources)
    wanted = {} if splits is None else dict(splits)
    shares: dict[str, Share | None] = {**wanted} if wanted else {"": None}
    name = name or "+".join(dict.fromkeys(source.name for source in sources))
    report = ReshardReport(name=name, out=out, sources=[shown(url) for url in urls])
    report.num_in = sum(source.num_samples for source in sources)
    report.num_quarantined_before = sum(source.num_quarantined for source in sources)
    sizes = {split: _size(sources, share) for split, share in shares.items()}
    for split, size in sizes.items():
        if not size:
            what = f"split {split}: holds no sample" if split else "hold no sample"
            raise ConversionError(f"{', '.join(report.sources)}: {what}; give other sources, fractions or conditions")
    if progress is not None:
        progress.update(0, sum(sizes.values()))
    for split, share in shares.items():
        one = Report(name=f"{name}-{split}" if split else name, out=below(out, split) if split else out)
        provenance = _provenance(sources, arrangement, splits=wanted, split=split)
        _write(one, sources, arrangement, share, provenance, engine or threads(num_cores()), progress)
        one.check({"the indexes of the sources hold": sizes[split]})
        _add(report, one)
        if split:
            report.splits[split] = one.to_dict()
    report.num_left_out = report.num_in - report.num_rows
    _check(report, sources, sum(sizes.values()), is_split=bool(wanted))
    report.seconds = time.monotonic() - begin
    return report


def _size(sources: Sequence[Source], share: Share | None) -> int:
    return sum(source.num_taken for source in sources) if share is None else count(sources, share)


def _write(
    report: Report,
    sources: Sequence[Source],
    arrangement: Arrangement,
    share: Share | None,
    provenance: dict[str, Any],
    engine: Engine,
    progress: Progress | None,
) -> None:
    """Write one dataset."""
    if not arrangement.with_index and (before := finished(report.out, provenance)) is not None:
        for field_name in asdict(report).keys() & before.keys():
            setattr(report, field_name, before[field_name])
        report.finished_before = True
    else:
        index = sources[0].index
        convert_dataset(
            report,
            ", ".join(source.url for source in sources),
            places(sources, share, arrangement.seed),
            partial(copied, sources),
            write,
            engine=engine,
            samples_per_shard=arrangement.samples_per_shard,
            max_shard_bytes=arrangement.bytes_per_shard,
            provenance=provenance,
            licence=_licence(sources),
            rules=index.rules if "members" in index.dataset else None,
            place=lambda place: f"{place.shard}:{place.row.key}",
            progress=progress,
        )
    if not arrangement.with_index:
        take_index_away(report.out, provenance, report.to_dict())


def _licence(sources: Sequence[Source]) -> str | None:
    """The notes of the sources about terms of use, each once."""
    notes = dict.fromkeys(str(note) for source in sources if (note := source.index.dataset.get("licence")))
    return "; ".join(notes) or None


def _provenance(
    sources: Sequence[Source], arrangement: Arrangement, splits: Mapping[str, Share], split: str
) -> dict[str, Any]:
    """What dataset.json says of the sources and settings; exclusion lists are told by the samples that they leave."""
    settings = {name: value for name, value in asdict(arrangement).items() if name != "exclude"}
    shares = {name: list(share) for name, share in splits.items()}
    chosen = {"split": split, "splits": shares} if split else {}
    return {
        "tool": "tools reshard",
        **settings,
        **chosen,
        "sources": [source.provenance() for source in sources],
    }


def _add(report: ReshardReport, one: Report) -> None:
    """Add the accounts of one output."""
    for number in ("num_rows", "num_resumed", "num_samples", "num_records", "num_quarantined", "num_shards", "bytes"):
        setattr(report, number, getattr(report, number) + getattr(one, number))
    for kind, times in one.quarantined.items():
        report.quarantined[kind] = report.quarantined.get(kind, 0) + times
    report.examples += one.examples
    is_first = report.num_rows == one.num_rows
    report.finished_before = one.finished_before and (is_first or report.finished_before)


def _check(report: ReshardReport, sources: Sequence[Source], num_wanted: int, is_split: bool) -> None:
    """Compare the accounts with the sources. Raises AccountingError."""
    left_by_conditions = sum(source.num_samples - source.num_taken for source in sources)
    fits = report.num_left_out == left_by_conditions if not is_split else report.num_left_out >= left_by_conditions
    written = report.num_samples + report.num_quarantined
    if report.num_rows != num_wanted or written + report.num_left_out != report.num_in or not fits:
        raise AccountingError(
            f"{report.out}: {report.num_in} samples came in, {report.num_samples} were written, "
            f"{report.num_quarantined} quarantined, {report.num_left_out} left out; do not use what is there, report "
            "a bug"
        )
