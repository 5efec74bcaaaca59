"""Find the media of some datasets that show the same, and write what is to be done: `python -m tools duplicates`.

Promises: OUT/pairs.parquet has every pair that was found; OUT/exclude.jsonl names all media of each group but the one
that is kept (the first of those with the largest frames), and loaders honour it; OUT/report.html shows the
pairs. Looks are made once for a dataset (tools/duplicates/side_table.py), a killed run goes on.
Gives up: a part that was cut out of a longer video, changed colours, turned pictures; two that are joined only over a
third are in one group all the same.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shards.base import Engine
from shards.cli import show_progress
from shards.read import Origin, Reader
from tools.duplicates.candidates import JoinCounts
from tools.duplicates.catalogue import Catalogue
from tools.duplicates.groups import best_of, equal_content, groups_of
from tools.duplicates.hashing import check_installed
from tools.duplicates.numbering import Numbering
from tools.duplicates.pairs import CONTENT, Pair, near_pairs, write_exclusions, write_pairs
from tools.duplicates.places import make_out, open_places
from tools.duplicates.report import Report, write_report
from tools.duplicates.side_table import Place, make_side_table

PAIRS_FILE, EXCLUDE_FILE, REPORT_FILE, HASHES_FOLDER = "pairs.parquet", "exclude.jsonl", "report.html", "hashes"


@dataclass(slots=True)
class Found:
    """What a search found."""

    out: str
    datasets: dict[str, int] = field(default_factory=dict)
    """Samples by dataset."""
    pairs: dict[str, int] = field(default_factory=dict)
    """Pairs by kind."""
    groups: int = 0
    excluded: int = 0
    not_looked_at: dict[str, int] = field(default_factory=dict)
    """Media that were not compared, by stage: read, decode, flat."""
    examples: list[str] = field(default_factory=list)
    bounded: dict[str, int] = field(default_factory=dict)
    """What the bounds of the join left out: hashes that too many share, lookups, candidates."""
    between: dict[str, dict[str, int]] = field(default_factory=dict)
    """Pairs by kind for each two datasets."""
    pages: int = 0
    seconds: float = 0.0

    def count(self, pairs: Sequence[Pair], origins: Mapping[int, Origin]) -> None:
        """Count pairs by kind, and by dataset."""
        self.pairs = dict(Counter(pair.kind for pair in pairs))
        for pair in pairs:
            kinds = self.between.setdefault(f"{origins[pair.a].dataset} and {origins[pair.b].dataset}", {})
            kinds[pair.kind] = kinds.get(pair.kind, 0) + 1

    def count_lost(self, catalogue: Catalogue, counts: JoinCounts) -> None:
        """Count what was not compared."""
        failures, self.examples = catalogue.failures()
        self.not_looked_at = dict(failures)
        self.bounded = {"hashes": counts.common, "lookups": counts.cut.lookups, "candidates": counts.capped}

    def to_dict(self) -> dict[str, Any]:
        """All of it for JSON."""
        return asdict(self)


def find_duplicates(
    datasets: Sequence[str],
    out: Path,
    *,
    engine: Engine,
    hashes: Path | None = None,
    roots: Sequence[str] = (),
    shown: int = 500,
) -> Found:
    """Compare all media of `datasets` (PATH or NAME=PATH) with each other, and write the files into `out`.

    engine: where media are looked at. hashes: folder of side tables, None: out/hashes. shown: pairs on the pages.
    Raises OptionError, DatasetError, SourceError, OSError.
    """
    begin = time.monotonic()
    make_out(out)
    opened = open_places(datasets, roots)
    catalogue = look_at_all(opened, hashes or out / HASHES_FOLDER, engine)
    found, counts = Found(str(out)), JoinCounts()
    equal, is_first = equal_content(catalogue.size, catalogue.checksum, catalogue.size >= 0)
    pairs = [Pair(a, b, CONTENT) for a, b in equal.tolist()]
    chosen = is_first & catalogue.has_look
    with show_progress("compare", None, "pairs") as progress:
        pairs += near_pairs(catalogue, [(chosen, chosen)], counts, progress)
    groups = groups_of((pair.a, pair.b) for pair in pairs)
    group_of = {member: number for number, group in enumerate(groups) for member in group}
    numbering = Numbering(opened.values())
    origins = numbering.origins(group_of)
    write_pairs(out / PAIRS_FILE, pairs, group_of, origins)
    kept = [best_of(group, catalogue.pixels) for group in groups]
    left_out = (
        (origins[member], f"duplicate of {origins[best]}", {"kept": str(origins[best])})
        for group, best in zip(groups, kept, strict=True)
        for member in group
        if member != best
    )
    found.excluded = write_exclusions(out / EXCLUDE_FILE, left_out)
    found.groups = len(groups)
    found.datasets = {str(place.name): int(reader.index.shards.num_samples.sum()) for place, reader in opened.items()}
    found.count(pairs, origins)
    found.count_lost(catalogue, counts)
    report = Report("Duplicates", found.to_dict(), {number: "kept" for number in kept})
    found.pages = write_report(out / REPORT_FILE, report, pairs, origins, numbering, shown)
    found.seconds = time.monotonic() - begin
    return found


def look_at_all(opened: Mapping[Place, Reader], folder: Path, engine: Engine) -> Catalogue:
    """The catalogue of some datasets, their media looked at now unless they were before."""
    check_installed()
    folder.mkdir(parents=True, exist_ok=True)
    tables = []
    for place, reader in opened.items():
        total = int(reader.index.shards.num_samples.sum())
        with show_progress(f"look at {place.name}", total, "samples") as progress:
            tables.append((place, make_side_table(place, reader, folder, engine, progress)))
    return Catalogue(tables)
