"""Checkpoint folders that DeepSpeed itself writes are read whole, whatever ZeRO spread over the ranks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mcg.convert.reading import Released, read_checkpoint
from mcg.convert.rules import ConvertError
from tests.mcg.engine.small_engine import make_batch, make_engine, save_as_before

Model = dict[str, Tensor]


def _model_of(released: Released) -> Model:
    """The weights of the model; objectives hold none."""
    return {key.removeprefix("model."): tensor for key, tensor in released.state.items()}


@pytest.fixture(params=[0, 1, 2, 3])
def saved(request: pytest.FixtureRequest, tmp_path: Path, device: torch.device) -> tuple[Path, Model]:
    """(a folder with `latest` beside the folder that it names, the model's weights) after one step."""
    engine = make_engine(device, zero_stage=request.param)
    engine.train_step([make_batch(0)])
    save_as_before(engine, tmp_path)
    (tmp_path / "latest").write_text("state\n")
    state = {name: tensor.detach().clone() for name, tensor in engine.model_state().items()}
    engine.close()
    return tmp_path, state


def test_a_folder_of_deepspeed_is_read(saved: tuple[Path, Model]) -> None:
    folder, state = saved
    for place in (folder, folder / "state"):
        found = read_checkpoint(place)
        model = _model_of(found)
        assert found.wrapper == "module" and set(model) == set(state)
        for name, tensor in state.items():
            assert torch.equal(model[name], tensor), name


@pytest.mark.parametrize("name", ["../other", "/etc", "", ".hidden"])
def test_a_latest_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "latest").write_text(name)
    with pytest.raises(ConvertError, match=r"latest: names .*, which is not a folder beside it"):
        read_checkpoint(tmp_path)


def test_a_latest_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "latest").write_text("global_step100\n")
    with pytest.raises(ConvertError, match=r"latest: names 'global_step100', and there is no such folder beside it"):
        read_checkpoint(tmp_path)


def _write_parts(folder: Path, whole: Model, world: int) -> None:
    """A checkpoint of ZeRO 3 over several ranks, as DeepSpeed lays it out."""
    flats: list[list[Tensor]] = [[] for _ in range(world)]
    for tensor in whole.values():
        share = -(-tensor.numel() // world)
        padded = torch.zeros(share * world)
        padded[: tensor.numel()] = tensor.flatten()
        for rank in range(world):
            flats[rank].append(padded[rank * share : (rank + 1) * share])
    shapes = [{name: tensor.shape for name, tensor in whole.items()}]
    for rank in range(world):
        stem = f"zero_pp_rank_{rank}_mp_rank_00"
        model = {"module": {}, "param_shapes": shapes, "buffer_names": [], "shared_params": {"tied": "a"}}
        optim = {"partition_count": world, "zero_stage": 3, "fp32_flat_groups": [torch.cat(flats[rank])]}
        torch.save(model, folder / f"{stem}_model_states.pt")
        torch.save({"optimizer_state_dict": optim}, folder / f"bf16_{stem}_optim_states.pt")


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_parts_of_several_ranks_are_put_together(tmp_path: Path, world: int) -> None:
    whole = {"a": torch.arange(6.0).view(2, 3), "b": torch.arange(5.0), "c": torch.tensor(3.0)}
    _write_parts(tmp_path, whole, world)
    found = read_checkpoint(tmp_path)
    assert set(found.state) == {*whole, "tied"} and len(found.files) == world + 1
    assert all(torch.equal(found.state[name], tensor) for name, tensor in whole.items())
    assert torch.equal(found.state["tied"], whole["a"])


@pytest.mark.parametrize("shape", ["x", (2.5,), (-1,), None])
def test_shapes_that_are_none_are_refused(tmp_path: Path, shape: object) -> None:
    torch.save({"param_shapes": [{"a": shape}]}, tmp_path / "zero_pp_rank_0_mp_rank_00_model_states.pt")
    with pytest.raises(ConvertError, match=r"model_states\.pt: has param_shapes that are no shapes; give a folder"):
        read_checkpoint(tmp_path)


def test_parts_that_are_missing_or_of_other_checkpoints_are_named(tmp_path: Path) -> None:
    whole = {"a": torch.arange(60.0)}
    _write_parts(tmp_path, whole, 3)
    last = tmp_path / "bf16_zero_pp_rank_2_mp_rank_00_optim_states.pt"
    other = tmp_path / "other"
    other.mkdir()
    _write_parts(other, {"a": torch.ones(6)}, 3)
    shutil.copy(other / last.name, last)
    with pytest.raises(ConvertError, match=r"its 3 ranks hold 2 numbers each, and its param_shapes need 20"):
        read_checkpoint(tmp_path)
    last.unlink()
    with pytest.raises(ConvertError, match=r"the file of rank 2 of 3 is missing \(zero_pp_rank_2_mp_rank_00_optim"):
        read_checkpoint(tmp_path)
    shutil.copy(tmp_path / "zero_pp_rank_0_mp_rank_00_model_states.pt", last)
    with pytest.raises(ConvertError, match=r"rank_2_.*optim_states\.pt: holds no weights of ZeRO 3; give a folder"):
        read_checkpoint(tmp_path)
    torch.save({"module": {}}, tmp_path / "mp_rank_01_model_states.pt")
    with pytest.raises(ConvertError, match=r"is split by tensor parallelism \(mp_rank_01_model_states\.pt\); merge it"):
        read_checkpoint(tmp_path)
