"""CLIP's weights as OpenAI, open_clip and Hugging Face have them become the same towers, and begin tubes and fusion."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from mcg.convert.account import Conversion
from mcg.convert.convert import convert, detect
from mcg.convert.families import FAMILIES
from mcg.convert.families.clip import openai_rules
from mcg.convert.reading import Released, read_checkpoint
from mcg.convert.rules import ConvertError
from mcg.model.t2vlp_config import T2vlpConfig
from tests.mcg.small_t2vlp import TEXTS, t2vlp_config

_NAMES = {
    r"vision_model\.embeddings\.patch_embedding\.": "visual.conv1.",
    r"vision_model\.embeddings\.position_embedding\.weight": "visual.positional_embedding",
    r"vision_model\.embeddings\.class_embedding": "visual.class_embedding",
    r"vision_model\.pre_layrnorm\.": "visual.ln_pre.",
    r"vision_model\.post_layernorm\.": "visual.ln_post.",
    r"vision_model\.encoder\.layers\.": "visual.transformer.resblocks.",
    r"text_model\.encoder\.layers\.": "transformer.resblocks.",
    r"text_model\.embeddings\.token_embedding\.": "token_embedding.",
    r"text_model\.embeddings\.position_embedding\.weight": "positional_embedding",
    r"text_model\.final_layer_norm\.": "ln_final.",
    r"\.self_attn\.out_proj\.": ".attn.out_proj.",
    r"\.layer_norm(\d)\.": r".ln_\1.",
    r"\.mlp\.fc1\.": ".mlp.c_fc.",
    r"\.mlp\.fc2\.": ".mlp.c_proj.",
}
"""What the conversion script of `transformers` makes of OpenAI's names, the other way round."""


CONFIG = t2vlp_config(
    vision={
        "width": 64, "num_heads": 1, "num_layers": 3, "image_size": 32, "patch_size": 16, "contrastive_width": 64
    },
    text={"width": 64, "num_heads": 1, "num_layers": 2, "max_positions": 20, "contrastive_width": 64},
    tubes={"num_centres": 3, "num_layers": 2},
    fusion={"width": 64, "num_heads": 1, "num_layers": 1, "max_positions": 24},
)  # fmt: skip
"""Of the towers of hugging_face_clip, with tubes and fusion."""
PLAIN = CONFIG.model_copy(update={"tubes": None, "fusion": None})


