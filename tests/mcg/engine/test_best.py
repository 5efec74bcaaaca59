"""The best checkpoint: the weights that scored best on val, kept apart from the latest ones, also over a resume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcg.engine.best import BestSoFar
from mcg.engine.checkpoint import CheckpointError, best_checkpoint, find_checkpoint
from mcg.engine.deepspeed import Engine
from mcg.engine.saving import save_checkpoint
from mcg.engine.weights import load_weights
from tests.mcg.small_model import make_model, text_config

CURSOR = {"positions": [8]}


def _consider(best: BestSoFar, engine: Engine, step: int, value: float, name: str = "accuracy.overall") -> bool:
    engine.step = step
    return best.consider(engine, CURSOR, (name, value))


def _folders(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir() if path.is_dir())


def test_only_what_scores_better_is_kept(tmp_path: Path, engine: Engine) -> None:
    best = BestSoFar(tmp_path, {"run_dir": "r"}, "abc")
    assert best.value is None and best_checkpoint(tmp_path) is None
    decisions = [_consider(best, engine, step, value) for step, value in ((2, 0.3), (4, 0.5), (6, 0.5), (8, 0.4))]
    assert decisions == [True, True, False, False]
    assert _folders(tmp_path) == ["best-000004"]
    found = find_checkpoint(tmp_path, "best")
    assert (found.step, found.scored, found.vocabulary) == (4, ("accuracy.overall", 0.5), "abc")
    assert {path.name for path in found.folder.iterdir()} == {"model.safetensors", "checkpoint.json"}
    assert load_weights(make_model(text=text_config(dropout=0.1)), found.folder) == []


def test_a_resumed_run_remembers_and_the_latest_is_another_matter(tmp_path: Path, engine: Engine) -> None:
    _consider(BestSoFar(tmp_path, {}), engine, 4, 0.5)
    engine.step = 6
    save_checkpoint(tmp_path, engine, CURSOR, {}, keep=1)
    engine.step = 8
    save_checkpoint(tmp_path, engine, CURSOR, {}, keep=1)
    again = BestSoFar(tmp_path, {}, step=8)
    assert (again.name, again.value) == ("accuracy.overall", 0.5)
    assert not _consider(again, engine, 8, 0.5)
    assert _folders(tmp_path) == ["best-000004", "step-000008"]
    assert find_checkpoint(tmp_path).step == 8 and find_checkpoint(tmp_path, "best").step == 4
    assert _consider(again, engine, 10, 0.1, name="wups0.overall")  # another number cannot be compared


def test_a_run_from_scratch_removes_the_best_of_one_that_was_given_up(tmp_path: Path, engine: Engine) -> None:
    _consider(BestSoFar(tmp_path, {}), engine, 4, 0.9)
    anew = BestSoFar(tmp_path, {})
    assert anew.value is None and best_checkpoint(tmp_path) is None and _folders(tmp_path) == []
    assert _consider(anew, engine, 2, 0.1)
    assert _folders(tmp_path) == ["best-000002"]


def test_a_best_of_a_later_step_than_the_resumed_one_is_not_compared_with(tmp_path: Path, engine: Engine) -> None:
    _consider(BestSoFar(tmp_path, {}), engine, 4, 0.9)
    back = BestSoFar(tmp_path, {}, step=3)
    assert back.value is None and _folders(tmp_path) == ["best-000004"]
    assert _consider(back, engine, 6, 0.1)
    assert _folders(tmp_path) == ["best-000006"]


def test_a_task_without_a_headline_has_no_best(tmp_path: Path, engine: Engine) -> None:
    assert not BestSoFar(tmp_path, {}).consider(engine, CURSOR, None)
    with pytest.raises(
        CheckpointError, match=r"with checkpoints/best; only a run that scores data\.val has a best one"
    ):
        find_checkpoint(tmp_path, "best")


def test_a_damaged_best_is_named(tmp_path: Path, engine: Engine) -> None:
    _consider(BestSoFar(tmp_path, {}), engine, 4, 0.5)
    file = tmp_path / "checkpoints" / "best-000004" / "checkpoint.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "scored": ["accuracy.overall", 0.1]}))
    with pytest.raises(CheckpointError, match=r"checkpoint\.json: is not what was saved: its content does not fit"):
        best_checkpoint(tmp_path)


def test_a_broken_best_is_a_warning_and_the_next_one_takes_its_place(
    tmp_path: Path, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    _consider(BestSoFar(tmp_path, {}), engine, 4, 0.5)
    (tmp_path / "checkpoints" / "best-000004" / "checkpoint.json").write_text("{")
    again = BestSoFar(tmp_path, {}, step=6)
    assert again.value is None and "the run goes on without it, and what is scored next is its best" in caplog.text
    assert _consider(again, engine, 8, 0.1) and _folders(tmp_path) == ["best-000008"]
