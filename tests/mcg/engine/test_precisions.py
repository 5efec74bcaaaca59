"""Precisions, ZeRO stages, ranks, accumulation and checkpointing of activations train alike, within stated bounds.

fp16 is computed on this CPU by torch, which DeepSpeed is told that it can; on a GPU it was not measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from deepspeed.accelerator import get_accelerator

from mcg.engine.deepspeed import Engine
from tests.end_to_end.small_runs import ROOT, environment
from tests.forked import call_forked
from tests.mcg.engine.precision_runs import (
    FOUR_RANKS,
    PAIRWISE,
    STEPS_ON_RANKS,
    Setting,
    compute_fp16,
    losses_of,
    make_run,
    split_batch,
)
from tests.mcg.engine.small_engine import make_batch, make_bundle, make_engine, save_state, weights

BOUNDS = {"fp32": 1e-5, "bf16": 0.01, "fp16": 0.002}
"""Largest relative difference of a loss of the first 10 steps from fp32 without ZeRO on one rank."""
UPDATES = {"fp32": 1e-4, "bf16": 0.02, "fp16": 0.005}
"""The same for the length of the first update of all weights."""
FP16: list[Setting] = [("fp16", 1, 1, False), ("fp16", 2, 2, True), ("fp16", 3, 1, True)]


@pytest.fixture
def fp16() -> Iterator[None]:
    """DeepSpeed takes this CPU for one that computes fp16."""
    accelerator = get_accelerator()
    before = accelerator.is_fp16_supported
    compute_fp16()
    yield
    accelerator.is_fp16_supported = before


@pytest.fixture(scope="module")
def wanted(device: torch.device) -> dict[int, list[float]]:
    """The losses of fp32 without ZeRO, by the number of batches of a step."""
    return {number: losses_of(("fp32", 0, number, False), device) for number in (1, 2)}


@pytest.mark.parametrize("setting", [*PAIRWISE, *FP16])
def test_a_precision_and_a_stage_give_the_losses_of_fp32_without_zero(
    setting: Setting, device: torch.device, wanted: dict[int, list[float]], fp16: None
) -> None:
    assert losses_of(setting, device) == pytest.approx(wanted[setting[2]], rel=BOUNDS[setting[0]])


@pytest.mark.parametrize(
    ("precision", "stage"), [(name, stage) for name in UPDATES for stage in range(4) if (name, stage) != ("fp16", 0)]
)
def test_the_first_update_has_its_whole_length(precision: str, stage: int, device: torch.device, fp16: None) -> None:
    expected = _first_update(("fp32", 0, 1, False), device)
    assert expected > 0
    assert _first_update((precision, stage, 1, False), device) == pytest.approx(expected, rel=UPDATES[precision])


def _first_update(setting: Setting, device: torch.device) -> float:
    """The length of the first step that the optimiser takes, in fp32."""
    engine = make_run(setting, device)

    def own() -> dict[str, torch.Tensor]:
        (content,) = engine.state().values()
        return {name: tensor.clone() for name, tensor in content.tensors.items() if name.startswith("fp32:")}

    before = own()
    engine.train_step([split_batch(8, 0, 0, 1)])
    after = own()
    engine.close()
    return sum(float((after[name] - old).square().sum()) for name, old in before.items()) ** 0.5


def _scaled(device: torch.device) -> Engine:
    return make_engine(device, bundle=make_bundle(dropout=0.0), precision="fp16")


def test_an_update_that_overflows_is_left_out_and_the_scale_lowered(device: torch.device, fp16: None) -> None:
    engine = _scaled(device)
    before = weights(engine)
    told = [engine.train_step([make_batch(step)]) for step in range(2)]
    assert [step["gradient_norm"] for step in told] == [float("inf")] * 2
    assert told[1]["loss_scale"] < told[0]["loss_scale"] <= 2**16
    assert all(torch.equal(weight, before[name]) for name, weight in weights(engine).items())
    while told[-1]["gradient_norm"] == float("inf"):
        told.append(engine.train_step([make_batch(len(told))]))
    assert not all(torch.equal(weight, before[name]) for name, weight in weights(engine).items())
    engine.close()


def test_the_scale_of_the_loss_is_gone_on_with(device: torch.device, tmp_path: Path, fp16: None) -> None:
    whole = _scaled(device)
    curve = [whole.train_step([make_batch(step)]) for step in range(6)]
    save_state(whole, tmp_path)
    curve += [whole.train_step([make_batch(step)]) for step in range(6, 12)]
    whole.close()
    resumed = _scaled(device)
    resumed.load(tmp_path, 6)
    assert [resumed.train_step([make_batch(step)]) for step in range(6, 12)] == curve[6:]
    assert 1 < curve[5]["loss_scale"] < 2**16
    resumed.close()


def test_a_fixed_scale_is_saved_and_gone_on_with(device: torch.device, tmp_path: Path, fp16: None) -> None:
    fixed = {"precision": "fp16", "deepspeed": {"fp16": {"loss_scale": 64}}}
    engine = make_engine(device, bundle=make_bundle(dropout=0.0), **fixed)
    told = engine.train_step([make_batch()])
    save_state(engine, tmp_path)
    following = engine.train_step([make_batch(1)])
    engine.close()
    resumed = make_engine(device, bundle=make_bundle(dropout=0.0), **fixed)
    resumed.load(tmp_path, 1)
    assert told["loss_scale"] == 64 and resumed.train_step([make_batch(1)]) == following
    resumed.close()


def test_fp16_is_refused_where_it_is_not_computed(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_accelerator(), "is_fp16_supported", lambda: False)
    with pytest.raises(ValueError, match=r"engine\.precision: fp16 is nothing that this cpu computes; use bf16 or"):
        make_run(("fp16", 1, 1, False), device)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("world", "settings"), [(2, PAIRWISE), (4, FOUR_RANKS)])
def test_precisions_and_stages_on_several_ranks_give_the_losses_of_one(
    world: int, settings: list[Setting], wanted: dict[int, list[float]], tmp_path: Path
) -> None:
    words = ["-m", "tests.mcg.engine.precision_runs", str(tmp_path / "found.json")]
    done = call_forked(words, environment(), ROOT, 800, ranks=world)
    assert done.returncode == 0, done.stderr[-3000:]
    found = {tuple(setting): losses for setting, losses in json.loads((tmp_path / "found.json").read_text())}
    assert set(found) == set(settings)
    for setting, losses in found.items():
        assert len(losses) == STEPS_ON_RANKS
        assert losses == pytest.approx(wanted[setting[2]][:STEPS_ON_RANKS], rel=BOUNDS[setting[0]]), setting
