"""The question sets from their published forms to a submission file: build, fine-tune a tiny MCG, evaluate, submit."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.in_turn import call_all
from tests.end_to_end.small_runs import call
from tests.small_configs import shrink
from tests.small_wordnet import write_wordnet

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class QuestionSet:
    """Options of `tools build` for train and test, and what the corpus holds: questions (train, test)."""

    options: Callable[[Path, Path, str], list[str | Path]]
    """(annotations of this set, media folder, split)."""
    num_questions: tuple[int, int]
    config: str
    num_submitted: Callable[[Any], int] = len
    """Questions in a submission."""
    metrics: tuple[str, ...] = ("accuracy",)
    media: str = "videos"


def _msrvtt(notes: Path, media: Path, split: str) -> list[str | Path]:
    id_map = notes.parent / "msrvtt_like/video_id_to_file.json"
    return ["--annotations", notes / f"{split}.jsonl", "--media", media, "--id-map", id_map]


def _msvd(notes: Path, media: Path, split: str) -> list[str | Path]:
    id_map = notes / "youtube_mapping.txt"
    return ["--annotations", notes / f"{split}_qa.json", "--media", media, "--id-map", id_map]


def _nextqa(notes: Path, media: Path, split: str) -> list[str | Path]:
    id_map = notes.parent / "nextqa/map_vid_vidorID.json"
    return ["--annotations", notes / f"{split}.csv", "--media", media, "--id-map", id_map]


def _nextqa_oe(notes: Path, media: Path, split: str) -> list[str | Path]:
    more = ["--answers", notes / "add_reference_answer_test.json"] if split == "test" else []
    return [*_nextqa(notes, media, split), *more]


def _activitynet(notes: Path, media: Path, split: str) -> list[str | Path]:
    # the corpus has a train split only
    return ["--annotations", notes / "train_q.json", "--answers", notes / "train_a.json", "--media", media]


def _tgif(notes: Path, media: Path, split: str) -> list[str | Path]:
    return ["--annotations", notes / f"{split.title()}_frameqa_question.csv", "--media", notes / "gifs"]


def _by_video(submitted: Any) -> int:
    return sum(len(answers) for answers in submitted.values())


SETS = {
    "msrvtt_qa": QuestionSet(_msrvtt, (127, 30), "configs/ft_msrvtt_qa.yaml"),
    "msvd_qa": QuestionSet(_msvd, (127, 30), "configs/ft_msvd_qa.yaml"),
    "nextqa": QuestionSet(_nextqa, (18, 9), "configs/ft_nextqa_mc.yaml", media="vidor"),
    "nextqa_oe": QuestionSet(
        _nextqa_oe, (18, 9), "configs/ft_nextqa_oe.yaml", _by_video, ("wups0", "wups9", "accuracy"), "vidor"
    ),
    "activitynet_qa": QuestionSet(_activitynet, (81, 81), "configs/ft_activitynet_qa.yaml"),
    "tgif_qa": QuestionSet(_tgif, (26, 26), "configs/ft_tgif_frame.yaml"),
}


@pytest.fixture(scope="module")
def media(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The corpus's videos, and the same in VidOR's folders."""
    vidor = tmp_path_factory.mktemp("vidor")
    for place, file in json.loads((corpus / "annotations/nextqa/vidor_path_to_file.json").read_text()).items():
        (vidor / place).parent.mkdir(exist_ok=True)
        (vidor / place).symlink_to(corpus / "videos" / file)
    return {"videos": corpus / "videos", "vidor": vidor}


@pytest.mark.parametrize("name", SETS)
def test_from_published_files_to_a_submission(name: str, corpus: Path, media: dict[str, Path], tmp_path: Path) -> None:
    """With the very config of the set, made small."""
    given, data = SETS[name], tmp_path / "data" / name
    for split, num_questions in zip(("train", "test"), given.num_questions, strict=True):
        options = given.options(corpus / "annotations" / name, media[given.media], split)
        build = [sys.executable, "-m", "tools", "build", name, *map(str, options), "--out", str(data / split), "--json"]
        done = call(build)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["num_records"], told["num_quarantined"], told["num_dropped"]) == (num_questions, 0, 0)
    (data / "val").symlink_to(data / "test")

    overrides = shrink(given.config, data / "train", write_wordnet(tmp_path / "wordnet"), steps=4)
    command = ["--config", given.config, *overrides, f"vars.data={data.parent}", f"run_dir={tmp_path / 'run'}"]
    out = tmp_path / "out"
    told_where = ["--checkpoint", str(tmp_path / "run"), "--split", "test", "--out", str(out)]
    trained, scored = call_all([["train.py", *command], ["-m", "mcg.evaluate", *told_where, *command]])
    assert trained.returncode == 0, trained.stderr
    assert scored.returncode == 0, scored.stderr

    metrics = json.loads((out / "metrics.json").read_text())
    num_questions = given.num_questions[1]
    assert (metrics["num_scored"], metrics["num_failed"]) == (num_questions, 0)
    assert set(given.metrics) <= set(metrics)
    assert sum(metrics["accuracy"]["counts"][kind] for kind in metrics["accuracy"]["by_type"]) == num_questions
    submitted = json.loads((out / "submission.json").read_text())
    assert given.num_submitted(submitted) == num_questions
    with open(out / "submission.csv", newline="") as file:
        assert len(list(csv.reader(file))) == 1 + num_questions