def hugging_face_clip() -> CLIPModel:
    common = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 1}
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**common, "num_hidden_layers": 2, "vocab_size": TEXTS.size, "max_position_embeddings": 24},
        vision_config={**common, "num_hidden_layers": 3, "image_size": 32, "patch_size": 16},
        projection_dim=64,
    )
    model = CLIPModel(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return hugging_face_clip().state_dict()


def openai_clip(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights in OpenAI's form."""
    made = {}
    for key, tensor in state.items():
        if match := re.fullmatch(r"(.+)\.self_attn\.q_proj\.(weight|bias)", key):
            stem = f"{match[1]}.self_attn"
            tensor = torch.cat([state[f"{stem}.{name}_proj.{match[2]}"] for name in "qkv"])
            key = f"{match[1]}.attn.in_proj_{match[2]}"
        elif re.search(r"self_attn\.[kv]_proj", key):
            continue
        elif key in ("visual_projection.weight", "text_projection.weight"):
            key, tensor = {"v": "visual.proj", "t": "text_projection"}[key[0]], tensor.T
        for theirs, own in _NAMES.items():
            key = re.sub(theirs, own, key)
        made[key] = tensor
    return made


def _converted(state: dict[str, Tensor], kind: str, config: T2vlpConfig | None = CONFIG, **options: Any) -> Conversion:
    conversion = convert(state, FAMILIES[kind], lambda model: model.build(TEXTS), config, **options)
    conversion.check("small")
    return conversion


def _forms(state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The same weights as each family has them."""
    openai = openai_clip(state)
    text = ("token_embedding", "positional_embedding", "transformer", "ln_final", "text_projection", "attn_mask")
    sizes = {name: torch.tensor(9) for name in ("input_resolution", "context_length", "vocab_size")}
    custom = {f"text.{key}" if key.startswith(text) else key: tensor for key, tensor in openai.items()}
    return {"openai_clip": openai | sizes, "open_clip": openai, "open_clip of two towers": custom, "hf_clip": state}


def test_all_forms_become_the_same_weights(state: dict[str, Tensor]) -> None:
    expected = _converted(state, "hf_clip", PLAIN)
    assert expected.counts() == {"used": len(state), "dropped": 0, "missing": 0, "unexpected": 0}
    for form, given in _forms(state).items():
        kind = form.partition(" ")[0]
        for wrapped in (given, {f"module.{key}": tensor for key, tensor in given.items()}):
            assert detect(Released(Path("a"), wrapped, None)).name == kind
        found = _converted(given, kind, PLAIN)
        assert all(entry.ours or "not a weight" in entry.note for entry in found.entries)
        assert found.state.keys() == expected.state.keys()
        assert all(torch.equal(found.state[name], tensor) for name, tensor in expected.state.items())


@torch.no_grad()
def test_features_are_those_of_the_published_model(state: dict[str, Tensor]) -> None:
    model = PLAIN.build(TEXTS).eval()
    model.load_state_dict(_converted(state, "hf_clip", PLAIN).state)
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
    conversion = _converted(_forms(state)[kind], kind)
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
    found = _converted(state, "hf_clip", parts=("vision",)).state
    assert {name.partition(".")[0] for name in found} == {"vision", "tubes", "logit_scale"}
    found = _converted(state, "hf_clip", parts=("text",)).state
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
    conversion = _converted(narrow, "hf_clip", config)
    assert not any(name.startswith("fusion.") for name in conversion.state)
    notes = {entry.key: entry.note for entry in conversion.entries}
    assert notes["fusion.positions"] == "fresh: CLIP of Hugging Face has none"


def test_weights_tell_the_sizes_where_they_tell_the_activation(state: dict[str, Tensor]) -> None:
    forms = _forms(state)
    for kind in ("hf_clip", "openai_clip"):
        found = _converted(forms[kind], kind, None).config
        assert found.text == PLAIN.text.model_copy(update={"max_positions": 24}) and found.vision == PLAIN.vision
        assert found.tubes is None and found.fusion is None
    with pytest.raises(
        ConvertError, match=r"CLIP of open_clip: its weights do not tell the activation .*give --config"
    ):
        _converted(forms["open_clip"], "open_clip", None)


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
        _converted(state, "hf_clip", PLAIN.model_copy(update={part: changed}))


def test_places_are_fitted_to_larger_frames_and_no_more_words_are_made_up(state: dict[str, Tensor]) -> None:
    vision = PLAIN.vision.model_copy(update={"image_size": 48})
    conversion = _converted(state, "hf_clip", PLAIN.model_copy(update={"vision": vision}))
    notes = {entry.ours[0]: entry.note for entry in conversion.entries if entry.ours}
    assert notes["vision.embeddings.position_embedding.weight"] == "2 x 2 patches to 3 x 3, bicubic"
    text = PLAIN.text.model_copy(update={"max_positions": 25})
    with pytest.raises(ConvertError, match=r"24 positions there, model\.text\.max_positions is 25; lower it to 24"):
        _converted(state, "hf_clip", PLAIN.model_copy(update={"text": text}))
    fusion = {"width": 64, "num_heads": 1, "max_positions": 25}
    longer = T2vlpConfig.model_validate({**CONFIG.model_dump(), "fusion": fusion})
    with pytest.raises(ConvertError, match=r"24 positions there, model\.fusion\.max_positions is 25; lower it to 24"):
        _converted(state, "hf_clip", longer)


def test_a_key_too_many_or_too_few_is_told(state: dict[str, Tensor]) -> None:
    for kind in ("hf_clip", "openai_clip", "open_clip"):
        given = _forms(state)[kind]
        with pytest.raises(ConvertError, match=r"1 keys are not accounted for: visual\.strange is unexpected"):
            _converted(given | {"visual.strange": torch.ones(1)}, kind)
        lacking = {key: tensor for key, tensor in given.items() if key != "logit_scale"}
        with pytest.raises(ConvertError, match=r"1 keys are not accounted for: logit_scale is missing"):
            _converted(lacking, kind)


class _Module(torch.nn.Module):
    """Modules with the weights of a state dict, as a program of TorchScript has them."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        for name in dict.fromkeys(key.partition(".")[0] for key in state):
            inner = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
            if inner:
                self.add_module(name, _Module(inner))
            else:
                self.register_buffer(name, state[name])


def _write(form: str, folder: Path) -> Path:
    model = hugging_face_clip()
    if form == "archive":
        whole = _forms(model.state_dict())["openai_clip"]
        half = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in whole.items()}
        torch.jit.script(_Module(half)).save(str(folder / "ViT.pt"))
        return folder / "ViT.pt"
    if form == "safetensors":
        model.save_pretrained(folder)
    else:
        places = {f"{tower}_model.embeddings.position_ids": torch.arange(24)[None] for tower in ("text", "vision")}
        torch.save(model.state_dict() | places, folder / "pytorch_model.bin")
    return folder


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("form", ["archive", "bin", "safetensors"])
def test_published_files_are_read(state: dict[str, Tensor], tmp_path: Path, form: str) -> None:
    released = read_checkpoint(_write(form, tmp_path))
    found = _converted(released.state, detect(released).name, None).state
    for name, tensor in _converted(state, "hf_clip", None).state.items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], tensor.half().float() if form == "archive" else tensor), name


@pytest.mark.parametrize("key", ["input_resolution", "context_length", "vocab_size", "attn_mask"])
def test_what_is_no_weight_is_dropped(key: str) -> None:
    rule = next(rule for rule in openai_rules() if rule.apply(key) is not None)
    assert rule.weights(key, torch.zeros(())) == {} and "not a weight" in rule.reason
