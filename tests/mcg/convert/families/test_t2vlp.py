"""T2VLP's keys: all of them become ours or are dropped with a reason; values: tests/parity."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import torch

from mcg.convert.convert import detect
from mcg.convert.families.t2vlp import T2VLP
from mcg.convert.reading import read_checkpoint
from mcg.convert.rules import ConvertError
from tests.parity.released import Case, read_case, released_state
from tests.parity.released_t2vlp import conversion_of


@pytest.mark.parametrize("name", ["t2vlp_visual_c", "t2vlp_stage2_c"])
def test_every_key_is_used_or_dropped_with_a_reason(name: str) -> None:
    case = read_case(name)
    entries = conversion_of(case)[1].entries
    assert {entry.status for entry in entries} == {"used", "dropped"}
    assert {entry.key for entry in entries} == {*case.facts["state_dict"]}
    dropped = {entry.key: entry.note for entry in entries if entry.status == "dropped"}
    never_run = "made with the release's model, and never run"
    local = ("class_embedding", "positional_embedding", "conv1.weight", "ln_pre.weight", "ln_pre.bias")
    for part in local:
        assert dropped.pop(f"clip.local_visual.{part}") == never_run
    for key, why in dropped.items():
        if "fusion_transformer.resblocks.2." in key:  # two blocks run
            assert why == "the model has no block 2 in its fusion: the release never runs it"
        else:
            assert key.startswith(("clip.lm_head.", "visual_linear.")) and why == never_run


def test_the_signs_are_those_of_no_other_kind() -> None:
    keys = read_case("t2vlp_stage2_c").facts["state_dict"]
    assert T2VLP.fits(keys, "model_state_dict") and T2VLP.fits([f"module.{key}" for key in keys], None)
    assert not T2VLP.fits([key.removeprefix("clip.") for key in keys], None)


@pytest.mark.parametrize("entry", [None, "model_state_dict"])
def test_a_file_of_any_stage_is_read(tmp_path: Path, entry: str | None) -> None:
    weights = released_state(read_case("t2vlp_visual_c"))
    beside = {"global_step": 7, "optim_state_dict": {"state": {0: {"next_m": torch.ones(2)}}, "param_groups": []}}
    torch.save(weights if entry is None else {entry: weights, **beside}, tmp_path / "pytorch_model.bin.4")
    found = read_checkpoint(tmp_path / "pytorch_model.bin.4")
    assert (found.wrapper, set(found.beside)) == (entry, set(beside) if entry else set())
    assert detect(found) is T2VLP
    assert found.state.keys() == weights.keys()
    assert all(torch.equal(found.state[key], tensor) for key, tensor in weights.items())


@pytest.mark.parametrize("part", ["visual.conv1.weight", "visual.transformer.resblocks.0.ln_1.bias", "fusion_center"])
def test_a_key_too_few_is_told(part: str) -> None:
    case = read_case("t2vlp_visual_c")
    names = {key: size for key, size in case.facts["state_dict"].items() if key != f"clip.{part}"}
    lacking = dataclasses.replace(case, facts={**case.facts, "state_dict": names})
    with pytest.raises(ConvertError, match=r"read as T2VLP, 1 keys are not accounted for: \S+ is missing"):
        conversion_of(lacking)[1].check("pytorch_model.bin.4")


def test_a_key_too_many_is_told() -> None:
    case = read_case("t2vlp_visual_c")
    names = {**case.facts["state_dict"], "clip.strange.weight": [1]}
    strange = dataclasses.replace(case, facts={**case.facts, "state_dict": names})
    with pytest.raises(ConvertError, match=r"1 keys are not accounted for: clip\.strange\.weight is unexpected"):
        conversion_of(strange)[1].check("pytorch_model.bin.4")


def test_a_second_stage_asks_for_tubes_that_were_trained() -> None:
    case = read_case("t2vlp_visual_c")
    names = {key: size for key, size in case.facts["state_dict"].items() if not re.search("local_visual|fusion", key)}
    without = dataclasses.replace(case, facts={**case.facts, "state_dict": names})
    with pytest.raises(ConvertError, match=r"a checkpoint without tubes, and model\.tower_gradient is false: "):
        conversion_of(without, tower_gradient=False)
    assert "tubes.centres is missing" in _refused(without)
    plain = conversion_of(without, tubes=None)[1]  # CLIP4Clip, whose names are the same
    plain.check("a file")


def _refused(case: Case) -> str:
    with pytest.raises(ConvertError) as refused:
        conversion_of(case)[1].check("a file")
    return str(refused.value)
