"""Every way to answer, from training with a val split over the best checkpoint to a submission and an answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mcg.engine.checkpoint import find_checkpoint
from shards import DatasetWriter
from tests.end_to_end.in_turn import call_all
from tests.end_to_end.small_runs import PYTHON, call
from tests.mcg.small_checkpoint import TASK, run_config
from tests.mcg.small_questions import COLORS, write_questions
from tests.shards.small_dataset import FACTS, picture

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

MULTIPLE_CHOICE: dict[str, Any] = {"name": "multiple_choice", "clip": {"num_frames": 2, "size": 32}, "num_choices": 3}


def write_choices(folder: Path) -> Path:
    """Six pictures with one question each, three choices."""
    with DatasetWriter(folder, "gray", samples_per_shard=3) as writer:
        for i in range(6):
            record = {"question": "what color", "choices": list(COLORS), "answer_index": i % 3, "type": "DO"}
            writer.write(f"{i:04d}", picture(40 * i), "png", [{**record, "id": f"v{i}_0"}], {}, FACTS)
    return folder


@pytest.mark.parametrize("way", ["generation", "ranking", "classification", "multiple_choice"])
def test_from_training_to_a_submission_and_an_answer(way: str, tmp_path: Path) -> None:
    data = (write_choices if way == "multiple_choice" else write_questions)(tmp_path / "data")
    task = MULTIPLE_CHOICE if way == "multiple_choice" else {**TASK, "answering": way, "answer_list": str(data)}
    split = {"batch_size": 3, "blend": [{"name": "gray", "path": str(data)}]}
    settings = run_config(
        tmp_path / "run",
        num_classes=4 if way == "classification" else None,  # one more than there are answers
        task=task,
        data={"train": split, "val": split, "test": split},
        objectives={"classification" if way == "classification" else "generation": {}},
        schedule={"length": {"steps": 4}},
        log={"evaluate_every_steps": 2},
        engine={"threads": 1},
    ).model_dump(mode="json", exclude_none=True)
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(settings))

    evaluate = ["-m", "mcg.evaluate", "--config", str(file), "--checkpoint", str(tmp_path / "run")]
    commands = [["train.py", "--config", str(file)], [*evaluate, "--select", "best"], evaluate]
    trained, scored, second = call_all(commands)
    assert trained.returncode == 0, trained.stderr
    assert "is the best so far: accuracy.overall" in trained.stderr
    best = list((tmp_path / "run" / "checkpoints").glob("best-*"))
    assert len(best) == 1 and (tmp_path / "run" / "evaluation" / "val" / "submission.json").is_file()

    assert scored.returncode == 0, scored.stderr
    out = tmp_path / "run" / "evaluation" / "test"
    num_questions = 6 if way == "multiple_choice" else 10
    assert json.loads((out / "metrics.json").read_text())["num_scored"] == num_questions
    assert len(json.loads((out / "submission.json").read_text())) == num_questions
    assert second.returncode == 1 and "was scored already" in second.stderr

    (tmp_path / "gray.png").write_bytes(picture(80))
    ask = ["--video", str(tmp_path / "gray.png"), "--question", "what color is number 0", "--json"]
    choices = [word for color in COLORS for word in ("--choice", color)] if way == "multiple_choice" else []
    asked = call([sys.executable, "-m", "mcg.answer", "--checkpoint", str(best[0]), *ask, *choices])
    assert asked.returncode == 0, asked.stderr
    candidates = json.loads(asked.stdout)["candidates"]
    assert candidates and (way == "generation" or {c["answer"] for c in candidates} == set(COLORS))


def test_predictions_that_do_not_fit_the_form_end_every_rank_after_saving(tmp_path: Path) -> None:
    data = write_questions(tmp_path / "data")  # with ids that are not VIDEO_QID
    split = {"batch_size": 4, "blend": [{"name": "gray", "path": str(data)}]}
    settings = run_config(
        tmp_path / "run",
        task={**TASK, "submission": "nextqa_oe"},
        data={"train": split, "val": split},
        schedule={"length": {"steps": 2}},
        engine={"threads": 1},
    ).model_dump(mode="json", exclude_none=True)
    (tmp_path / "config.yaml").write_text(json.dumps(settings))
    done = call([*PYTHON, "train.py", "--config", str(tmp_path / "config.yaml")], ranks=2)
    assert done.returncode == 1
    assert done.stderr.count("NExT-OE's form needs VIDEO_QID") == 2, done.stderr
    assert find_checkpoint(tmp_path / "run").step == 2
