"""The account: every key ends in one of four ways, strictness, values that are no weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mcg.convert.account import summary
from mcg.convert.convert import convert, detect
from mcg.convert.families import FAMILIES
from mcg.convert.reading import Released
from mcg.convert.rules import ConvertError
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, draw
from tests.mcg.convert.small_conversions import build, converted, small_config

CONFIG = small_config(text={"num_fusion_layers": 1, "token_head": "tied"}, matching_head=True)
STATE = draw(layouts.alpro_retrieval(SMALL))
KEYS = sorted(STATE)
SHAPES = {key: tensor.to("meta") for key, tensor in STATE.items()}


@settings(max_examples=15)
@given(
    gone=st.sets(st.sampled_from(KEYS), max_size=5),
    more=st.sets(st.sampled_from(["extra", "visual_encoder.model.extra", "text_encoder.cls.extra.weight"])),
)
def test_every_key_is_accounted_for(gone: set[str], more: set[str]) -> None:
    state = {key: tensor for key, tensor in SHAPES.items() if key not in gone}
    state |= {key: torch.ones(2, device="meta") for key in more}
    conversion = convert(state, FAMILIES["alpro"], build, CONFIG)
    entries = conversion.entries
    assert {e.key for e in entries if e.status != "missing"} == set(state)
    assert {e.key for e in entries if e.status == "unexpected"} == more
    ours = [name for e in entries for name in e.ours]
    assert len(ours) == len(set(ours)) and set(ours) == set(conversion.state)
    assert sum(conversion.counts().values()) == len(entries)
    whole = set(converted(SHAPES, "alpro", CONFIG).state)
    assert {e.key for e in entries if e.status == "missing"} == whole - set(conversion.state)


def test_what_is_unexpected_or_missing_stops_a_strict_conversion() -> None:
    state = {key: tensor for key, tensor in STATE.items() if key != "text_proj.bias"} | {"strange": torch.ones(1)}
    conversion = convert(state, FAMILIES["alpro"], build, CONFIG)
    with pytest.raises(
        ConvertError,
        match=r"x\.pt: read as ALPRO, 2 keys are not accounted for: strange is unexpected; text_proj\.bias is missing",
    ):
        conversion.check("x.pt")
    json.dumps(summary(conversion))


def test_a_whole_part_that_the_family_must_have_is_missed() -> None:
    state = {key: tensor for key, tensor in STATE.items() if not key.startswith("text_encoder.")}
    with pytest.raises(ConvertError, match=r"text\.bert\.embeddings\.word_embeddings\.weight is missing"):
        convert(state, FAMILIES["alpro"], build, CONFIG).check("x")


def test_weights_for_a_part_that_the_model_lacks_are_dropped_with_the_setting_that_adds_it() -> None:
    conversion = converted(STATE, "alpro", small_config(text={"num_fusion_layers": 1, "token_head": "none"}))
    notes = {e.key: e.note for e in conversion.entries if e.status == "dropped"}
    assert notes["itm_head.bias"] == "the model has no head for matching (model.matching_head)"
    assert notes["text_encoder.cls.predictions.bias"].endswith("masked words (model.text.token_head)")


def test_more_layers_than_the_model_has_are_not_dropped_in_silence() -> None:
    state = STATE | {"visual_encoder.model.blocks.0.evil.weight": torch.ones(1)}
    with pytest.raises(ConvertError, match=r"blocks\.0\.evil\.weight is unexpected"):
        convert(state, FAMILIES["alpro"], build, CONFIG).check("x")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_weights_are_refused(value: float) -> None:
    broken = STATE["vision_proj.bias"].clone()
    broken[3] = value
    with pytest.raises(ConvertError, match=r"vision_proj\.bias: 1 of its 8 values are nan or infinite"):
        convert(STATE | {"vision_proj.bias": broken}, FAMILIES["alpro"], build, CONFIG)
    with pytest.raises(ConvertError, match=r"vision_proj\.bias: holds torch\.int64, expected floating point"):
        convert(STATE | {"vision_proj.bias": broken.nan_to_num().long()}, FAMILIES["alpro"], build, CONFIG)


def test_half_precision_becomes_single() -> None:
    state = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in STATE.items()}
    conversion = converted(state, "alpro", CONFIG)
    assert {tensor.dtype for tensor in conversion.state.values()} == {torch.float32}
    assert torch.equal(conversion.state["vision_proj.bias"], STATE["vision_proj.bias"].half().float())


def test_two_values_for_one_weight_are_refused() -> None:
    other = STATE | {"text_encoder.cls.predictions.decoder.bias": torch.zeros(30522)}
    with pytest.raises(ConvertError, match=r"decoder\.bias and .*predictions\.bias are one weight in this model"):
        convert(other, FAMILIES["alpro"], build, CONFIG)


def test_an_unknown_kind_shows_some_keys_and_the_known_kinds() -> None:
    with pytest.raises(ConvertError, match=r"of no known kind \(1 keys, e\.g\. a\); known kinds: mcg, lavis"):
        detect(Released(Path("x"), {"a": torch.ones(1)}, None))
    with pytest.raises(ConvertError, match=r"looks like one of ours: give its folder to init_from"):
        detect(Released(Path("x"), {"vision.cls_token": torch.ones(1)}, None))
