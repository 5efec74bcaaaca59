"""ALPRO and its LAVIS port: 6+6 layers, tied head, classifier, entity prompting; its prompter is a model by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from mcg.convert.convert import detect
from mcg.convert.reading import Released
from mcg.convert.rules import ConvertError
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, draw
from tests.mcg.convert.small_conversions import converted, loaded


def test_retrieval_becomes_split_layers_with_a_tied_head_and_a_matching_head() -> None:
    state = draw(layouts.alpro_retrieval(SMALL))
    conversion = converted(state, "alpro")
    text = conversion.config.text
    assert (text.num_layers, text.num_fusion_layers, text.token_head, text.num_decoder_layers) == (2, 1, "tied", 0)
    model = loaded(conversion)
    assert model.itm_head is not None and torch.equal(model.itm_head.weight, state["itm_head.weight"])
    words = model.text.bert.embeddings.word_embeddings.weight
    assert torch.equal(words[:30522], state["text_encoder.bert.embeddings.word_embeddings.weight"])
    assert torch.equal(words[30522], words[101]) and torch.equal(words[30523], words[101])
    assert model.text.predictions.decoder.weight is words
    types = state["text_encoder.bert.embeddings.token_type_embeddings.weight"]
    assert torch.equal(model.text.bert.embeddings.token_type_embeddings.weight, types[:1])


def test_pretraining_brings_the_head_for_entities_and_leaves_the_prompter() -> None:
    state = draw(layouts.alpro_pretrain(SMALL, entities=3))
    conversion = converted(state, "alpro")
    model = loaded(conversion)
    assert conversion.config.num_entities == 3 and model.entity_head is not None
    assert torch.equal(model.entity_head[2].weight, state["mpm_head.2.weight"])
    dropped = {e.key: e.note for e in conversion.entries if e.status == "dropped"}
    assert sum(key.startswith("prompter.") for key in dropped) == len(layouts.alpro_prompter(SMALL, 3))
    assert "convert it with --kind alpro_prompter" in dropped["prompter.temp"]


def test_the_prompter_is_a_model_by_itself() -> None:
    state = draw(layouts.alpro_pretrain(SMALL, entities=3))
    conversion = converted(state, "alpro_prompter")
    conversion.check("a file")
    model = loaded(conversion)
    assert torch.equal(model.vision_proj.weight, state["prompter.vision_proj.weight"])
    assert not conversion.config.matching_head and conversion.config.num_entities is None
    notes = {e.key: e.note for e in conversion.entries if e.status == "dropped"}
    assert notes["prompter.video_prompt_feat"].startswith("features of the prompts")
    assert "--kind alpro" in notes["vision_proj.weight"]


def test_qa_brings_its_classifier() -> None:
    conversion = converted(draw(layouts.alpro_qa(SMALL, classes=7)), "alpro")
    model = loaded(conversion)
    assert conversion.config.num_classes == 7 and conversion.config.text.token_head == "none"
    text = model.encode_text(torch.tensor([[101, 7, 102]]), torch.ones(1, 3, dtype=torch.bool))
    vision = model.config.vision
    frames = torch.zeros(1, vision.num_frames, vision.image_size, vision.image_size, 3, dtype=torch.uint8)
    assert model.classify(model.fuse(text, model.encode_video(frames))).shape == (1, 7)


@pytest.mark.parametrize("shapes", [layouts.alpro_retrieval, lambda s: layouts.alpro_qa(s, 7)])
def test_lavis_has_the_same_without_bert_in_the_names(shapes: object) -> None:
    state = draw(shapes(SMALL))  # type: ignore[operator]
    lavis = {key.replace("text_encoder.bert.", "text_encoder."): tensor for key, tensor in state.items()}
    assert detect(Released(Path("a"), lavis, "model")).name == "lavis_alpro"
    assert detect(Released(Path("a"), state, None)).name == "alpro"
    found, expected = converted(lavis, "lavis_alpro").state, converted(state, "alpro").state
    assert set(found) == set(expected) and all(torch.equal(found[name], expected[name]) for name in found)


@pytest.mark.parametrize(
    ("family", "shapes", "prefix"),
    [
        ("alpro", layouts.alpro_pretrain(SMALL, entities=3), ""),
        ("alpro_prompter", layouts.alpro_pretrain(SMALL, entities=3), "prompter."),
        ("alpro", layouts.alpro_prompter(SMALL, entities=3), ""),
        ("alpro", layouts.alpro_retrieval(SMALL), ""),
        ("alpro", layouts.alpro_qa(SMALL, classes=7), ""),
        ("lavis_alpro", layouts.lavis_retrieval(SMALL), ""),
    ],
)
def test_a_key_too_many_or_too_few_is_told(family: str, shapes: layouts.Shapes, prefix: str) -> None:
    state = draw(shapes)
    assert converted(state, family).counts()["unexpected"] == 0
    strange, lacking = f"{prefix}strange.weight", f"{prefix}vision_proj.bias"
    with pytest.raises(ConvertError, match=f"1 keys are not accounted for: {re.escape(strange)} is unexpected"):
        converted(state | {strange: torch.ones(1)}, family)
    with pytest.raises(ConvertError, match=r"1 keys are not accounted for: vision_proj\.bias is missing"):
        converted({key: value for key, value in state.items() if key != lacking}, family)
