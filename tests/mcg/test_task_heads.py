"""LAVENDER's heads by task by one switch: every config follows it, each head learns, other checkpoints are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mcg.config import RunConfig, load_config, load_stored
from mcg.convert.start import start_from
from mcg.engine.checkpoint import CheckpointError, find_checkpoint
from mcg.model.lavender import Lavender
from mcg.objectives.bundle import Bundle
from mcg.tasks.task import Task
from mcg.text import open_texts
from mcg.trained import trained_model
from mcg.uses import Uses
from tests.mcg.answering.small_masked import tensors
from tests.mcg.small_checkpoint import run_config, write_checkpoint
from tests.mcg.small_lavender import lavender_config
from tests.mcg.tasks.small_sample import draws, sample
from tests.small_configs import ROOT

CONFIGS = sorted((ROOT / "configs/lavender").glob("*.yaml"))
CLIP = {"num_frames": 2, "size": 32}
ANSWERS = ["red", "two", "playing guitar", "a man"]
CHOICES = ["lick", "turn head", "tap the glass"]
QUESTION: dict[str, Any] = {"question": "what is it?", "type": "what"}
KINDS: dict[str, tuple[dict[str, Any], str, list[dict[str, Any]]]] = {
    "questions": (
        {"name": "open_qa", "answering": "masked_word"},
        "masked_lm",
        [{**QUESTION, "answer": answer} for answer in ANSWERS],
    ),
    "numbered": (
        {"name": "multiple_choice", "choosing": "numbered", "num_choices": 3},
        "masked_lm",
        [{**QUESTION, "choices": CHOICES, "answer_index": n} for n in (0, 1, 2, 1)],
    ),
    "choices": (
        {"name": "multiple_choice", "choosing": "matching", "num_choices": 3},
        "choice_matching",
        [{**QUESTION, "choices": CHOICES, "answer_index": n} for n in (0, 1, 2, 1)],
    ),
    "retrieval": (
        {"name": "retrieval", "ranking": "matching"},
        "batch_matching",
        [{"caption": caption} for caption in ("a man plays", "two dogs", "rain", "a cup of tea")],
    ),
}
"""Task and objective as configs of the one head have them, and a batch of records."""


def _run(kind: str, folder: Path, heads: str = "task", **fields: Any) -> RunConfig:
    task, objective, _ = KINDS[kind]
    task = {**task, "clip": CLIP}
    if kind == "questions":
        (folder / "answers.json").write_text(json.dumps(ANSWERS))
        task["answer_list"] = str(folder / "answers.json")
    model = {**lavender_config().model_dump(), "heads": heads, **fields}
    return run_config(folder / f"{kind}-{heads}", task=task, model=model, objectives={objective: {}})


def _built(run: RunConfig) -> tuple[Task, Lavender]:
    task = run.task.build(open_texts(run.model))
    task.check_model(run.model)
    torch.manual_seed(0)
    model: Lavender = task.completed(run.model).build(task.texts)
    return task, model


def _batch(task: Task, records: list[dict[str, Any]]) -> dict[str, Tensor]:
    rows = [task.encode(sample(record), draws()).arrays for record in records]
    label = {"label": torch.tensor([int(row.pop("label")) for row in rows])} if "label" in rows[0] else {}
    keys = {"video_key": torch.arange(len(rows))[:, None]} if "video_key" in rows[0] else {}
    colors = torch.tensor([[250, 10, 10], [10, 250, 10], [10, 10, 250], [250, 250, 10]], dtype=torch.uint8)
    return {**tensors(rows), **label, **keys, "frames": colors[:, None, None, None].expand(4, 2, 32, 32, 3)}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_switch_is_all_that_a_config_needs(config: Path) -> None:
    whole = load_config(config, ["model.heads=task"])
    assert load_stored(whole.stored, "checkpoint.json", ("task", "model")) == whole
    for use, one in load_config(config).alone.items():
        _assert_switched(one, whole.alone[use], use)


def _assert_switched(one: RunConfig, many: RunConfig, use: str) -> None:
    ways = [getattr(one.task, field, None) for field in ("answering", "choosing")]
    if "masked_word" in ways or "numbered" in ways:
        assert set(many.objectives.chosen()) == {
            name.replace("masked_lm", "classification") for name in one.objectives.chosen()
        }
        assert "classification" in (getattr(many.task, "answering", None), getattr(many.task, "choosing", None))
        assert getattr(many.task, "answer_list", "a list") is not None
        assert not use or many.task.head == many.objectives.classification.head == use
    else:
        assert set(many.objectives.chosen()) == set(one.objectives.chosen()) and many.task == one.task


@pytest.mark.parametrize("kind", KINDS)
def test_each_head_learns_a_batch(kind: str, tmp_path: Path) -> None:
    run = _run(kind, tmp_path)
    task, model = _built(run)
    inputs = _batch(task, KINDS[kind][2])
    bundle = Bundle(model.train(), run.objectives.build())
    optimizer = torch.optim.Adam(bundle.parameters(), lr=1e-2)
    losses = []
    for step in range(25):
        loss = bundle(inputs, seed=step)["total"]
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            head = model.match_head if kind in ("choices", "retrieval") else model.classifiers["answers"]
            assert head is not None and all(p.grad is not None for p in head.parameters())
            assert model.vision_proj.weight.grad is not None and bool(model.vision_proj.weight.grad.any())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0], losses


def test_a_checkpoint_of_the_other_kind_is_not_scored_but_can_start_a_run(tmp_path: Path) -> None:
    one, many = _run("retrieval", tmp_path, "words"), _run("retrieval", tmp_path, "task")
    stored = {run.run_dir: find_checkpoint(write_checkpoint(run)) for run in (one, many)}
    task, model = _built(many)
    with pytest.raises(CheckpointError, match=r"lacks 4 weights of this model, e\.g\. match_head\.1\.bias"):
        trained_model(stored[one.run_dir], task, many.model)
    told = start_from(model, model.config, stored[one.run_dir], task.texts)
    assert told.endswith(", 4 fresh (e.g. match_head.1.weight)")
    task, model = _built(one)
    with pytest.raises(CheckpointError, match=r"match_head\.1\.bias is unknown here \(0 shapes and 4 names differ\)"):
        trained_model(stored[many.run_dir], task, one.model)
    told = start_from(model, model.config, stored[many.run_dir], task.texts)
    assert told.endswith(", 4 left out (the model has no head for matching (model.heads: words))")


def test_a_classifier_of_other_answers_starts_anew_and_is_told(tmp_path: Path) -> None:
    folder = write_checkpoint(_run("questions", tmp_path, num_classes={"answers": 9}))
    task, model = _built(_run("questions", tmp_path))
    drawn = model.classifiers["answers"][3].weight.detach().clone()
    with pytest.raises(CheckpointError, match=r"classifiers\.answers\.3\.bias is \(9,\) there and \(4,\) here"):
        trained_model(find_checkpoint(folder), task, _run("questions", tmp_path).model)
    told = start_from(model, model.config, find_checkpoint(folder), task.texts)
    assert "classifiers.answers.3.weight stays as it was drawn: (9, 32) there, (4, 32) here" in told
    assert torch.equal(model.classifiers["answers"][3].weight, drawn)


def test_a_model_of_many_heads_is_whole_for_one_of_its_uses(tmp_path: Path) -> None:
    folder = write_checkpoint(_run("questions", tmp_path, num_classes={"answers": 4, "tgif": 7}))
    task, _ = _built(_run("questions", tmp_path))
    model = trained_model(find_checkpoint(folder), task, _run("questions", tmp_path).model)
    assert isinstance(model, Lavender) and set(model.classifiers) == {"answers", "tgif"}


def test_each_use_of_a_run_has_a_head_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))
    uses: dict[str, Any] = {}
    for name, (task, objective, _) in KINDS.items():
        listed = {"answer_list": str(tmp_path / "answers.json")} if name == "questions" else {}
        train = {"batch_size": 4, "blend": [{"name": name, "path": f"nowhere/{name}"}]}
        uses[name] = {"task": {**task, **listed, "clip": CLIP}, "objectives": {objective: {}}, "train": train}
    settings: dict[str, Any] = {
        "run_dir": str(tmp_path / "run"),
        "model": {**lavender_config().model_dump(), "heads": "task"},
        "schedule": {"length": {"steps": 1}},
        "uses": uses,
    }
    config = RunConfig.model_validate(settings)
    assert RunConfig.model_validate(config.model_dump(mode="json", exclude_none=True)).uses == config.uses
    run = Uses(config, open_texts(config.model))
    model: Lavender = run.completed(config.model).build(open_texts(config.model))
    assert {name: head[3].out_features for name, head in model.classifiers.items()} == {"questions": 4, "numbered": 3}
    bundle = run.bundle(model.train())
    for name, (_, _, records) in KINDS.items():
        bundle.zero_grad()
        bundle(_batch(run.tasks[name], records), 0, name)["total"].backward()
        trained = {part for part, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()}
        heads = {part.rpartition(".")[0].rpartition(".")[0] for part in trained if part.startswith(("match", "class"))}
        assert heads == {
            {"questions": "classifiers.questions", "numbered": "classifiers.numbered"}.get(name, "match_head")
        }
