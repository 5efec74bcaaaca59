"""A dataset of long videos becomes one of clips: samples, texts, quarantine; kills do not change a byte."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.base.engines import threads
from shards.base.errors import ConversionError, DatasetError
from shards.base.ray_engine import ray_cluster
from shards.dataset.writing.writer import DatasetWriter
from shards.media.probe import probe
from shards.read.reader import Reader
from shards.read.sample import Sample
from tests.tools.building.test_build import files, quarantine
from tests.tools.media.scenes import video
from tests.tools.scenes.joined import CLIPS, joined
from tests.tools.watching import watch
from tools.media.profiles import VideoProfile
from tools.scenes import dataset as module
from tools.scenes.dataset import cut_dataset
from tools.scenes.video import Cutting

ROOT = Path(__file__).resolve().parents[3]
SMALL = Cutting(profile=VideoProfile(short_side=32, gop=4))


def write_films(folder: Path) -> Path:
    """A film with one caption, one with segments, a picture, a broken video, a video of one scene; in shards of 2."""
    segments = [
        {"caption": "dunes", "start": 0.0, "end": 1.5},
        {"caption": "grass, then a race", "start": 2.0, "end": 3.0},
    ]
    picture = (ROOT / "samples/images/sk_rocket.png").read_bytes()
    film, short = joined(), joined(CLIPS[:3])
    media: list[tuple[str, bytes, str, list[dict[str, Any]]]] = [
        ("film", film, "mp4", [{"caption": "five clips"}]),
        ("told", short, "mp4", segments),
        ("rocket", picture, "png", [{"caption": "a rocket"}]),
        ("broken", b"no video", "mp4", [{"caption": "nothing"}]),
        ("one", video(30), "mp4", [{"caption": "one scene"}, {"question": "what?", "answer": "a bar"}]),
    ]
    with DatasetWriter(folder, "films", samples_per_shard=2) as writer:
        for key, data, ext, records in media:
            facts = probe(short if key == "broken" else data, f"x.{ext}")
            writer.write(key, data, ext, records, {"id": key.upper()}, facts)
    return folder


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_films(tmp_path_factory.mktemp("films") / "films")


def samples_of(folder: Path) -> list[Sample]:
    reader = Reader(None, str(folder), "sample")
    counts = reader.index.shards.num_samples.tolist()
    return [
        reader.read(shard, row, np.random.default_rng(0)) for shard, count in enumerate(counts) for row in range(count)
    ]


def test_every_scene_is_a_sample_with_parent_times_and_texts(films: Path, tmp_path: Path) -> None:
    report = cut_dataset(str(films), str(tmp_path / "out"), SMALL, samples_per_shard=3)
    assert (report.num_rows, report.num_samples, report.num_quarantined) == (11, 8, 3)
    assert report.quarantined == {"unusable media": 2, "no usable text": 1} and report.name == "films_clips"
    found = samples_of(tmp_path / "out")
    assert [sample.origin.key for sample in found] == [
        *(f"film-{number:04d}" for number in range(5)),
        *("told-0000", "told-0001", "one-0000"),
    ]
    second = found[1]
    assert second.meta == {"id": "FILM", "parent": "film", "number": 1, "start": 1.6, "end": 3.2}
    assert second.record == {"caption": "five clips"} and second.facts.num_frames == 40
    assert [sample.record for sample in found[5:7]] == [
        {"caption": "dunes", "start": 0.0, "end": 1.5},
        {"caption": "grass, then a race", "start": 0.4, "end": 1.4},
    ]
    reasons = [line["reason"] for line in quarantine(tmp_path / "out")]
    assert [reason.split(":")[0] for reason in reasons] == ["no usable text", "unusable media", "unusable media"]
    assert "000000.tar told: no text of the video lies in its clip 2 (3.2 to 4.8 s)" in reasons[0]
    assert any("only videos have scenes" in reason for reason in reasons)
    said = json.loads((tmp_path / "out/dataset.json").read_text())["provenance"]
    assert said["tool"] == "tools scenes" and said["cutting"]["detector"] == "adaptive"
    again = cut_dataset(str(films), str(tmp_path / "out"), SMALL, samples_per_shard=3)
    assert again.finished_before and again.num_samples == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    with pytest.raises(DatasetError, match=r"cutting\.min_seconds = 1\.0, this one has 2"):
        cut_dataset(str(films), str(tmp_path / "out"), Cutting(least=2, profile=SMALL.profile), samples_per_shard=3)


@pytest.mark.long  # a cluster of its own
def test_a_ray_cluster_gives_the_same_bytes(films: Path, tmp_path: Path, ray_address: str) -> None:
    cut_dataset(str(films), str(tmp_path / "a"), SMALL, samples_per_shard=3, engine=threads(1))
    with ray_cluster(ray_address) as engine:
        cut_dataset(str(films), str(tmp_path / "b"), SMALL, samples_per_shard=3, engine=engine)
    assert files(tmp_path / "a") == files(tmp_path / "b")


KILLED = """
import os, signal, sys
sys.path.insert(0, {root!r})
from shards.base.engines import threads
from tests.tools.scenes.test_dataset import SMALL, cut_dataset
from tests.tools.watching import watch
def look(done, bad):
    if done >= {stop}:
        os.kill(os.getpid(), signal.SIGKILL)
cut_dataset({films!r}, {out!r}, SMALL, samples_per_shard=2, engine=threads(2), progress=watch(look))
"""


@pytest.mark.long  # processes of their own
def test_a_run_that_is_killed_cuts_no_finished_video_again_and_gives_the_same_bytes(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_dataset(str(films), str(tmp_path / "whole"), SMALL, samples_per_shard=2, engine=threads(1))
    for stop in (7,):
        script = KILLED.format(root=str(ROOT), films=str(films), out=str(tmp_path / "out"), stop=stop)
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=250)
        assert done.returncode == -signal.SIGKILL, done.stderr
    with open(tmp_path / ".out.scenes", "a") as notes:
        notes.write("[2, 0")
    cut: list[int] = []
    original = module.cut_video
    monkeypatch.setattr(module, "cut_video", lambda data, *more: (cut.append(len(data)), original(data, *more))[1])
    report = cut_dataset(str(films), str(tmp_path / "out"), SMALL, samples_per_shard=2)
    assert report.num_resumed >= 6 and len(joined()) not in cut
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.parametrize("notes", ["kept", "lost"])
def test_a_run_that_was_stopped_goes_on_also_without_its_notes(films: Path, tmp_path: Path, notes: str) -> None:
    def stop(done: int, bad: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    quick = Cutting(cut="copy")
    cut_dataset(str(films), str(tmp_path / "whole"), quick, samples_per_shard=2, engine=threads(1))
    with pytest.raises(KeyboardInterrupt):
        cut_dataset(str(films), str(tmp_path / "out"), quick, samples_per_shard=2, progress=watch(stop))
    if notes == "lost":
        (tmp_path / ".out.scenes").unlink()
    report = cut_dataset(str(films), str(tmp_path / "out"), quick, samples_per_shard=2)
    assert report.num_resumed > 1 and files(tmp_path / "out") == files(tmp_path / "whole")


def test_an_empty_dataset_is_told(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "none", "none"):
        pass
    with pytest.raises(ConversionError, match="holds no samples; there is nothing to cut"):
        cut_dataset(str(tmp_path / "none"), str(tmp_path / "out"), SMALL)
