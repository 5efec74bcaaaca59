"""docs/t2vlp.md is true: its commands work as written, from published files over the corpus to scores, a search,
captions and an answer.

The shards are made by the commands of docs/datasets.md and docs/containers.md. Only sizes are changed, by what is added
to a command: a tiny model, one step, few rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.end_to_end.small_runs import lines
from tests.end_to_end.whole_page import Done, config_of, run_page, shrunk, write_captioned, write_questions
from tests.guide import commands, options
from tests.small_configs import ROOT
from tests.t2vlp_like import write_webvid_frames

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
GUIDE = commands((ROOT / "docs/t2vlp.md").read_text())
TRAINED = [line for line in GUIDE if "train.py" in line]
SCORED = [line for line in GUIDE if "-m mcg.evaluate" in line]
FEW = {"train": 4, "train_9k": 4, "val": 3, "test": 4, "test_1k": 5}
"""Rows of a split that are built."""
DEMO = "configs/t2vlp/demo.yaml"
DEPTH = 3
"""Candidates that are ranked again."""
CLIPS = {"bird.mp4": "bbb_bird.mp4", "beach.mp4": "woman_black.mp4"}
"""What is searched and captioned, by the names that the page has."""


def label(command: str) -> str:
    return Path(config_of(command.split()).run_dir).name


def _more(words: list[str]) -> list[str]:
    """What makes a command small."""
    if "--config" not in words:
        return []
    reranks = getattr(config_of(words).task, "ranking", None) == "rerank"
    return [*shrunk(words, num_frames=3), "schedule.length.steps=1", *([f"task.rerank_depth={DEPTH}"] * reranks)]


@pytest.fixture(scope="module")
def done(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """All commands of the page, one after the other."""
    folder = tmp_path_factory.mktemp("t2vlp")
    write_captioned(corpus, folder / "raw")
    write_questions(corpus, folder / "raw")
    (folder / "raw/t2vlp").mkdir()
    write_webvid_frames(corpus, folder / "raw/t2vlp", FEW["train"])
    (folder / "clips").mkdir()
    for name, clip in CLIPS.items():
        (folder / "clips" / name).symlink_to(corpus / "videos" / clip)
    yield run_page(GUIDE, folder, FEW, _more)


def _told(done: Done, module: str) -> str:
    """What the page's only command of a module said."""
    (command,) = (line for line in GUIDE if f"-m {module} " in line)
    return done.said[command]


@pytest.mark.parametrize("command", TRAINED, ids=label)
def test_every_stage_and_benchmark_trains_from_the_one_before(done: Done, command: str) -> None:
    config = config_of(command.split())
    (losses,) = (line["losses"] for line in lines(done.folder / config.run_dir) if "losses" in line)
    assert set(config.objectives.model_fields_set) <= set(losses)
    assert all(value > 0 for value in losses.values())
    if config.init_from is not None:
        assert f"from the weights of {config.init_from}/checkpoints" in done.said[command]


def test_the_second_stage_leaves_the_towers_as_the_first_has_them(done: Done) -> None:
    (first,), (second,) = (
        (done.folder / "runs/t2vlp" / run).glob("checkpoints/step-*/model.safetensors")
        for run in ("pt_stage1", "pt_stage2")
    )
    before, after = load_file(first), load_file(second)
    same = {name for name, tensor in before.items() if torch.equal(tensor, after[name])}
    assert {name for name in before if name.startswith(("vision.", "text."))} <= same < set(before)


@pytest.mark.parametrize("command", SCORED, ids=label)
def test_every_benchmark_is_scored(done: Done, command: str) -> None:
    config = config_of(command.split())
    results = f"{config.run_dir}/evaluation/test"
    scores = done.scores(results)
    assert scores["num_failed"] == 0 and scores["num_scored"] > 0
    CHECKS[config.task.name](scores, getattr(config.task, "ranking", None))
    assert json.loads((done.folder / results / "submission.json").read_text())


def _check_retrieval(scores: dict[str, Any], ranking: str | None) -> None:
    sides = [scores["text_to_video"], scores["video_to_text"]]
    assert scores["ranking"] == ranking
    assert all({"R1", "R5", "R10", "median_place", "intervals"} <= set(side) for side in sides)
    assert all(("by_contrast" in side) == (ranking == "rerank") for side in sides)
    most = sum(side["queries"] for side in sides) * DEPTH if ranking == "rerank" else 0
    assert scores["pairs_fused"] in range(bool(most), most + 1)


def _check_answers(scores: dict[str, Any], _: str | None) -> None:
    assert 0 <= scores["accuracy"]["overall"] <= 1 and scores["reach"]["list"] > 0
    assert set(scores["first_piece"]["shared"]) == {"answers", "questions"}


def _check_captions(scores: dict[str, Any], _: str | None) -> None:
    assert ("CIDEr" in scores) != ("captions" in scores.get("absent", {})), "scored, or said why not"
    assert scores["unfinished"] >= 0 and scores["num_without_references"] == 0


CHECKS = {"retrieval": _check_retrieval, "open_qa": _check_answers, "captioning": _check_captions}
"""By the name of the task."""


def test_the_search_ranks_the_clips_of_a_folder(done: Done) -> None:
    told = _told(done, "mcg.search")
    assert "2 clips, 2 of them new" in told and all(name in told for name in CLIPS)


def test_the_clips_of_a_folder_get_captions(done: Done) -> None:
    told = _told(done, "mcg.caption")
    assert all(name in told for name in CLIPS) and "left out" not in told


def test_a_question_gets_answers_of_the_list(done: Done) -> None:
    known = json.loads((done.folder / "data/msrvtt_qa/train_ans2label.json").read_text())
    rows = [line.split("│") for line in _told(done, "mcg.answer").splitlines() if "│" in line]
    assert len(rows) == 5 and all(row[1].strip() in known for row in rows)


def test_every_config_is_trained_and_each_benchmark_scored_by_a_command_of_the_page() -> None:
    """But for the demo's, which is small already."""
    known = {str(path.relative_to(ROOT)) for path in (ROOT / "configs/t2vlp").glob("*.yaml")} - {DEMO}
    assert {options(command)["config"] for command in TRAINED} == known
    assert {options(command)["config"] for command in SCORED} == {name for name in known if "/pt_" not in name}
