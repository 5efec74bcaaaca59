"""BLIP base 14M: text encoder and decoder, nothing of its own image encoder, copies and queues dropped."""

from __future__ import annotations

from pathlib import Path

import torch

from mcg.convert.convert import detect
from mcg.convert.reading import Released
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import Sizes, draw
from tests.mcg.convert.small_conversions import converted, loaded, small_config

SMALL = Sizes(**{**layouts.SMALL.__dict__, "words": 30524})


def test_text_encoder_and_decoder_start_a_model_for_qa() -> None:
    state = draw(layouts.blip(SMALL))
    assert detect(Released(Path("a"), state, "model")).name == "blip"
    conversion = converted(state, "blip", small_config(SMALL, {"num_decoder_layers": 2}))
    model = loaded(conversion)
    layer = "encoder.layer.1.attention.output.dense.weight"
    assert torch.equal(model.text.bert.get_parameter(layer), state[f"text_encoder.{layer}"])
    assert model.decoder is not None
    assert torch.equal(model.decoder.bert.bert.get_parameter(layer), state[f"text_decoder.bert.{layer}"])
    dropped = {e.key: e.note for e in conversion.entries if e.status == "dropped"}
    assert "single images" in dropped["visual_encoder.cls_token"] and "single images" in dropped["vision_proj.bias"]
    assert "momentum copies" in dropped["text_proj_m.weight"] and "momentum copies" in dropped["image_queue"]
    assert not any(name.startswith("vision") for name in conversion.state)


def test_the_decoder_alone_may_be_taken() -> None:
    config = small_config(SMALL, {"num_decoder_layers": 2})
    conversion = converted(draw(layouts.blip(SMALL)), "blip", config, parts=("decoder",))
    assert {name.partition(".")[0] for name in conversion.state} == {"decoder"}
    assert "not asked for" in {entry.note for entry in conversion.entries}
