"""Figures by the columns of an index are those of its samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shards.cli import open_dataset
from tools.report.columns import scan


def test_figures_are_those_of_the_samples(clips: Path) -> None:
    index = open_dataset(str(clips)).index
    seen: list[int] = []
    figures = scan(index, lambda table, sizes: seen.extend(sizes.tolist()))
    rows = index.rows(0)
    facts = [rows.facts(row) for row in range(4)]
    assert figures.num_samples == 4 and figures.without_facts == 0
    assert seen == [sum(member.size for member in rows.members(row)) for row in range(4)]
    assert figures.bytes.total == sum(seen)
    assert np.isclose(figures.duration.total, sum(fact.duration for fact in facts))
    assert dict(figures.resolution.commonest(9)) == {"640x360": 4}
    assert sum(dict(figures.media.commonest(9)).values()) == 4


def test_pictures_have_no_duration(many: Path) -> None:
    figures = scan(open_dataset(str(many)).index, lambda table, sizes: None)
    assert figures.num_samples == 60 and figures.duration.count == 0 and figures.fps.total == 0
    assert figures.num_records.total == 120 and figures.media.commonest(1) == [("image png", 60)]
