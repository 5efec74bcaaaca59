"""Frames of predictions are read by origin; what cannot be read is left out with a warning."""

from __future__ import annotations

import base64
import io
import logging
from pathlib import Path

import pytest
from PIL import Image

from mcg.report.frames import strips
from shards.dataset.writing.writer import DatasetWriter
from shards.media.probe import probe
from tools.datasets import shapes
from tools.rows import Row


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder with five clips in shards of two, and their origins."""
    folder, origins = tmp_path_factory.mktemp("shapes"), []
    with DatasetWriter(str(folder), "shapes", samples_per_shard=2) as writer:
        for number, row in enumerate(shapes.rows("test", 5)):
            assert isinstance(row, Row) and row.media is not None
            writer.write(row.key, row.media, row.ext, list(row.records), row.meta, probe(row.media, "clip.mp4"))
            origins.append(f"named-otherwise/{number // 2:06d}.tar:{row.key}")
    return folder, origins


def test_six_frames_of_each_origin_stand_side_by_side(dataset: tuple[Path, list[str]]) -> None:
    folder, origins = dataset
    found = strips({"named-otherwise": str(folder)}, [origins[4], origins[1], "unknown/000000.tar:x"])
    assert set(found) == {origins[1], origins[4]}
    pictures = [Image.open(io.BytesIO(base64.b64decode(found[origin]))) for origin in sorted(found)]
    assert [picture.size for picture in pictures] == [(6 * 96, 96)] * 2
    assert pictures[0].tobytes() != pictures[1].tobytes()


def test_a_dataset_that_is_gone_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert strips({"gone": str(tmp_path / "gone")}, ["gone/000000.tar:a"]) == {}
    assert caplog.text.count("no frames of gone are shown: ") == 1


def test_a_sample_that_cannot_be_read_takes_no_other_with_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with DatasetWriter(str(tmp_path), "shapes") as writer:
        for number, row in enumerate(shapes.rows("test", 3)):
            assert isinstance(row, Row) and row.media is not None
            media = b"no video" if number == 1 else row.media
            writer.write(f"{number}", media, row.ext, list(row.records), row.meta, probe(row.media, "clip.mp4"))
    with caplog.at_level(logging.WARNING):
        found = strips({"s": str(tmp_path)}, [f"s/000000.tar:{number}" for number in range(3)])
    assert set(found) == {"s/000000.tar:0", "s/000000.tar:2"}
    assert "no frames of s/000000.tar:1 are shown: " in caplog.text
