"""What two ranks answer, each of which holds half of the weights (ZeRO 3), and one process that holds them all.

ZeRO 3 leaves small weights whole and keeps for a while what it has gathered: of a small model next to nothing travels.
Here it gathers every weight for every pass of its layer, as it does with a large one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import deepspeed
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from mcg.engine.config import EngineConfig
from mcg.engine.deepspeed import Engine, start_distributed
from mcg.launch.ranks import Place
from mcg.model.model import Model
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from mcg.scoring.evaluate import evaluate
from mcg.tasks.captioning import Captioning
from mcg.tasks.config import CaptioningConfig, MultipleChoiceConfig, OpenQAConfig
from mcg.tasks.multiple_choice import MultipleChoice
from mcg.tasks.open_qa import OpenQA
from mcg.tasks.task import Task
from mcg.text.masked_words import MaskedWords
from shards import DatasetWriter
from tests.mcg import small_t2vlp
from tests.mcg.engine.small_engine import OPTIM, make_schedule, save_as_before
from tests.mcg.small_lavender import CAPTIONS, make_inputs, make_lavender
from tests.mcg.small_model import TEXTS, make_model
from tests.mcg.small_questions import loader_config, make_task
from tests.mcg.small_t2vlp import make_t2vlp
from tests.shards.small_dataset import FACTS, picture

NOTHING_KEPT = {
    "stage3_param_persistence_threshold": 0,
    "stage3_max_live_parameters": 0,
    "stage3_max_reuse_distance": 0,
    "stage3_prefetch_bucket_size": 0,
}
BATCH_SIZE = 8
OBJECTIVES: dict[str, Any] = {
    "mcg": {"generation": {}},
    "lavender": {"masked_lm": {}, "batch_matching": {}},
    "t2vlp": {name: {} for name in ("contrastive", "tube_alignment", "masked_lm", "prefix_lm", "matching")},
}
MODELS: dict[str, Callable[[], Model]] = {"lavender": make_lavender, "t2vlp": make_t2vlp}


def write_data(folder: Path) -> None:
    """7 clips with 10 questions of several lengths. Of the second of two batches the first rank has two questions and
    padding, the second rank padding only."""
    with DatasetWriter(folder / "questions", "gray", samples_per_shard=3) as writer:
        for i in range(7):
            asked = [
                {
                    "question": f"what color is number {r}" + " or so" * (3 * i % 7),
                    "answer": "red",
                    "answer_index": 0,
                    "choices": ["red", "a green one", "blue"],
                    "type": "color",
                    "id": f"{i}.{r}",
                }
                for r in range(1 + i % 2)
            ]
            writer.write(f"{i:04d}", picture(30 * i), "png", asked, {}, FACTS)
    (folder / "answers.json").write_text(json.dumps(["red", "green", "a blue one", "brown dog", "no one", "two"]))


def _tasks(folder: Path, system: str) -> dict[str, Task]:
    """MCG: every way to an answer that passes the decoder. Others: every way that is not one pass of the model."""
    clip = {"num_frames": 2, "size": 32}
    beams = CaptioningConfig.model_validate(
        {"name": "captioning", "clip": clip, "max_caption_tokens": 6, "num_beams": 3}
    )
    if system == "t2vlp":
        return {"captions": Captioning(beams, small_t2vlp.TEXTS)}
    if system == "lavender":
        words = MaskedWords()
        listed = {"answering": "masked_word", "answer_list": str(folder / "answers.json")}
        questions = OpenQAConfig.model_validate({"name": "open_qa", "clip": clip, **listed})
        return {"masked words": OpenQA(questions, words), "captions": Captioning(beams, words)}
    choice = {"name": "multiple_choice", "clip": clip, "num_choices": 3}
    ranking = {"answering": "ranking", "answer_list": str(folder / "answers.json"), "num_candidates": 4}
    return {
        "beam search": make_task(max_answer_tokens=12),
        "greedy": make_task(max_answer_tokens=12, num_beams=1),
        "ranking": make_task(max_answer_tokens=6, **ranking),
        "multiple choice": MultipleChoice(MultipleChoiceConfig.model_validate(choice), TEXTS),
    }


def _model(system: str) -> Model:
    """MCG ends some answers early and others not."""
    if system in MODELS:
        return MODELS[system]()
    model = make_model(vocab_size=TEXTS.size)
    assert model.decoder is not None
    with torch.no_grad():
        model.decoder.bert.cls.predictions.bias[TEXTS.end_id] = 6.0
    return model


def _answers(folder: Path, tasks: dict[str, Task], model: Model) -> dict[str, Any]:
    """Of each task the predictions by question."""
    split, cpu = loader_config(folder / "questions", BATCH_SIZE), torch.device("cpu")
    return {name: {p["id"]: p for p in evaluate(task, model, split, cpu).predictions} for name, task in tasks.items()}


def _num_whole(engine: Engine) -> int:
    return sum(parameter.numel() for parameter in engine.bundle.parameters())


def _losses(bundle: Bundle, system: str, rank: int, world: int) -> dict[str, Tensor]:
    """Of a rank's part of a batch."""
    whole = small_t2vlp.make_inputs() if system == "t2vlp" else make_inputs(MaskedWords())
    share = len(CAPTIONS) // world
    return bundle({name: rows[rank * share : (rank + 1) * share] for name, rows in whole.items()}, 0)


def answer_alone(folder: Path, system: str) -> dict[str, Any]:
    """In this process."""
    return _answers(folder, _tasks(folder, system), _model(system))


def lose_alone(system: str) -> float:
    """The loss in one process."""
    bundle = Bundle(_model(system), ObjectivesConfig.model_validate(OBJECTIVES[system]).build())
    return float(_losses(bundle, system, 0, 1)["total"].detach())


def answer_in_parts(rank: int, folder: str, system: str) -> None:
    """One of two ranks; the meeting point is a file, so no port is taken. Writes FOLDER/RANK.json: the answers, how
    many weights the rank holds whole before and after, and the loss of a step; FOLDER/spread, DeepSpeed's checkpoint;
    and the weights whole."""
    os.environ |= Place(rank, 2, rank).to_environment()
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=timedelta(seconds=120))
    try:
        device, tasks = start_distributed(), _tasks(Path(folder), system)
        usual = deepspeed.initialize

        def initialize(config: dict[str, Any], **given: Any) -> Any:
            return usual(config=config | {"zero_optimization": config["zero_optimization"] | NOTHING_KEPT}, **given)

        with patch.object(deepspeed, "initialize", initialize):
            model = _model(system)
            bundle = Bundle(model, ObjectivesConfig.model_validate(OBJECTIVES[system]).build())
            engine = Engine(bundle, EngineConfig(zero_stage=3), OPTIM, make_schedule(), BATCH_SIZE, 0, device)
        whole = [_num_whole(engine)]
        found = _answers(Path(folder), tasks, engine.bundle.model)
        whole.append(_num_whole(engine))
        loss = None
        if system in MODELS:
            total = _losses(engine.bundle.train(), system, rank, 2)["total"]
            engine._engine.backward(total)
            engine._engine.step()
            loss = float(total.detach())
        (Path(folder) / f"{rank}.json").write_text(json.dumps({"whole": whole, "answers": found, "loss": loss}))
        save_as_before(engine, Path(folder) / "spread")
        state = engine.model_state()
        if rank == 0:
            save_file({name: tensor.clone() for name, tensor in state.items()}, Path(folder) / "whole.safetensors")
    finally:
        dist.destroy_process_group()
