"""MCG's releases: pre-training and QA, concatenation and cross-attention."""

from __future__ import annotations

import torch

from mcg.convert.convert import detect
from mcg.convert.reading import Released
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import Sizes, draw
from tests.mcg.convert.small_conversions import converted, loaded, small_config

SMALL = Sizes(**{**layouts.SMALL.__dict__, "words": 30524})


def test_pretraining_becomes_a_model_without_decoder() -> None:
    state = draw(layouts.mcg_pretrain(SMALL))
    conversion = converted(state, "mcg")
    assert conversion.config.text.num_decoder_layers == 0 and conversion.config.text.token_head == "untied"
    model = loaded(conversion)
    assert torch.equal(
        model.vision.blocks[1].temporal_fc.weight, state["visual_encoder.model.blocks.1.temporal_fc.weight"]
    )
    assert torch.equal(model.text.predictions.decoder.bias, state["text_encoder.cls.predictions.bias"])
    assert torch.equal(model.temp, state["temp"].reshape(1))
    assert not model.text.bert.embeddings.token_type_embeddings.weight.any()
    reasons = {entry.note for entry in conversion.entries if entry.status == "dropped"}
    assert len(reasons) == 4 and any("no cross-attention in its fusion" in reason for reason in reasons)


def test_qa_brings_its_decoder_and_leaves_the_dead_head() -> None:
    state = draw(layouts.mcg_qa(SMALL))
    conversion = converted(state, "mcg")
    model = loaded(conversion)
    assert conversion.config.text.num_decoder_layers == 2 and model.decoder is not None
    words = model.decoder.bert.bert.embeddings.word_embeddings.weight
    assert model.decoder.bert.cls.predictions.decoder.weight is words
    assert torch.equal(words, state["text_decoder.bert.embeddings.word_embeddings.weight"])
    dead = [e for e in conversion.entries if e.key.startswith("text_decoder.bert.cls.")]
    assert len(dead) == 7 and {e.note for e in dead} == {"a second output layer of the decoder, which is never run"}


def test_cross_attention_of_the_encoder_is_used_where_fusion_is_by_it() -> None:
    state = draw(layouts.mcg_pretrain(SMALL))
    conversion = converted(state, "mcg", small_config(SMALL, {"fusion": "cross_attention"}))
    layer = loaded(conversion).text.bert.encoder.layer[1]
    key = "text_encoder.encoder.layer.1.crossattention.self.query.weight"
    assert torch.equal(layer.crossattention.self.query.weight, state[key])


def test_pretrained_weights_start_a_model_for_qa() -> None:
    conversion = converted(
        draw(layouts.mcg_pretrain(SMALL)), "mcg", small_config(SMALL, {"num_decoder_layers": 2}, matching_head=True)
    )
    missing = [entry for entry in conversion.entries if entry.status == "missing"]
    assert {entry.note for entry in missing} == {"fresh: MCG has none", "zeros: MCG has no token types"}
    assert {entry.key.split(".")[0] for entry in missing} == {"decoder", "itm_head", "text"}


def test_both_are_told_by_their_keys() -> None:
    for shapes in (layouts.mcg_pretrain, layouts.mcg_qa):
        state = draw(shapes(SMALL))
        assert detect(Released(__file__, state, None)).name == "mcg"  # type: ignore[arg-type]
