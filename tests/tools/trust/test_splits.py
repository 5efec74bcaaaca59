"""Splits that share an id or a medium are found, whatever the keys say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from shards.cli import Dataset, open_dataset
from shards.dataset import DatasetWriter
from shards.media import MediaFacts
from tools.trust.splits import overlaps

FACTS = MediaFacts("image", "png", 4, 4, 1)


def dataset(folder: Path, media: dict[str, bytes], name: str = "set") -> Dataset:
    with DatasetWriter(folder, name, samples_per_shard=2) as writer:
        for key, medium in media.items():
            writer.write(key, medium, "png", [{"caption": key}], {}, FACTS)
    return open_dataset(str(folder))


def test_disjoint_splits_share_nothing(train: Dataset, questions: Path) -> None:
    (found,) = overlaps([train, open_dataset(str(questions / "val"))])
    assert (found.ids, found.contents, found.num_problems) == (0, 0, 0)


def test_ids_and_media_are_compared_over_shards(tmp_path: Path) -> None:
    one = dataset(tmp_path / "a", {"k1": b"one", "k2": b"two", "k3": b"three"})
    two = dataset(tmp_path / "b", {"k3": b"else", "other": b"three", "k9": b"nine"})
    (found,) = overlaps([one, two])
    assert (found.ids, found.contents, found.unconfirmed) == (1, 1, 0)
    assert found.id_examples == ["000001.tar:k3 and 000000.tar:k3"]
    assert found.content_examples == ["000001.tar:k3 and 000000.tar:other"]


def test_ids_of_other_sets_mean_nothing(tmp_path: Path) -> None:
    one, two = dataset(tmp_path / "a", {"7": b"a"}, "webvid"), dataset(tmp_path / "b", {"7": b"b"}, "cc3m")
    assert overlaps([one, two])[0].ids is None


def test_media_of_a_lost_shard_are_told_as_not_confirmed(tmp_path: Path) -> None:
    one, two = dataset(tmp_path / "a", {"1": b"same"}), dataset(tmp_path / "b", {"2": b"same"})
    (tmp_path / "b/000000.tar").unlink()
    (found,) = overlaps([one, two])
    assert (found.contents, found.unconfirmed) == (1, 1)


def test_three_splits_are_compared_pair_by_pair(tmp_path: Path) -> None:
    parts = [dataset(tmp_path / name, {name: name.encode()}) for name in "abc"]
    assert [found.num_problems for found in overlaps(parts)] == [0, 0, 0]
    assert overlaps(parts[:1]) == []
    shutil.copytree(tmp_path / "a", tmp_path / "d")
    about = json.loads((tmp_path / "d/dataset.json").read_text())
    (tmp_path / "d/dataset.json").write_text(json.dumps({**about, "name": "again"}))
    assert overlaps([parts[0], open_dataset(str(tmp_path / "d"))])[0].contents == 1
