"""The training state goes on from any number of ranks and any ZeRO stage on any other, and nothing of it is guessed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mcg.engine.checkpoint import CheckpointError
from mcg.engine.config import OptimConfig
from mcg.engine.deepspeed import Engine
from mcg.engine.store.contents import write_contents
from mcg.engine.store.state import has_state, read_state, state_of
from mcg.engine.store.tensor_file import write_tensors
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from tests.forked import call_forked
from tests.mcg.engine.small_engine import (
    OPTIM,
    make_batch,
    make_bundle,
    make_engine,
    save_state,
    split_batch,
    weights,
)
from tests.mcg.engine.store.rank_run import make_part, own_part
from tests.mcg.small_model import make_model

ROOT = Path(__file__).resolve().parents[4]


def _steps(engine: Engine, number: int) -> list[float]:
    return [engine.train_step([make_batch(engine.step)])["total"] for _ in range(number)]


def _bundle(seed: int = 0) -> Bundle:
    """With a buffer and an integer one; part of it is frozen by _OPTIM."""
    bundle = make_bundle(seed, dropout=0.0)
    bundle.model.register_buffer("seen", torch.full((3,), float(seed)))
    bundle.model.register_buffer("count", torch.tensor(seed))
    bundle.model.register_buffer("scratch", torch.full((2,), float(seed)), persistent=False)
    return bundle


_OPTIM = OptimConfig.model_validate({**OPTIM.model_dump(), "groups": {r"text_proj\..+": {"frozen": True}}})


def _engine(device: torch.device, seed: int = 0, **fields: Any) -> Engine:
    return make_engine(device, bundle=_bundle(seed), optim=_OPTIM, **fields)


@pytest.fixture(scope="module")
def curve(device: torch.device) -> list[float]:
    """The losses of eight steps that nobody interrupted, without ZeRO."""
    engine = _engine(device, zero_stage=0)
    losses = _steps(engine, 8)
    engine.close()
    return losses


def test_a_run_changes_its_stage_at_every_start(device: torch.device, tmp_path: Path, curve: list[float]) -> None:
    found: list[float] = []
    for number, stage in enumerate((1, 2, 3, 0)):
        engine = _engine(device, seed=number, zero_stage=stage)
        if number:
            engine.load(tmp_path / str(number), 2 * number)
            assert engine.bundle.model.count == 0 and engine.bundle.model.seen.tolist() == [0.0] * 3
            assert engine.bundle.model.scratch.tolist() == [number] * 2  # no part of a model's state
        found += _steps(engine, 2)
        (tmp_path / str(number + 1)).mkdir()
        save_state(engine, tmp_path / str(number + 1))
        engine.close()
    assert found == pytest.approx(curve, rel=1e-6)


def test_a_run_changes_its_accumulation_and_where_its_optimiser_is(device: torch.device, tmp_path: Path) -> None:
    kinds: list[dict[str, Any]] = [
        {"zero_stage": 1},
        {"zero_stage": 1, "accumulation_steps": 2},
        {"zero_stage": 2, "offload_optimizer": True},
        {"zero_stage": 0, "accumulation_steps": 2, "activation_checkpointing": True},
    ]
    curves = []
    for folder, changes in ((tmp_path / "changes", kinds), (tmp_path / "stays", [kinds[0]] * len(kinds))):
        curves.append(found := [])
        for number, fields in enumerate(changes):
            objectives = ObjectivesConfig.model_validate({"generation": {}}).build()  # no sample sees another
            engine = make_engine(device, bundle=Bundle(make_model(seed=number), objectives), **fields)
            if number:
                engine.load(folder / str(number), 2 * number)
            parts = fields.get("accumulation_steps", 1)
            for _ in range(2):
                batches = [split_batch(4, engine.step, part, parts) for part in range(parts)]
                found.append(engine.train_step(batches)["total"])
            (folder / str(number + 1)).mkdir(parents=True)
            save_state(engine, folder / str(number + 1))
            engine.close()
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_changes_its_precision(device: torch.device, tmp_path: Path, curve: list[float], precision: str) -> None:
    """The optimiser's numbers stay what they were, in fp32."""
    before = _engine(device, zero_stage=1, precision="bf16" if precision == "fp32" else "fp32")
    _steps(before, 3)
    save_state(before, tmp_path)
    before.close()
    engine = _engine(device, seed=5, zero_stage=2, precision=precision)
    engine.load(tmp_path, 3)
    save_state(engine, _made(tmp_path / "again"))
    old, new = (load_file(folder / "state" / "rank-00000.safetensors") for folder in (tmp_path, tmp_path / "again"))
    assert old.keys() == new.keys()
    assert all(torch.equal(old[key], new[key]) for key in old if not key.startswith("value:"))
    assert _steps(engine, 1) == pytest.approx(curve[3:4], rel=0.02)
    engine.close()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("world", [2, 3, 7])
