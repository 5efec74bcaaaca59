"""The prompter of a run: kept once, read again, refused where it does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mcg.engine.checkpoint import CheckpointError
from mcg.objectives.config import EntityPromptingConfig
from mcg.objectives.entity_prompting import EntityPrompting
from mcg.objectives.objective import Start
from mcg.text.entities import EntityError
from shards.media import ClipConfig
from tests.mcg.objectives.test_entity_prompting import NOUNS, make_states
from tests.mcg.small_checkpoint import run_config, write_checkpoint
from tests.mcg.small_model import model_config

CPU = torch.device("cpu")
CLIP = ClipConfig(num_frames=2, size=32)


@pytest.fixture
def prompter_run(tmp_path: Path) -> Path:
    """A run of a model with a contrast only."""
    run = run_config(tmp_path / "prompter_run", objectives={"contrastive": {}})
    return write_checkpoint(run)


def _start(tmp_path: Path, **fields: Any) -> Start:
    return Start(
        tmp_path / "run", model_config(num_entities=5), ClipConfig.model_validate(CLIP.model_dump() | fields), CPU
    )


def _config(run: Path, entities: Path, **fields: Any) -> EntityPromptingConfig:
    settings = {"prompter": str(run), "entities": str(entities), "num_entities": len(NOUNS)}
    return EntityPromptingConfig.model_validate(settings | fields)


@pytest.fixture
def entities(tmp_path: Path) -> Path:
    file = tmp_path / "entities.txt"
    file.write_text("".join(f"{noun} 10\n" for noun in NOUNS))
    return file


def test_a_run_keeps_its_prompter_once_and_needs_the_source_no_more(
    tmp_path: Path, prompter_run: Path, entities: Path
) -> None:
    first, again = (EntityPrompting(_config(prompter_run, entities)) for _ in range(2))
    first.prepare(_start(tmp_path))
    kept = tmp_path / "run" / "prompter"
    prompts = load_file(kept / "prompts.safetensors")
    assert prompts["video"].shape == prompts["image"].shape == (5, 8)
    assert not torch.allclose(prompts["video"], prompts["image"])
    assert not torch.allclose(prompts["video"].norm(dim=1), torch.ones(5), atol=1e-4), "not normalised after the mean"
    written = (kept / "prompts.safetensors").stat().st_mtime_ns
    prompter_run.rename(tmp_path / "gone")
    again.prepare(_start(tmp_path))
    assert (kept / "prompts.safetensors").stat().st_mtime_ns == written
    states = make_states(text_ids=torch.randint(5, 50, (4, 8)))
    assert torch.equal(first(states), again(states))


def test_other_entities_are_prompted_anew(tmp_path: Path, prompter_run: Path, entities: Path) -> None:
    EntityPrompting(_config(prompter_run, entities)).prepare(_start(tmp_path))
    file = tmp_path / "run" / "prompter" / "prompts.safetensors"
    before = load_file(file)
    entities.write_text("\n".join(reversed(NOUNS)))
    EntityPrompting(_config(prompter_run, entities)).prepare(_start(tmp_path))
    assert torch.allclose(load_file(file)["video"], before["video"].flip(0), atol=1e-6)


def test_what_does_not_fit_is_told_with_the_setting(tmp_path: Path, prompter_run: Path, entities: Path) -> None:
    with pytest.raises(CheckpointError, match=r"entity_prompting\.prompter: .*no checkpoint there.*train it first"):
        EntityPrompting(_config(tmp_path / "nowhere", entities)).prepare(_start(tmp_path))
    with pytest.raises(
        ValueError, match=r"objectives\.entity_prompting\.prompter .*no prompter for the clips .*num_frames is 4"
    ):
        EntityPrompting(_config(prompter_run, entities)).prepare(_start(tmp_path, num_frames=4))
    with pytest.raises(EntityError, match="has 5 entities, 1000 are asked for"):
        EntityPrompting(_config(prompter_run, entities, num_entities=1000)).prepare(_start(tmp_path))
    entities.write_text("antidisestablishmentarianism-floccinaucinihilipilification\nb\nc\nd\ne\n")
    with pytest.raises(ValueError, match=r"entities\.txt: entity 1, 'antidis.*, at most 15 are taken"):
        EntityPrompting(_config(prompter_run, entities)).prepare(_start(tmp_path))


def test_a_damaged_prompter_is_named_with_what_to_do(tmp_path: Path, prompter_run: Path, entities: Path) -> None:
    EntityPrompting(_config(prompter_run, entities)).prepare(_start(tmp_path))
    kept = next(tmp_path.rglob("prompter/model/model.safetensors"))
    kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"not readable: has 100 bytes.*or remove .*prompter/model, which"):
        EntityPrompting(_config(prompter_run, entities)).prepare(_start(tmp_path))
    shutil.rmtree(kept.parent)
    for weights in prompter_run.rglob("model.safetensors"):
        weights.unlink()
    with pytest.raises(CheckpointError, match=r"objectives\.entity_prompting\.prompter: .* it is missing; copy the"):
        EntityPrompting(_config(prompter_run, entities)).prepare(_start(tmp_path))
