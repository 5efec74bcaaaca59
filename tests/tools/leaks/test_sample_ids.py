"""Ids of the samples of datasets of shards."""

from __future__ import annotations

from pathlib import Path

from tests.tools.duplicates.conftest import BROKEN_FACTS_OF, write
from tools.duplicates.side_table import Place, open_reader
from tools.leaks.ids import read_id
from tools.leaks.sample_ids import family_of_dataset, sample_ids


def test_keys_and_ids_of_the_json_are_taken(tmp_path: Path) -> None:
    media = {"video7": BROKEN_FACTS_OF, "x": BROKEN_FACTS_OF}
    folder = write(tmp_path / "msrvtt", media, ids={"x": "video9.mp4"})
    reader = open_reader(Place(None, str(folder)))
    assert family_of_dataset(reader) == "msrvtt"
    found = dict(sample_ids(reader, None))
    assert found[0] == {read_id("7", "msrvtt")}
    assert found[1] == {read_id("x", "msrvtt"), read_id("video9", "msrvtt")}
