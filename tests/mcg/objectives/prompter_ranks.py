"""Two steps of the engine with a frozen prompter, on one rank or two, and what they did with it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from safetensors import safe_open
from torch import Tensor, nn

from mcg import distributed
from mcg.config import RunConfig
from mcg.engine.config import EngineConfig
from mcg.engine.deepspeed import Engine, start_distributed
from mcg.launch.ranks import Place
from mcg.model.parts.prompter import Prompter
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from mcg.objectives.entity_prompting import EntityPrompting
from mcg.objectives.objective import Start
from shards.media import ClipConfig
from tests.mcg.engine.small_engine import OPTIM, make_schedule, save, split_batch
from tests.mcg.small_checkpoint import run_config, write_checkpoint
from tests.mcg.small_model import make_model

NOUNS = ("dog", "cat", "guitar", "tree", "city")
BATCH_SIZE, STEPS = 8, 2
_EXCHANGES = ("all_reduce", "reduce", "reduce_scatter", "reduce_scatter_tensor")


def write_prompter(folder: Path) -> None:
    """FOLDER/prompter, a run with a contrast alone whose visual encoder has three blocks, and FOLDER/entities.txt."""
    (folder / "entities.txt").write_text("\n".join(NOUNS))
    run = run_config(folder / "prompter", objectives={"contrastive": {}}).model_dump(mode="json")
    run["model"]["vision"]["depth"] = 3
    write_checkpoint(RunConfig.model_validate(run))


def steps_with_prompter(folder: Path, device: torch.device) -> dict[str, Any]:
    """Two steps in ZeRO stage 1 with a checkpoint after each, in FOLDER/run, and what can be told of them."""
    run = folder / "run"
    model = make_model(num_entities=len(NOUNS))
    prompting = {"prompter": str(folder / "prompter"), "entities": str(folder / "entities.txt")}
    prompting |= {"num_entities": len(NOUNS), "min_confidence": 0.0}
    objectives = {"contrastive": {}, "entity_prompting": prompting}
    bundle = Bundle(model, ObjectivesConfig.model_validate(objectives).build())
    bundle.prepare(Start(run, model.config, ClipConfig(num_frames=2, size=32), device))
    prompter = _prompter(bundle)
    before = _checksum(prompter.model), _checksum_of(run / "prompter")
    trained = _numel(bundle.parameters())
    engine = Engine(bundle, EngineConfig(zero_stage=1), OPTIM, make_schedule(), BATCH_SIZE, 0, device)
    weights, exchanged = _checksum(bundle), []
    for step in range(STEPS):
        with _counted() as sizes:
            losses = engine.train_step([split_batch(BATCH_SIZE, step, distributed.rank(), distributed.world_size())])
        exchanged.append(sum(sizes))
        save(run, engine, step + 1)
    held = [p for group in engine._engine.optimizer.bit16_groups for p in group]
    own = {id(p) for p in prompter.model.parameters()}
    found = {
        "loss": losses["entity_prompting"],
        "trained": trained,
        "of the prompter": _numel(prompter.model.parameters()),
        "in groups": _numel(held),
        "of the prompter in groups": len(own & {id(p) for p in held}),
        "in partitions": _numel(engine._engine.optimizer.single_partition_of_fp32_groups),
        "with a gradient": sum(p.grad is not None or p.requires_grad for p in prompter.model.parameters()),
        "exchanged": exchanged,
        "before": before,
        "after": (_checksum(prompter.model), _checksum_of(run / "prompter")),
        "weights moved": weights != _checksum(bundle),
        "stored": _stored(run),
    }
    engine.close()
    return found


def run_rank(rank: int, folder: str) -> None:
    """One of two ranks; the meeting point is a file, so no port is taken. Writes FOLDER/RANK.json: what is found."""
    os.environ |= Place(rank, 2, rank).to_environment()
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=timedelta(seconds=120))
    try:
        found = steps_with_prompter(Path(folder), start_distributed())
        (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
    finally:
        dist.destroy_process_group()


def _prompter(bundle: Bundle) -> Prompter:
    objective = bundle.objectives["entity_prompting"]
    assert isinstance(objective, EntityPrompting)
    return objective._prompter[0]


def _numel(tensors: Any) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _checksum(module: nn.Module) -> str:
    """Of all weights and buffers."""
    state = module.state_dict().items()
    return hashlib.sha256(b"".join(name.encode() + t.numpy().tobytes() for name, t in sorted(state))).hexdigest()


def _checksum_of(folder: Path) -> dict[str, str]:
    """Of every file, by its path in the folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _stored(run: Path) -> dict[str, dict[str, int]]:
    """Numbers in each tensor of each file of weights below a run."""
    stored = {}
    for path in sorted(run.rglob("*.safetensors")):
        with safe_open(path, "pt") as file:
            sizes = {name: file.get_tensor(name).numel() for name in file.keys()}  # noqa: SIM118, not a dict
        stored[str(path.relative_to(run))] = sizes
    return stored


@contextmanager
def _counted() -> Iterator[list[int]]:
    """The size of each tensor that is summed over the ranks inside."""
    sizes: list[int] = []

    def counting(usual: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            sizes.append(max(a.numel() for a in (*arguments, *named.values()) if isinstance(a, Tensor)))
            return usual(*arguments, **named)

        return call

    with patch.multiple(dist, **{name: counting(getattr(dist, name)) for name in _EXCHANGES}):
        yield sizes