def test_shares_of_any_number_of_ranks_are_put_together(
    device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: int
) -> None:
    engine = _engine(device, zero_stage=0)
    _steps(engine, 2)
    files = {}
    for rank in range(world):
        monkeypatch.setattr("mcg.distributed.rank", lambda rank=rank: rank)
        monkeypatch.setattr("mcg.distributed.world_size", lambda: world)
        files |= write_contents(tmp_path, state_of(engine._engine, 2))
    monkeypatch.undo()
    assert sorted(files) == [f"state/rank-{rank:05d}.safetensors" for rank in range(world)]
    sizes = [facts.bytes for facts in files.values()]
    assert max(sizes) < 1.3 * min(sizes)  # equal shares
    other = _engine(device, seed=4, zero_stage=1)
    other.load(tmp_path, 2)
    for name, weight in weights(engine).items():
        assert torch.equal(weights(other)[name], weight), name
    assert _steps(other, 2) == pytest.approx(_steps(engine, 2), rel=1e-6)
    for made in (engine, other):
        made.close()


def test_a_state_of_before_the_first_step_has_no_moments(device: torch.device, tmp_path: Path) -> None:
    engine = _engine(device, zero_stage=0)
    save_state(engine, tmp_path)
    other = _engine(device, seed=1, zero_stage=2)
    other.load(tmp_path, 0)
    assert _steps(other, 3) == pytest.approx(_steps(engine, 3), rel=1e-6)
    for made in (engine, other):
        made.close()


def _saved(device: torch.device, folder: Path) -> tuple[Engine, Path]:
    engine = _engine(device, zero_stage=1)
    _steps(engine, 1)
    save_state(engine, folder)
    assert has_state(folder)
    return engine, folder / "state" / "rank-00000.safetensors"


def test_a_state_of_another_step_is_refused(device: torch.device, tmp_path: Path) -> None:
    engine, _ = _saved(device, tmp_path)
    with pytest.raises(CheckpointError, match=r"rank-00000\.safetensors: is of step 1, and the checkpoint of step 2"):
        read_state(engine._engine, tmp_path, 2)
    engine.close()


def test_a_state_that_lacks_a_piece_is_refused(device: torch.device, tmp_path: Path) -> None:
    engine, file = _saved(device, tmp_path)
    tensors = load_file(file)
    name = next(key for key in tensors if key.startswith("exp_avg:"))
    told = _metadata(file)
    starts = json.loads(told["starts"])
    starts[name] += 1  # the first number is missing
    file.unlink()
    write_tensors(file, {**tensors, name: tensors[name][1:]}, {**told, "starts": json.dumps(starts)})
    message = rf"state: lacks exp_avg of {name.partition(':')[2]}, numbers 0 to 1, of this model; train the same"
    with pytest.raises(CheckpointError, match=message):
        engine.load(tmp_path, 1)
    engine.close()


def test_a_state_of_other_parameters_is_refused(device: torch.device, tmp_path: Path) -> None:
    _saved(device, tmp_path)[0].close()
    engine = make_engine(device, bundle=_bundle())  # trains text_proj, which was frozen
    with pytest.raises(
        CheckpointError, match=r"lacks fp32 of model\.text_proj\.\w+, numbers .*\(model\.\*, objectives"
    ):
        engine.load(tmp_path, 1)
    engine.close()


def test_a_file_that_is_no_state_is_named(device: torch.device, tmp_path: Path) -> None:
    engine, file = _saved(device, tmp_path)
    file.write_bytes(b"\x08" + bytes(30))
    with pytest.raises(CheckpointError, match=r"rank-00000\.safetensors: not readable: "):
        engine.load(tmp_path, 1)
    engine.close()


def _metadata(file: Path) -> dict[str, str]:
    head = file.read_bytes()
    header = json.loads(head[8 : 8 + int.from_bytes(head[:8], "little")])
    return dict(header["__metadata__"])


def _parts(run: Path, parts: Sequence[tuple[int, dict[str, Any], int]]) -> list[dict[str, float]]:
    """The losses of a run whose parts ran one after the other: (ranks, fields of the engine, steps) each."""
    run.mkdir()
    for world, fields, steps in parts:
        words = ["-m", "tests.mcg.engine.store.rank_run", str(run), json.dumps(fields), str(steps)]
        done = call_forked(words, {**os.environ, "OMP_NUM_THREADS": "1"}, ROOT, 280, ranks=world)
        assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_ranks_then_one_then_four_then_two_through_all_stages(device: torch.device, tmp_path: Path) -> None:
    """ZeRO 1, 2, 3, 0: the losses are those of one rank that nobody interrupted."""
    engine = make_part({"zero_stage": 0}, device)
    whole = [engine.train_step([own_part(step)]) for step in range(15)]
    engine.close()
    changing = [
        (2, {"zero_stage": 1}, 4),
        (1, {"zero_stage": 2}, 4),
        (4, {"zero_stage": 3}, 3),
        (2, {"zero_stage": 0}, 4),
    ]
    found = _parts(tmp_path / "parts", changing)
    assert [line["step"] for line in found] == list(range(1, 16))
    for line, expected in zip(found, whole, strict=True):
        for name in set(line) - {"step", "lr", "gradient_norm"}:
            assert line[name] == pytest.approx(expected[name], rel=1e-5), (line["step"], name)
