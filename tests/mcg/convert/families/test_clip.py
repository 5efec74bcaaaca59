"""CLIP's weights as OpenAI, open_clip and Hugging Face have them become the same towers, and begin tubes and fusion."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mcg.convert.convert import detect
from mcg.convert.families.clip import openai_rules
from mcg.convert.reading import Released
from mcg.convert.rules import ConvertError
from mcg.model.t2vlp_config import T2vlpConfig
from tests.mcg.convert.small_clips import CONFIG, PLAIN, clip_forms, converted_clip, hugging_face_clip
from tests.mcg.small_t2vlp import TEXTS


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return hugging_face_clip().state_dict()


def test_all_forms_become_the_same_weights(state: dict[str, Tensor]) -> None:
    expected = converted_clip(state, "hf_clip", PLAIN)
    assert expected.counts() == {"used": len(state), "dropped": 0, "missing": 0, "unexpected": 0}
    for form, given in clip_forms(state).items():
        kind = form.partition(" ")[0]
        for wrapped in (given, {f"module.{key}": tensor for key, tensor in given.items()}):
            assert detect(Released(Path("a"), wrapped, None)).name == kind
        found = converted_clip(given, kind, PLAIN)
        assert all(entry.ours or "not a weight" in entry.note for entry in found.entries)
        assert found.state.keys() == expected.state.keys()
        assert all(torch.equal(found.state[name], tensor) for name, tensor in expected.state.items())


@torch.no_grad()
def test_features_are_those_of_the_published_model(state: dict[str, Tensor]) -> None:
    model = PLAIN.build(TEXTS).eval()
    model.load_state_dict(converted_clip(state, "hf_clip", PLAIN).state)
    published = hugging_face_clip()
    ids = torch.tensor([[49406, 320, 1929, 49407], [49406, 518, 49407, 0]])
    texts = model.text_features(model.encode_text(ids, torch.tensor([[True] * 4, [True] * 3 + [False]])))
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    videos = model.video_features(model.encode_pixels(pixels[:, None]))
    expected = published(input_ids=ids, pixel_values=pixels)
    torch.testing.assert_close(texts, expected.text_embeds, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(videos, expected.image_embeds, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["hf_clip", "openai_clip", "open_clip"])
def test_tubes_and_fusion_begin_as_copies_of_the_towers(state: dict[str, Tensor], kind: str) -> None:
    conversion = converted_clip(clip_forms(state)[kind], kind)
    found = conversion.state
    begun = 0
    for name, tensor in found.items():
        source = re.sub(r"^tubes\.blocks\.(\d)", lambda match: f"vision.blocks.{int(match[1]) + 1}", name)
        source = source.replace("tubes.head", "vision.head").replace("fusion.blocks", "text.blocks")
        if source != name:
            assert torch.equal(tensor, found[source]) and tensor.data_ptr() != found[source].data_ptr(), name
            begun += 1
    assert begun == 16 + 2 * 16 + 3
    places = state["text_model.embeddings.position_embedding.weight"]
    assert torch.equal(found["fusion.positions"], places)  # all 24, of which the text tower has 20
    assert torch.equal(found["text.embeddings.position_embedding.weight"], places[:20])
    missing = {entry.key: entry.note for entry in conversion.entries if entry.status == "missing"}
    assert missing["tubes.blocks.0.mlp.fc1.bias"] == "begins as vision.blocks.1.mlp.fc1.bias"
    fresh = {name for name, note in missing.items() if note.startswith("fresh: CLIP of ")}
    heads = {"words.proj.weight", "words.decoder.bias", "match.match.weight", "match.unmatch.weight"}
    assert fresh == heads | {"tubes.centres", "tubes.text_proj.weight", "tubes.text_proj.bias"}
    model = CONFIG.build(TEXTS)
    assert {*model.load_state_dict(found, strict=False).missing_keys} == fresh | {"words.decoder.weight"}


def test_one_tower_alone_begins_what_is_made_of_it(state: dict[str, Tensor]) -> None:
    found = converted_clip(state, "hf_clip", parts=("vision",)).state
    assert {name.partition(".")[0] for name in found} == {"vision", "tubes", "logit_scale"}
    found = converted_clip(state, "hf_clip", parts=("text",)).state
    assert {name.partition(".")[0] for name in found} == {"text", "fusion"}


def test_a_fusion_of_another_width_stays_as_it_was_drawn(state: dict[str, Tensor]) -> None:
    narrow = {
        key: tensor[:32] if key in ("visual_projection.weight", "text_projection.weight") else tensor
        for key, tensor in state.items()
    }
    vision, text = (part.model_copy(update={"contrastive_width": 32}) for part in (CONFIG.vision, CONFIG.text))
    assert CONFIG.fusion is not None
    fusion = CONFIG.fusion.model_copy(update={"width": 32})
    config = CONFIG.model_copy(update={"vision": vision, "text": text, "fusion": fusion})
    conversion = converted_clip(narrow, "hf_clip", config)
    assert not any(name.startswith("fusion.") for name in conversion.state)
    notes = {entry.key: entry.note for entry in conversion.entries}
    assert notes["fusion.positions"] == "fresh: CLIP of Hugging Face has none"


def test_weights_tell_the_sizes_where_they_tell_the_activation(state: dict[str, Tensor]) -> None:
    forms = clip_forms(state)
    for kind in ("hf_clip", "openai_clip"):
        found = converted_clip(forms[kind], kind, None).config
        assert found.text == PLAIN.text.model_copy(update={"max_positions": 24}) and found.vision == PLAIN.vision
        assert found.tubes is None and found.fusion is None
    with pytest.raises(
        ConvertError, match=r"CLIP of open_clip: its weights do not tell the activation .*give --config"
    ):
        converted_clip(forms["open_clip"], "open_clip", None)


@pytest.mark.parametrize(
    ("part", "field", "size"),
    [
        ("vision", "width", 64),
        ("vision", "patch_size", 16),
        ("vision", "layers", 3),
        ("vision", "contrastive_width", 64),
        ("text", "width", 64),
        ("text", "layers", 2),
    ],
)
def test_another_size_is_told_with_its_setting(state: dict[str, Tensor], part: str, field: str, size: int) -> None:
    name = "num_layers" if field == "layers" else field
    changed = getattr(PLAIN, part).model_copy(update={name: 2 * size})
    message = (
        rf"a checkpoint of {field.replace('_', ' ')} {size}, and model\.{part}\.{name} is {2 * size}; set it to {size}"
    )
    with pytest.raises(ConvertError, match=message):
        converted_clip(state, "hf_clip", PLAIN.model_copy(update={part: changed}))


def test_places_are_fitted_to_larger_frames_and_no_more_words_are_made_up(state: dict[str, Tensor]) -> None:
    vision = PLAIN.vision.model_copy(update={"image_size": 48})
    conversion = converted_clip(state, "hf_clip", PLAIN.model_copy(update={"vision": vision}))
    notes = {entry.ours[0]: entry.note for entry in conversion.entries if entry.ours}
    assert notes["vision.embeddings.position_embedding.weight"] == "2 x 2 patches to 3 x 3, bicubic"
    text = PLAIN.text.model_copy(update={"max_positions": 25})
    with pytest.raises(ConvertError, match=r"24 positions there, model\.text\.max_positions is 25; lower it to 24"):
        converted_clip(state, "hf_clip", PLAIN.model_copy(update={"text": text}))
    fusion = {"width": 64, "num_heads": 1, "max_positions": 25}
    longer = T2vlpConfig.model_validate({**CONFIG.model_dump(), "fusion": fusion})
    with pytest.raises(ConvertError, match=r"24 positions there, model\.fusion\.max_positions is 25; lower it to 24"):
        converted_clip(state, "hf_clip", longer)


def test_a_key_too_many_or_too_few_is_told(state: dict[str, Tensor]) -> None:
    for kind in ("hf_clip", "openai_clip", "open_clip"):
        given = clip_forms(state)[kind]
        with pytest.raises(ConvertError, match=r"1 keys are not accounted for: visual\.strange is unexpected"):
            converted_clip(given | {"visual.strange": torch.ones(1)}, kind)
        lacking = {key: tensor for key, tensor in given.items() if key != "logit_scale"}
        with pytest.raises(ConvertError, match=r"1 keys are not accounted for: logit_scale is missing"):
            converted_clip(lacking, kind)


@pytest.mark.parametrize("key", ["input_resolution", "context_length", "vocab_size", "attn_mask"])
def test_what_is_no_weight_is_dropped(key: str) -> None:
    rule = next(rule for rule in openai_rules() if rule.apply(key) is not None)
    assert rule.weights(key, torch.zeros(())) == {} and "not a weight" in rule.reason
