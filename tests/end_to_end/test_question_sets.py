"""The question sets from their published forms to a submission file: build, fine-tune a tiny MCG, evaluate, submit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.small_runs import QUESTIONS, Runs, call

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class QuestionSet:
    """Options of `tools build` for train and test, and what the corpus holds: questions (train, test)."""

    options: Callable[[Path, Path, str], list[str | Path]]
    """(annotations of this set, media folder, split)."""
    num_questions: tuple[int, int]
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


SETS = {
    "msrvtt_qa": QuestionSet(_msrvtt, (127, 30)),
    "msvd_qa": QuestionSet(_msvd, (127, 30)),
    "nextqa": QuestionSet(_nextqa, (18, 9), media="vidor"),
    "nextqa_oe": QuestionSet(_nextqa_oe, (18, 9), media="vidor"),
    "activitynet_qa": QuestionSet(_activitynet, (81, 81)),
    "tgif_qa": QuestionSet(_tgif, (26, 26)),
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
    given, built = SETS[name], {}
    for split in ("train", "test"):
        options = given.options(corpus / "annotations" / name, media[given.media], split)
        out = tmp_path / "data" / name / split
        done = call([sys.executable, "-m", "tools", "build", name, *map(str, options), "--out", str(out), "--json"])
        assert done.returncode == 0, done.stderr
        built[split] = json.loads(done.stdout)
        assert built[split]["num_quarantined"] == built[split]["records_dropped"] == 0
    assert (built["train"]["records"], built["test"]["records"]) == given.num_questions

    (tmp_path / "questions.yaml").write_text(QUESTIONS)
    runs = Runs(tmp_path / "data", tmp_path)
    splits = [
        f"data.{split}.blend=[{{name: {name}-{split}, path: {tmp_path / 'data' / name / split}}}]"
        for split in ("train", "test")
    ]
    trained = runs.train(tmp_path / "run", *splits, config="questions")
    assert trained.returncode == 0, trained.stderr
    scored = runs.evaluate(tmp_path / "run", tmp_path / "out", *splits, config="questions")
    assert scored.returncode == 0, scored.stderr
    metrics: dict[str, Any] = json.loads((tmp_path / "out/metrics.json").read_text())
    assert (metrics["num_scored"], metrics["num_failed"]) == (given.num_questions[1], 0)
