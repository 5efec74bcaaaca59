"""Parameters and entries of released models and of ours: a test for each row of docs/facts/mcg_alpro.md 8.1 and 8.2."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from mcg.convert.account import Conversion
from mcg.convert.convert import convert
from mcg.convert.families import FAMILIES
from mcg.model.mcg import MCG
from mcg.model.mcg_config import MCGConfig
from mcg.model.parts.bert import Decoder, TextEncoder
from mcg.model.parts.configs import TextConfig, TimeSformerConfig
from mcg.model.parts.timesformer import TimeSformer
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import Shapes, Sizes
from tests.parity.released import GOLDEN

MCG_BASE, ALPRO_BASE = Sizes(words=30524), Sizes()
HEAD, CROSS, TYPE = 307_600, 12 * 2_363_904, 768


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _released(shapes: Shapes) -> int:
    """Parameters, each once; numbers of positions and features of prompts are buffers."""
    shared = layouts.tied_to(shapes)
    return sum(
        math.prod(shape)
        for key, shape in shapes.items()
        if key not in shared and not key.endswith(("position_ids", "_prompt_feat"))
    )


def _converted(shapes: Shapes, family: str, vocab_size: int) -> Conversion:
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
    conversion = convert(state, FAMILIES[family], lambda config: MCG(config, vocab_size))
    conversion.check("meta")
    return conversion


def _ours(conversion: Conversion, vocab_size: int) -> int:
    with torch.device("meta"):
        return _count(MCG(conversion.config, vocab_size))


@pytest.fixture(scope="module")
def base() -> Any:
    with torch.device("meta"):
        return {
            "vision4": TimeSformer(TimeSformerConfig()),
            "vision16": TimeSformer(TimeSformerConfig(num_frames=16)),
            "text": TextEncoder(TextConfig(), 30524),
            "alpro": TextEncoder(TextConfig(token_head="tied"), 30522),
            "decoder": Decoder(TextConfig(), 30524),
            "mcg": MCG(MCGConfig(matching_head=True, num_classes=1500), 30524),
            "msvd": MCG(MCGConfig(num_classes=2423), 30524),
        }


def test_patch_embedding_and_places(base: Mapping[str, Any]) -> None:
    vision = base["vision16"]
    assert _count(vision.patch_embed) == 590_592
    assert (vision.cls_token.numel(), vision.pos_embed.numel(), vision.time_embed.numel()) == (768, 151_296, 768 * 16)


def test_a_block_of_the_visual_encoder(base: Mapping[str, Any]) -> None:
    block = base["vision4"].blocks[0]
    assert _count(block) == 10_042_368
    assert _count(block.attn) == _count(block.temporal_attn) == 2_362_368
    assert (_count(block.temporal_fc), _count(block.mlp)) == (590_592, 4_722_432)
    assert _count(block.norm1) + _count(block.norm2) + _count(block.temporal_norm1) == 4_608


@pytest.mark.parametrize(("frames", "released"), [(4, 121_563_280), (16, 121_572_496)])
def test_the_visual_encoder_without_its_unused_head(base: Mapping[str, Any], frames: int, released: int) -> None:
    assert _released(layouts.vit("", Sizes(frames=frames), time=True)) == released
    assert _count(base[f"vision{frames}"]) == released - HEAD


def test_a_layer_of_bert(base: Mapping[str, Any]) -> None:
    assert _count(base["text"].bert.encoder.layer[0]) == 7_087_872
    assert _count(base["decoder"].bert.bert.encoder.layer[0]) == 9_451_776
    assert _count(base["decoder"].bert.bert.encoder.layer[0].crossattention) == 2_363_904


def test_embeddings(base: Mapping[str, Any]) -> None:
    # ours has one token type where MCG has none and ALPRO two
    assert _count(base["text"].bert.embeddings) == 23_837_184 + TYPE
    assert _count(base["alpro"].bert.embeddings) == 23_837_184 - TYPE


def test_projections_and_heads(base: Mapping[str, Any]) -> None:
    model = base["mcg"]
    assert _count(model.vision_proj) == _count(model.text_proj) == 196_864
    assert (_count(model.itm_head), model.temp.numel()) == (1_538, 1)
    assert (_count(model.classifier), _count(base["msvd"].classifier)) == (3_486_684, 4_905_335)


def test_heads_for_words(base: Mapping[str, Any]) -> None:
    assert _count(base["text"].predictions) == 24_065_084
    assert _count(base["alpro"].predictions) - 30522 * 768 == 622_650
    assert _count(base["decoder"].bert.cls) - 30524 * 768 == 622_652
    entities = layouts.linear("mpm_head.0", 1536, 768) | layouts.linear("mpm_head.2", 1000, 1536)
    assert _released(entities) == 2_718_184  # entity prompting: dropped by the converter


@pytest.mark.parametrize(
    ("frames", "shapes", "total", "entries"),
    [
        (4, layouts.alpro_prompter, 231_472_845, 463),
        (4, layouts.alpro_retrieval, 231_472_845, 461),
        (8, layouts.alpro_retrieval, 231_475_917, 461),
    ],
)
def test_alpro_prompter_and_retrieval(frames: int, shapes: Any, total: int, entries: int) -> None:
    released = shapes(Sizes(frames=frames))
    assert (_released(released), len(released)) == (total, entries)
    conversion = _converted(released, "alpro", 30522)
    assert _ours(conversion, 30522) == total - HEAD - TYPE


def test_alpro_pretraining() -> None:
    released = layouts.alpro_pretrain(ALPRO_BASE)
    assert (_released(released), len(released)) == (465_663_874, 928)
    without = {key: shape for key, shape in released.items() if not key.startswith("prompter.")}
    assert _released(without) == 234_191_029
    conversion = _converted(released, "alpro", 30522)
    assert _ours(conversion, 30522) == 234_191_029 - HEAD - TYPE
    prompter = _converted(released, "alpro_prompter", 30522)
    assert _ours(prompter, 30522) == 465_663_874 - 234_191_029 - 1_538 - HEAD - TYPE  # without its head for matching


@pytest.mark.parametrize(("classes", "total"), [(1500, 234_346_095), (2423, 235_764_746)])
def test_alpro_qa(classes: int, total: int) -> None:
    released = layouts.alpro_qa(Sizes(frames=16), classes)
    assert (_released(released), len(released)) == (total, 458)
    conversion = _converted(released, "alpro", 30522)
    assert conversion.config.num_classes == classes
    assert _ours(conversion, 30522) == total - HEAD - TYPE


@pytest.mark.parametrize("head", [False, True])
def test_lavis_retrieval(head: bool) -> None:
    released = layouts.lavis_retrieval(Sizes(frames=8), head)
    masked_words = 622_650
    assert _released(released) == 231_475_917 - masked_words - (0 if head else HEAD)
    conversion = _converted(released, "lavis_alpro", 30522)
    assert _ours(conversion, 30522) == 231_475_917 - masked_words - HEAD - TYPE
    assert conversion.config.matching_head and conversion.config.vision.num_frames == 8


@pytest.mark.parametrize(
    ("family", "released", "used", "dropped"),
    [
        ("alpro", layouts.alpro_pretrain(ALPRO_BASE), 460, 463 + 5),
        ("alpro_prompter", layouts.alpro_pretrain(ALPRO_BASE), 454, 465 + 9),
        ("alpro", layouts.alpro_prompter(ALPRO_BASE), 456, 7),
        ("alpro", layouts.alpro_retrieval(Sizes(frames=8)), 456, 5),
        ("alpro", layouts.alpro_qa(Sizes(frames=16), 1500), 455, 3),
        ("alpro", layouts.alpro_qa(Sizes(frames=16), 2423), 455, 3),
        ("lavis_alpro", layouts.lavis_retrieval(Sizes(frames=8)), 451, 1),
        ("lavis_alpro", layouts.lavis_retrieval(Sizes(frames=8), head=True), 451, 3),
    ],
)
def test_every_key_of_alpro_is_accounted_for(family: str, released: Shapes, used: int, dropped: int) -> None:
    conversion = _converted(released, family, 30522)
    assert conversion.counts() == {"used": used, "dropped": dropped, "missing": 0, "unexpected": 0}
    assert sorted(entry.key for entry in conversion.entries) == sorted(released)
    for entry in conversion.entries:
        assert entry.ours if entry.status == "used" else entry.note, entry


def test_mcg_pretraining() -> None:
    released = layouts.mcg_pretrain(MCG_BASE)
    assert (_released(released), len(released)) == (283_280_589, 578)
    conversion = _converted(released, "mcg", 30524)
    assert _ours(conversion, 30524) == 254_606_141 + TYPE == 283_280_589 - HEAD - CROSS + TYPE
    assert conversion.counts() == {"used": 454, "dropped": 124, "missing": 1, "unexpected": 0}


def test_mcg_qa() -> None:
    released = layouts.mcg_qa(Sizes(words=30524, frames=16))
    assert (_released(released), len(released)) == (445_236_037, 909)
    conversion = _converted(released, "mcg", 30524)
    dead_head = 24_065_084
    assert _ours(conversion, 30524) == 445_236_037 - HEAD - CROSS - dead_head + 2 * TYPE
    with torch.device("meta"):
        model = MCG(conversion.config, 30524)
    # really used: without the head for masked words, the projections and the temperature, which QA does not run
    assert model.decoder is not None
    used = (_count(model.vision), _count(model.text.bert) - TYPE, _count(model.decoder) - TYPE)
    assert used == (121_264_896, 108_891_648, 137_881_148) and sum(used) == 368_037_692


def test_the_layouts_have_the_keys_of_the_reference_values() -> None:
    found = {"mcg_pretrain_a": layouts.mcg_pretrain, "mcg_qa_a": layouts.mcg_qa}
    found |= {"alpro_retrieval_a": layouts.alpro_retrieval, "alpro_qa_a": lambda s: layouts.alpro_qa(s, 50)}
    found["alpro_pretrain_image"] = lambda s: layouts.alpro_pretrain(s, 6)
    for name, shapes in found.items():
        facts = json.loads((GOLDEN / f"{name}.json").read_text())
        given = facts["config"]
        sizes = Sizes(
            width=given["hidden"],
            depth=given["vdepth"],
            layers=given["layers"],
            frames=given["frames"],
            places=1 + (given["img"] // given["patch"]) ** 2,
            positions=64,
            words=30524 if name.startswith("mcg") else 30522,
        )
        assert {key: list(shape) for key, shape in shapes(sizes).items()} == facts["state_dict"], name
