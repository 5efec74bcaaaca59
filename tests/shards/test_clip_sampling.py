"""Clip plans on real videos: through the loader the frames of the plan arrive, and times are those of the video."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.base.errors import DatasetError, MediaError
from shards.decode.cpu import decode
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.facts import KeyFrames, MediaFacts
from shards.media.probe import probe_table
from shards.media.videos.video import decode_packet, demux, open_video
from tests.shards.film_dataset import GOP, LENGTHS, TURN, TURNED, load, write_films

SIZE = 64


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, make_clip: Callable[..., bytes]) -> Path:
    return write_films(tmp_path_factory.mktemp("films"), make_clip)


@pytest.mark.parametrize(
    "config",
    [
        {"sampling": "uniform"},
        {"sampling": "random"},
        {"sampling": "headtail", "num_frames": 5},
        {"sampling": "segment"},
        {"sampling": "segment", "num_clips": 3},
        {"sampling": "fps", "fps": 5},
        {"sampling": "fps", "fps": 5, "num_clips": 2},
        {"sampling": "random", "snap": True},
        {"sampling": "fps", "fps": 5, "snap": True},
        {"sampling": "released_uniform"},
    ],
    ids=lambda config: "-".join(map(str, config.values())),
)
def test_the_planned_frames_come_out_of_the_loader(
    films: Path, read_number: Callable[[np.ndarray], int], config: dict[str, Any]
) -> None:
    clip = ClipConfig(**{"num_frames": 4, "size": SIZE, **config})
    num_frames = clip.num_frames * clip.num_clips
    one, again, other = load(films, clip), load(films, clip), load(films, clip, seed=1)
    for length in LENGTHS:
        plan, frames = one[str(length)]
        assert frames.shape == (num_frames, SIZE, SIZE, 3)
        stored = np.rot90(frames, TURN, (1, 2)) if length == TURNED else frames
        assert [read_number(frame) for frame in stored] == list(plan.frames), length
        assert plan == again[str(length)][0]
        if config.get("snap") and length > GOP:
            assert not any(number % GOP for number in plan.frames)
    assert (one["picture"][1] == one["picture"][1][0]).all()
    if config["sampling"] != "released_uniform":
        assert one["110"][0] != other["110"][0] or config["sampling"] == "uniform" or config.get("snap")
    # in evaluation whatever the seed says
    plans = [
        {name: plan for name, (plan, _) in load(films, clip.for_evaluation(), False, seed=seed).items()}
        for seed in (0, 1)
    ]
    assert plans[0] == plans[1]


def test_an_index_without_tables_cannot_be_snapped_to(
    tmp_path: Path, make_clip: Callable[..., bytes], build_dataset: Callable[..., str]
) -> None:
    folder = Path(build_dataset(tmp_path / "toy"))
    with pytest.raises(DatasetError, match="the index has no GOP tables"):
        load(folder, ClipConfig(num_frames=2, size=8, snap=True), True)


def test_sizes_are_those_of_the_upright_picture(films: Path) -> None:
    plan, frames = load(films, ClipConfig(num_frames=2, size=32, fit="center_crop"), False)["40"]
    assert plan.resize == (48, 32)  # stored as 64 high, 96 wide
    assert frames.shape == (2, 32, 32, 3)


# ---------------------------------------------------------------- the corpus


def facts_of(file: Path) -> tuple[bytes, MediaFacts]:
    """As they come out of an index, which holds times as float32."""
    data = file.read_bytes()
    facts, keys = probe_table(data, file.name)
    times = [float(np.float32(key.time)) for key in keys]
    table = KeyFrames([key.number for key in keys], times, [key.offset for key in keys])
    rounded = {name: float(np.float32(getattr(facts, name))) for name in ("fps", "duration", "start_time")}
    return data, replace(facts, **rounded, look_up_key_frames=lambda: table)


def shown_at(data: bytes) -> np.ndarray:
    """Seconds from the first frame on, of every frame."""
    with open_video(data) as (container, stream):
        times = [frame.time for packet in demux(container, stream) for frame in decode_packet(packet)]
    return np.array(times, float) - times[0]


def test_windows_by_time_keep_their_rate_on_videos_of_the_corpus(corpus: Path) -> None:
    with (corpus / "manifest.csv").open(encoding="utf-8") as lines:
        variable = [row["file"] for row in csv.DictReader(lines) if row["vfr"] == "1"]
    assert len(variable) >= 10
    for file in [*variable, "videos_odd/big_time_offset.mp4"]:
        data, facts = facts_of(corpus / file)
        times = shown_at(data)
        want, fps = 4, 8 / facts.duration  # half of the video
        config = ClipConfig(num_frames=want, size=8, sampling="fps_middle", fps=fps)
        plan = plan_clip(facts, config, np.random.default_rng(0))
        wanted = facts.duration / 4 + (np.arange(want) + 0.5) / fps
        ends = np.append(times[1:], facts.duration)
        off = [max(times[n] - t, t - ends[n], 0.0) for n, t in zip(plan.frames, wanted, strict=True)]
        # half of a mean frame; AVI says only when frames are decoded, which is not quite when they are shown
        assert max(off) <= (1 if file.endswith(".avi") else 0.52) * facts.duration / facts.num_frames, file


@pytest.mark.parametrize("folder", ["videos", "videos_odd"])
def test_whatever_is_planned_for_a_corpus_video_can_be_decoded(corpus: Path, folder: str) -> None:
    """Or it is refused as a whole; plans ask for no frame that the decoder has to miss."""
    files = sorted((corpus / folder).iterdir())
    samplings: list[dict[str, Any]] = [{"sampling": "segment"}, {"sampling": "fps", "fps": 4}, {"snap": True}]
    for number, file in enumerate(files if folder == "videos_odd" else files[::6]):
        try:
            data, facts = facts_of(file)
        except MediaError:
            continue
        config = ClipConfig(num_frames=3, size=16, **samplings[number % 3])
        try:
            plan = plan_clip(facts, config, np.random.default_rng(number))
            assert decode(data, facts.kind, plan).shape == (3, 16, 16, 3)
        except MediaError as error:
            assert folder == "videos_odd", (file, error)
