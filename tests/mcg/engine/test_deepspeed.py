"""The engine in one process: steps equal plain torch's, addressed dropout, non-finite losses, state without pickles."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mcg.engine.config import EngineConfig, OptimConfig
from mcg.engine.deepspeed import Engine, start_distributed
from mcg.engine.finite import NonFiniteGradient, NonFiniteLoss
from mcg.engine.optim import build_optimizer
from mcg.engine.tensors import to_tensors
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from shards import Batch
from tests.forked import run_ranks
from tests.mcg.engine.contrast_ranks import run_rank, steps_of
from tests.mcg.engine.small_engine import (
    OPTIM,
    make_batch,
    make_bundle,
    make_engine,
    make_schedule,
    save_as_before,
    save_state,
    weights,
)
from tests.mcg.small_model import make_model, text_config


def _run(engine: Engine, steps: int, first: int = 0) -> list[dict[str, float]]:
    return [engine.train_step([make_batch(seed)]) for seed in range(first, first + steps)]


def test_one_process_joins_a_group_of_its_own(device: torch.device) -> None:
    assert torch.distributed.get_world_size() == 1
    assert os.environ["RANK"] == "0"
    assert start_distributed() == device  # once more changes nothing


@pytest.mark.parametrize("fields", [{"zero_stage": 0}, {"zero_stage": 1}, {"zero_stage": 2}])
def test_steps_are_those_of_plain_adamw(device: torch.device, fields: dict[str, Any]) -> None:
    engine = make_engine(device, bundle=make_bundle(dropout=0.0), gradient_clipping=0.5, **fields)
    bundle = make_bundle(dropout=0.0).to(device)
    optimizer, schedule = build_optimizer(bundle, OPTIM), make_schedule()
    for step in range(4):
        found = engine.train_step([make_batch(step)])
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = OPTIM.lr * schedule.factor(step)
        optimizer.zero_grad()
        losses = bundle(to_tensors(make_batch(step), device), seed=0)
        losses["total"].backward()
        norm = torch.nn.utils.clip_grad_norm_(bundle.parameters(), 0.5)
        optimizer.step()
        assert found.pop("lr") == OPTIM.lr * schedule.factor(step)
        assert found.pop("gradient_norm") == pytest.approx(norm.item(), rel=1e-4)
        assert found == pytest.approx({name: loss.item() for name, loss in losses.items()}, rel=1e-4)
    for name, parameter in bundle.named_parameters():
        torch.testing.assert_close(weights(engine)[name], parameter.detach(), rtol=1e-3, atol=1e-4, msg=name)
    engine.close()


@pytest.mark.parametrize("zero_stage", [0, 1, 2])
def test_every_group_follows_the_schedule_at_its_own_rate(device: torch.device, zero_stage: int) -> None:
    optim = OptimConfig.model_validate(
        {
            **OPTIM.model_dump(),
            "groups": {
                r"vision\..+": {"lr_factor": 0.25},
                r"text_proj\..+": {"frozen": True},
                r"temp": {"lr_factor": 3.0, "weight_decay": 0.2},
            },
        }
    )
    engine = make_engine(device, bundle=make_bundle(dropout=0.0), optim=optim, zero_stage=zero_stage)
    bundle = make_bundle(dropout=0.0).to(device)
    frozen = bundle.model.text_proj.weight.detach().clone()
    optimizer, schedule = build_optimizer(bundle, optim), make_schedule()
    peaks = [group["lr"] for group in optimizer.param_groups]
    assert set(peaks) == {OPTIM.lr, OPTIM.lr * 0.25, OPTIM.lr * 3.0}
    for step in range(3):
        assert engine.train_step([make_batch(step)])["lr"] == OPTIM.lr * schedule.factor(step)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * schedule.factor(step)
        optimizer.zero_grad()
        bundle(to_tensors(make_batch(step), device), seed=0)["total"].backward()
        torch.nn.utils.clip_grad_norm_(bundle.parameters(), 1.0)
        optimizer.step()
    for name, parameter in bundle.named_parameters():
        torch.testing.assert_close(weights(engine)[name], parameter.detach(), rtol=1e-3, atol=1e-4, msg=name)
    assert torch.equal(weights(engine)["model.text_proj.weight"], frozen)
    engine.close()


def test_accumulation_averages_its_batches(device: torch.device) -> None:
    engine = make_engine(device, bundle=make_bundle(dropout=0.0), accumulation_steps=2, zero_stage=0)
    bundle = make_bundle(dropout=0.0).to(device)
    batches = [make_batch(0), make_batch(1)]
    losses = [bundle(to_tensors(batch, device), seed=0)["total"] for batch in batches]
    mean = torch.stack(losses).mean()
    mean.backward()
    norm = torch.nn.utils.clip_grad_norm_(bundle.parameters(), 1e9)
    found = engine.train_step(batches)
    assert engine.step == 1
    assert found["total"] == pytest.approx(mean.item(), rel=1e-5)
    assert found["gradient_norm"] == pytest.approx(norm.item(), rel=1e-4)
    engine.close()


def _joined(batches: Sequence[Batch]) -> Batch:
    """One batch of several."""
    arrays = {name: np.concatenate([b.arrays[name] for b in batches]) for name in batches[0].arrays}
    frames, valid = np.concatenate([b.frames for b in batches]), np.concatenate([b.valid for b in batches])
    origins, meta = [o for b in batches for o in b.origins], [m for b in batches for m in b.meta]
    return dataclasses.replace(batches[0], frames=frames, arrays=arrays, valid=valid, origins=origins, meta=meta)


@pytest.mark.parametrize("stage", [0, 1, 2, pytest.param(3, marks=pytest.mark.long)])
def test_a_contrast_over_micro_batches_makes_the_steps_of_large_batches(device: torch.device, stage: int) -> None:
    """Eight micro-batches of 4 in contrasts of 16, beside two of 16, negatives of matching included; the other losses
    are means over samples."""
    chosen = {"contrastive": {}, "sigmoid": {"bias": -1.0}, "token_contrast": {}, "generation": {}}
    chosen["matching"] = {"negatives_from": "contrastive_batch"}

    def engine(size: int, **fields: Any) -> Engine:
        model = make_model(text=text_config(dropout=0.0), matching_head=True)
        model.checkpoint_activations(size == 4)
        bundle = Bundle(model, ObjectivesConfig.model_validate(chosen).build())
        config = EngineConfig.model_validate({"zero_stage": stage, "gradient_clipping": 0.5, **fields})
        return Engine(bundle, config, OPTIM, make_schedule(), size, 0, device)

    cached = engine(4, accumulation_steps=8, contrastive_batch=16)
    large = engine(16, accumulation_steps=2)
    for step in range(3):
        batches = [make_batch(10 * step + i) for i in range(8)]
        wanted = large.train_step([_joined(batches[:4]), _joined(batches[4:])])
        assert cached.train_step(batches) == pytest.approx(wanted, rel=1e-4)
    cached.close()
    large.close()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_ranks_make_the_steps_of_one_over_micro_batches(device: torch.device, tmp_path: Path) -> None:
    wanted = steps_of(0, False, device)
    run_ranks(run_rank, (str(tmp_path),), 2)
    for rank in (0, 1):
        for told in json.loads((tmp_path / f"{rank}.json").read_text()):
            assert told == [pytest.approx(step, rel=1e-4) for step in wanted]


def test_both_passes_of_a_micro_batch_draw_the_same(device: torch.device) -> None:
    engine = make_engine(device, accumulation_steps=4, contrastive_batch=8)
    seen: list[tuple[int, int]] = []
    engine.bundle.register_forward_pre_hook(lambda _, given: seen.append((torch.initial_seed(), given[1])))
    engine.train_step([make_batch(i) for i in range(4)])
    counted, *seeds = seen  # the first pass of a run, whose operations are counted
    a, b, *_ = seeds
    assert counted == a
    c, d = seeds[4:6]
    assert len({a, b, c, d}) == 4 and seeds == [a, b, a, b, c, d, c, d]
    engine.close()


def test_dropout_is_addressed_by_seed_and_step(device: torch.device) -> None:
    curves = []
    for disturb in (False, True):
        engine = make_engine(device)
        if disturb:
            torch.manual_seed(12345)
        curves.append(_run(engine, 3))
        engine.close()
    assert curves[0] == curves[1]
    engine = make_engine(device, bundle=make_bundle(seed=0), seed=1)
    assert _run(engine, 1)[0]["total"] != curves[0][0]["total"]
    engine.close()


def test_objectives_draw_by_a_seed_of_their_batch_that_all_ranks_have(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: dict[int, list[int]] = {}
    for rank in (0, 1):
        bundle = Bundle(make_model(), ObjectivesConfig.model_validate({"generation": {}}).build())
        engine = make_engine(device, bundle=bundle, accumulation_steps=2)
        monkeypatch.setattr("mcg.distributed.rank", lambda rank=rank: rank)
        given = seeds.setdefault(rank, [])
        engine.bundle.register_forward_pre_hook(lambda _, arguments, given=given: given.append(arguments[1]))
        for _ in range(2):
            engine.train_step([make_batch(0)] * 2)
        engine.close()
        monkeypatch.undo()
    assert seeds[0] == seeds[1] and len(set(seeds[0])) == 4


def test_a_loss_that_is_not_finite_stops_before_the_update(device: torch.device) -> None:
    engine = make_engine(device)
    _run(engine, 2)
    good = make_batch()
    with torch.no_grad():
        engine.bundle.model.text_proj.bias[0] = float("inf")
    before = weights(engine)
    message = (
        r"step 2: rank 0: losses \{'contrastive': nan, .*'total': nan\}; nothing was updated\. The batch: "
        r"shapes/000002\.tar:clip0, .*clip3\. Lower optim\.lr, or look at these samples"
    )
    with pytest.raises(NonFiniteLoss, match=message):
        engine.train_step([good])
    assert engine.step == 2
    for name, weight in weights(engine).items():
        assert torch.equal(weight, before[name]), name
    engine.close()


@pytest.mark.parametrize(
    "fields",
    [
        {"zero_stage": 0},
        {"zero_stage": 1},
        {"zero_stage": 2},
        *({"zero_stage": z, "precision": "bf16"} for z in (0, 1)),
    ],
)
def test_a_gradient_that_is_not_finite_stops_before_the_update(device: torch.device, fields: dict[str, Any]) -> None:
    engine = make_engine(device, **fields)
    _run(engine, 2)
    before = weights(engine)
    engine.bundle.model.text_proj.weight.register_hook(lambda gradient: gradient * float("inf"))
    message = (
        r"step 2: rank 0: the losses are finite and the norm of the gradient is not \(.*nothing was updated.*clip3\."
    )
    with pytest.raises(NonFiniteGradient, match=message):
        engine.train_step([make_batch()])
    assert engine.step == 2
    for name, weight in weights(engine).items():
        assert torch.equal(weight, before[name]), name
    engine.close()


def test_many_origins_are_named_by_their_first(device: torch.device) -> None:
    engine = make_engine(device)
    with torch.no_grad():
        engine.bundle.model.text_proj.bias[0] = float("nan")
    batch = make_batch()
    many = dataclasses.replace(batch, origins=batch.origins * 3)
    with pytest.raises(NonFiniteLoss, match=r"clip0, .*clip3, .*clip3 and 4 more\. Lower"):
        engine.train_step([many])
    engine.close()


def test_ranks_must_divide_the_batch(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcg.distributed.world_size", lambda: 3)
    with pytest.raises(ValueError, match=r"data\.train\.batch_size 4 must be a multiple of the 3 ranks"):
        make_engine(device)


@pytest.mark.parametrize("fields", [{"zero_stage": 0}, {"zero_stage": 1}, {"accumulation_steps": 2}])
def test_a_loaded_state_goes_on_as_if_nothing_had_happened(
    device: torch.device, tmp_path: Path, fields: dict[str, Any]
) -> None:
    def run(engine: Engine, seeds: range) -> list[dict[str, float]]:
        number = engine.config.accumulation_steps
        return [engine.train_step([make_batch(seed + 50 * i) for i in range(number)]) for seed in seeds]

    whole = make_engine(device, **fields)
    curve = run(whole, range(4))
    whole.close()
    stopped = make_engine(device, **fields)
    run(stopped, range(2))
    save_state(stopped, tmp_path)
    stopped.close()
    resumed = make_engine(device, bundle=make_bundle(seed=9), **fields)  # other weights, which the state replaces
    resumed.load(tmp_path, 2)
    assert run(resumed, range(2, 4)) == curve[2:]
    resumed.close()


def test_a_state_of_an_older_version_is_read(device: torch.device, tmp_path: Path) -> None:
    engine = make_engine(device)
    _run(engine, 2)
    save_as_before(engine, tmp_path)
    curve = _run(engine, 2, 2)
    engine.close()
    resumed = make_engine(device, bundle=make_bundle(seed=9))
    resumed.load(tmp_path, 2)
    assert _run(resumed, 2, 2) == curve
    resumed.close()


def test_a_folder_without_state_is_named(device: torch.device, tmp_path: Path) -> None:
    engine = make_engine(device)
    with pytest.raises(ValueError, match=r"no training state there, as in a best checkpoint; name a folder"):
        engine.load(tmp_path, 2)
    engine.close()


class _Trap:
    """Pickled, it runs code that leaves a folder behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_no_pickled_code_of_a_checkpoint_runs(device: torch.device, tmp_path: Path) -> None:
    engine = make_engine(device)
    save_as_before(engine, tmp_path)
    sprung = tmp_path / "sprung"
    for file in (tmp_path / "state").glob("*model_states.pt"):
        torch.save({"module": _Trap(sprung)}, file)
    with pytest.raises(
        ValueError,
        match=r"cannot load this training state: .*its pickle calls posix\.mkdir, which is",
    ):
        engine.load(tmp_path, 0)
    assert not sprung.exists()
    engine.close()


def test_the_model_state_has_the_models_own_names(device: torch.device) -> None:
    engine = make_engine(device)
    state = engine.model_state()
    assert set(state) == set(make_bundle().model.state_dict())
    assert np.isfinite(sum(float(weight.sum()) for weight in state.values()))
    engine.close()
