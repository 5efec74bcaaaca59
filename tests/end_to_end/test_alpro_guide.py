"""docs/alpro.md is true: its commands work as written, from published files over the corpus to scores and a search.

The shards are made by the commands of docs/datasets.md. Only sizes are changed, by what is added to a command: a tiny
model, few steps, few rows.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.small_runs import lines
from tests.end_to_end.whole_page import Done, config_of, run_page, shrunk, write_captioned
from tests.guide import commands
from tests.small_configs import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
GUIDE = commands((ROOT / "docs" / "alpro.md").read_text())
FEW = {"train": 6, "train_7k": 6, "val": 4, "test": 11, "test_1k": 11}
"""Rows of a split that are built: of a test split more than a query shows."""
RANKINGS = {"evaluation/test": "matching", "rerank": "rerank", "contrast": "contrast"}
"""Folder of the scores of ft_msrvtt_ret -> their ranking."""


def _more(words: list[str]) -> list[str]:
    """What makes a command small."""
    if words[:3] == ["-m", "tools", "entities"]:
        return ["--count", "6"]
    if "--config" not in words:
        return []
    config = config_of(words)
    more = shrunk(words, num_frames=4 if "/ft_" in config.run_dir else 2)
    if config.objectives.entity_prompting is not None:
        more.append("objectives.entity_prompting.min_confidence=0.1")  # a prompter of two steps is sure of nothing
    if config.task.name == "retrieval":
        more.append("task.rerank_depth=3")
    return more


@pytest.fixture(scope="module")
def done(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """All commands of the page, one after the other."""
    folder = tmp_path_factory.mktemp("alpro")
    write_captioned(corpus, folder / "raw")
    (folder / "raw/unigrams.txt").write_text((ROOT / "tests/mcg/entities.txt").read_text())
    (folder / "clips").mkdir()
    for clip in ("woman_black.mp4", "india_statue.mp4", "bbb_bird.mp4"):
        (folder / "clips" / clip).symlink_to(corpus / "videos" / clip)
    yield run_page(GUIDE, folder, FEW, _more)


def _check_scores(scores: dict[str, Any], ranking: str) -> None:
    assert scores["ranking"] == ranking and scores["num_failed"] == 0
    for direction in ("text_to_video", "video_to_text"):
        table = scores[direction]
        both = [table] if ranking == "contrast" else [table, table["by_contrast"]]
        for of in both:
            assert {"R1", "R5", "R10", "median_place", "mean_place", "by_mean_place", "intervals"} <= set(of)
            assert all(low <= of[name] <= high for name, (low, high) in of["intervals"].items())
            assert set(of["intervals"]) == {"R1", "R5", "R10"}


def test_all_commands_work_in_their_order(done: Done) -> None:
    for run in ("pt_prompter", "pt", "ft_msrvtt_ret", "ft_didemo_ret"):
        assert len(list((done.folder / "runs/alpro" / run / "checkpoints").iterdir())) >= 1, run


def test_pre_training_took_its_prompter_and_the_entities_of_the_list(done: Done) -> None:
    runs = done.folder / "runs/alpro"
    (prompter,) = runs.glob("pt_prompter/checkpoints/step-*/model.safetensors")
    assert (runs / "pt/prompter/model/model.safetensors").read_bytes() == prompter.read_bytes()
    assert (runs / "pt/prompter/prompts.safetensors").is_file()
    steps = [line for line in lines(runs / "pt") if "losses" in line]
    assert {line["dataset"] for line in steps} == {"webvid", "cc3m"}
    for line in steps:
        losses = line["losses"]
        assert min(losses[name] for name in ("contrastive", "matching", "masked_lm", "entity_prompting")) > 0
        assert losses["entity_prompting_kept"] == 1


@pytest.mark.parametrize("run", ["ft_msrvtt_ret", "ft_didemo_ret"])
def test_fine_tuning_logs_the_scores_before_its_first_step(done: Done, run: str) -> None:
    at_start, *_ = (line for line in lines(done.folder / "runs/alpro" / run) if "metrics" in line)
    assert (at_start["step"], at_start["split"]) == (0, "val")
    _check_scores(at_start["metrics"], "matching")


@pytest.mark.parametrize("folder", RANKINGS)
def test_a_fine_tuned_model_is_scored_by_every_ranking(done: Done, folder: str) -> None:
    scores = done.scores(f"runs/alpro/ft_msrvtt_ret/{folder}")
    _check_scores(scores, RANKINGS[folder])
    videos = FEW["test_1k"]
    assert (scores["text_to_video"]["queries"], scores["text_to_video"]["candidates"]) == (videos, videos)
    most = {"contrast": 0, "rerank": 2 * videos * 3, "matching": videos**2}[scores["ranking"]]
    assert scores["pairs_fused"] in range(videos if most else 0, most + 1)
    submitted = json.loads((done.folder / f"runs/alpro/ft_msrvtt_ret/{folder}/submission.json").read_text())
    assert len(submitted) == videos and all(len(top) == 10 for top in submitted.values())
    with open(done.folder / f"runs/alpro/ft_msrvtt_ret/{folder}/submission.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 10 * videos


@pytest.mark.parametrize("run", ["zs_msrvtt_ret", "zs_didemo_ret", "ft_didemo_ret"])
def test_zero_shot_and_didemo_are_scored_too(done: Done, run: str) -> None:
    _check_scores(done.scores(f"runs/alpro/{run}/evaluation/test"), "matching")


def test_the_search_ranks_the_clips_of_the_folder(done: Done) -> None:
    (command,) = (line for line in GUIDE if "mcg.search" in line)
    assert "3 clips, 3 of them new" in done.said[command] and "bbb_bird.mp4" in done.said[command]
