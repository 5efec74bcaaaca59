"""A small dataset of shards, and what the command makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shards.dataset.writing.writer import DatasetWriter
from shards.media.facts import MediaFacts
from shards.media.probe import probe
from tests.tools.commands.command_line import invoke

ROOT = Path(__file__).resolve().parents[3]
BROKEN = MediaFacts("video", "h264", 320, 180, 50, 25.0, 2.0)
SIZE = ["--num-frames", "6", "--short-side", "96"]


def write_shards(folder: Path) -> Path:
    """Four videos of samples/, a picture, and a video that cannot be decoded, in shards of 2."""
    picture = sorted((ROOT / "samples/images").glob("*.jpg"))[0]
    with DatasetWriter(folder, "toy", samples_per_shard=2) as writer:
        for number, path in enumerate([*smallest_videos(), picture]):
            media, ext = path.read_bytes(), path.suffix[1:]
            records = [{"caption": f"{number}-{record}"} for record in range(1 + number % 2)]
            writer.write(f"v{number}", media, ext, records, {"number": number}, probe(media, path.name))
        writer.write("bad", b"no video", "mp4", [{"caption": "x"}], {}, BROKEN)
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("shards") / "toy")


def smallest_videos() -> list[Path]:
    return sorted((ROOT / "samples/videos").iterdir(), key=lambda path: path.stat().st_size)[:4]


@pytest.fixture(scope="module", params=["raw", "jpg"])
def exported(request: pytest.FixtureRequest, shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / f"{request.param}.beton"
    result = invoke("export-ffcv", shards, out, *SIZE, "--mode", request.param, "--json", "--max-quarantined", "1")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["num_rows"], report["num_samples"], report["num_quarantined"]) == (6, 5, 1)
    assert (report["num_records"], report["frames"], report["quarantined"]) == (7, 25, {"decode": 1})
    assert report["bytes"] == out.stat().st_size
    return out
