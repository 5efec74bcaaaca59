"""T2VLP's keys: all of them become ours or are dropped with a reason; values: tests/parity."""

from __future__ import annotations

import pytest

from mcg.convert.families.t2vlp import T2VLP
from tests.parity.released import read_case
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
    assert not T2VLP.fits([key for key in keys if "fusion" not in key], None)
