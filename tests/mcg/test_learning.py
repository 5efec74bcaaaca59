"""Tiny models learn in seconds, and black frames teach what they knew: ALPRO, its prompter by contrast alone and then
four losses, scored by both rankings; LAVENDER, colours at [MASK], of clips that it has not seen; T2VLP, contrast,
alignment and words one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mcg.metrics.retrieval import places
from mcg.model.lavender import Lavender
from mcg.model.mcg import MCG
from mcg.model.model import Model
from mcg.model.parts.prompter import IMAGE_TEMPLATES, VIDEO_TEMPLATES, Prompter, prompt_features
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from mcg.objectives.entity_prompting import EntityPrompting
from mcg.text import open_texts
from mcg.text.byte_pair_texts import BytePairTexts
from mcg.text.masked_words import MaskedWords
from mcg.text.texts import NO_LABEL, Texts
from tests.mcg.small_lavender import lavender_config
from tests.mcg.small_model import model_config, text_config, vision_config
from tests.mcg.small_t2vlp import t2vlp_config
from tests.small_configs import ROOT
from tools.datasets.shapes import COLORS, SHAPES, Scene

NUM_CLIPS, BATCH = 48, 24
CPU = torch.device("cpu")
CHANCE = 10 / NUM_CLIPS
NOUNS = [*COLORS, *SHAPES]


@pytest.mark.long
@pytest.mark.timeout(400)  # some 10 s of CPU; a machine may do much else
def test_a_tiny_alpro_finds_its_clips_and_black_frames_find_none(tmp_path: Path) -> None:
    words = {word for template in (*VIDEO_TEMPLATES, *IMAGE_TEMPLATES) for word in template[:-4].lower().split()}
    config = model_config(
        vocabulary=_vocabulary(tmp_path, words),
        vision=vision_config(width=32),
        text=text_config(width=32, num_fusion_layers=1, num_decoder_layers=0, token_head="tied"),
        contrastive_width=16,
        matching_head=True,
        num_entities=len(NOUNS),
    )
    texts = open_texts(config)
    torch.manual_seed(0)
    teacher, model = MCG(config, texts.size), MCG(config, texts.size)
    clips = _clips(texts)
    _train(Bundle(teacher, ObjectivesConfig.model_validate({"contrastive": {}}).build()), clips, 60)
    prompting = {"prompter": "", "entities": "", "num_entities": len(NOUNS)}
    losses = {"contrastive": {}, "matching": {}, "masked_lm": {}, "entity_prompting": prompting}
    objectives = ObjectivesConfig.model_validate(losses).build()
    prompts = (prompt_features(teacher, texts, NOUNS, kind, CPU) for kind in (VIDEO_TEMPLATES, IMAGE_TEMPLATES))
    assert isinstance(objectives["entity_prompting"], EntityPrompting)
    objectives["entity_prompting"].teach_with(Prompter(teacher, *prompts))
    first, last = _train(Bundle(model, objectives), clips, 200)
    assert all(last[name] < first[name] for name in losses), (first, last)
    seen, black = _recalls(model, clips), _recalls(model, clips | {"frames": clips["frames"] * 0})
    assert seen["contrast"] >= 0.9 and seen["matching"] >= 1.6 * CHANCE, seen
    assert black["contrast"] <= CHANCE and black["matching"] <= CHANCE, black


@pytest.mark.long
@pytest.mark.timeout(400)  # some 10 s of CPU; a machine may do much else
def test_a_tiny_lavender_names_the_colours_of_unseen_clips_and_of_black_frames_does_not(tmp_path: Path) -> None:
    vocabulary = _vocabulary(tmp_path, {"true", "false", "answer"})
    vision = {"width": 16, "depths": (1, 1), "num_heads": (1, 2), "window": (2, 4, 4), "drop_path": 0, "init_std": 0.25}
    text = {"width": 32, "num_layers": 2, "num_heads": 2, "max_positions": 16, "dropout": 0, "init_std": 0.15}
    config = lavender_config(vocabulary=vocabulary, max_frames=2, max_patches=16, vision=vision, text=text)
    texts = MaskedWords(vocabulary)
    torch.manual_seed(0)
    model = Lavender(config, texts)
    clips, unseen = _asked(texts, "train", 192), _asked(texts, "val", 96)
    objectives = ObjectivesConfig.model_validate({"masked_lm": {}}).build()
    _train(Bundle(model, objectives), clips, 150)
    seen, black = _answered(model, unseen), _answered(model, unseen | {"frames": unseen["frames"] * 0})
    assert seen >= 0.9, seen
    assert black <= 0.35, black


@pytest.mark.long
@pytest.mark.timeout(400)  # some 15 s of CPU; a machine may do much else
def test_a_tiny_t2vlp_finds_its_clips_and_writes_of_them_and_black_frames_find_none() -> None:
    blocks, texts = {"width": 32, "num_heads": 2}, BytePairTexts()
    tower = {**blocks, "num_layers": 2, "contrastive_width": 32}
    config = t2vlp_config(
        max_frames=2,
        vision={**tower, "image_size": 32, "patch_size": 8, "joint_from": 1},
        text={**tower, "max_positions": 16},
        tubes={"num_centres": 4, "num_layers": 1},
        fusion={**blocks, "num_layers": 2, "max_positions": 24, "dropout": 0.0},
    )
    clips = _clips(texts)
    labels = [texts.prefix_labels(ids.numpy(), 0) for ids in clips["text_ids"]]
    clips["prefix_labels"] = torch.from_numpy(np.stack(labels))
    losses = {"contrastive": {}, "tube_alignment": {"weight": 0.1}, "prefix_lm": {}}
    torch.manual_seed(0)
    model = config.build(texts)
    first, last = _train(Bundle(model, ObjectivesConfig.model_validate(losses).build()), clips, 100)
    assert all(last[name] < first[name] / 2 for name in losses), (first, last)
    seen, black = _recalls(model, clips), _recalls(model, clips | {"frames": clips["frames"] * 0})
    assert seen["contrast"] >= 0.9, seen
    assert black["contrast"] <= CHANCE, black


def _vocabulary(folder: Path, words: set[str]) -> str:
    """A file with the words of the demo and these."""
    known = (ROOT / "configs/demo/vocab.txt").read_text().split()
    (folder / "vocab.txt").write_text("\n".join([*known, *sorted(words - set(known))]) + "\n")
    return str(folder / "vocab.txt")


def _clips(texts: Texts) -> dict[str, Tensor]:
    """Clips in which one shape moves, 2 frames of 32 pixels, with captions of equal length."""
    scenes = _moving("train", NUM_CLIPS)
    rows = [
        texts.pair(scene.caption, 30) | texts.cloze(scene.caption, 30, 0.3, np.random.default_rng(number))
        for number, scene in enumerate(scenes)
    ]
    arrays = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
    return {"frames": _frames(scenes), **arrays}


def _moving(split: str, count: int) -> list[Scene]:
    """Scenes in which one shape moves: every third."""
    return [Scene.draw(0, split, "captions", 3 * number) for number in range(count)]


def _frames(scenes: Sequence[Scene]) -> Tensor:
    return torch.from_numpy(np.stack([scene.render()[[3, 12], ::2, ::2] for scene in scenes]))


def _asked(texts: MaskedWords, split: str, count: int) -> dict[str, Tensor]:
    """Clips in which one shape moves, with the question for its colour and the answer as a masked word."""
    scenes = _moving(split, count)
    asked = [next((question, answer) for kind, question, answer in s.asked if kind == "color") for s in scenes]
    ids_BL = torch.from_numpy(np.stack([texts.question(question, 12)["text_ids"] for question, _ in asked]))
    answers_B = torch.tensor([texts.word_id(answer) for _, answer in asked])
    labels_BL = torch.where(ids_BL == texts.mask_id, answers_B[:, None], NO_LABEL)
    arrays = {"masked_ids": ids_BL, "masked_mask": torch.ones_like(ids_BL), "masked_labels": labels_BL}
    return {"frames": _frames(scenes), **arrays}


def _train(bundle: Bundle, clips: dict[str, Tensor], steps: int) -> tuple[dict[str, float], dict[str, float]]:
    """Mean losses of the first and of the last ten steps."""
    optimizer = torch.optim.AdamW(bundle.parameters(), lr=2e-3)
    told = []
    for step in range(steps):
        chosen = torch.randperm(len(clips["frames"]), generator=torch.Generator().manual_seed(step))[:BATCH]
        losses = bundle({name: values[chosen] for name, values in clips.items()}, step)
        optimizer.zero_grad()
        losses["total"].backward()
        torch.nn.utils.clip_grad_norm_(bundle.parameters(), 1.0)
        optimizer.step()
        told.append({name: float(loss.detach()) for name, loss in losses.items()})
    first, last = (
        {name: float(np.mean([t[name] for t in some])) for name in told[0]} for some in (told[:10], told[-10:])
    )
    return first, last


@torch.no_grad()
def _recalls(model: Model, clips: dict[str, Tensor]) -> dict[str, float]:
    """R10 of text to video over all pairs by both rankings, the mean over ties."""
    model.eval()
    video, mask = model.encode_video(clips["frames"]), clips["text_mask"].bool()
    text = model.encode_text(clips["text_ids"], mask)
    compared = model.text_features(model.encode_text(clips["text_ids"], mask, contrastive=True))
    every = torch.arange(NUM_CLIPS)
    logits = [model.match_logits(model.fuse(text.rows(every * 0 + row), video.rows(every))) for row in range(NUM_CLIPS)]
    scores = {
        "contrast": compared @ model.video_features(video).T,
        "matching": torch.stack([each[:, 1] - each[:, 0] for each in logits]),
    }
    right = np.eye(NUM_CLIPS, dtype=bool)
    # rounded, so that black frames tie whatever the order of the sums
    found = {name: places(np.round(score.numpy(), 4), right) for name, score in scores.items()}
    return {name: float((each.mean_place_Q <= 10).mean()) for name, each in found.items()}


@torch.no_grad()
def _answered(model: Lavender, clips: dict[str, Tensor]) -> float:
    """Share of the clips whose answer is the likeliest word at [MASK]."""
    model.eval()
    text = model.encode_text(clips["masked_ids"], clips["masked_mask"].bool())
    given_B = model.token_logits(model.fuse(text, model.encode_video(clips["frames"])).at_slot()).argmax(1)
    return float((given_B == clips["masked_labels"].amax(1)).float().mean())
