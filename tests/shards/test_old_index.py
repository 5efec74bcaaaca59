"""An index that 2bab904 wrote, before an index named rules for members: what it says now is what it said then.

index_of_2bab904/ has two tars, their index as `shards index --media` of that commit wrote it, and in expected.json the
fingerprint, every element, and the first 24 places of the order, as that commit gave them. One sample has two media,
one a list of captions, one no caption at all.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from shards.cli.app import app
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.members.rules import UNWRITTEN
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.feed import open_feed
from shards.read.reader import Reader

FOLDER = Path(__file__).parent / "index_of_2bab904"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


def test_it_reads_the_same() -> None:
    reader = Reader("old", str(FOLDER))
    assert reader.fingerprint == EXPECTED["fingerprint"] and reader.rules == UNWRITTEN
    found = []
    for shard in range(2):
        for element in range(int(reader.counts[shard])):
            sample = reader.read(shard, element, np.random.default_rng(0))
            facts = sample.facts
            place = [sample.origin.key, sample.record, sample.meta]
            found.append([*place, len(sample.media), facts.kind, facts.num_frames])
    assert found == EXPECTED["elements"]


def test_its_order_is_the_same() -> None:
    dataset = DatasetConfig(name="old", path=str(FOLDER))
    feed = open_feed(dataset, LoaderConfig(blend=(dataset,), batch_size=2, streams=2))
    at = feed.order.at(np.arange(len(EXPECTED["order"])))
    assert [list(place) for place in zip(at.shard.tolist(), at.row.tolist(), strict=True)] == EXPECTED["order"]


def test_the_verbs_take_it(tmp_path: Path) -> None:
    for options in (["verify"], ["ls", "--records"], ["stats"]):
        assert CliRunner().invoke(app, [*options, str(FOLDER)]).exit_code == 0, options
    # A new index has rules, by which a list is several captions and what has no text is named.
    shutil.copytree(FOLDER, tmp_path / "new")
    report = index_tars(str(tmp_path / "new"))
    assert (report.num_scanned, report.num_samples, report.num_records, report.num_quarantined) == (2, 12, 16, 2)
