"""A tiny ALPRO learns in seconds: its prompter by contrast alone, then four losses, scored by both rankings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mcg.metrics.retrieval import places
from mcg.model.mcg import MCG
from mcg.model.parts.prompter import IMAGE_TEMPLATES, VIDEO_TEMPLATES, Prompter, prompt_features
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from mcg.objectives.entity_prompting import EntityPrompting
from mcg.text import open_texts
from mcg.text.texts import Texts
from tests.mcg.small_model import model_config, text_config, vision_config
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
    vocabulary = (ROOT / "configs/demo/vocab.txt").read_text().split()
    (tmp_path / "vocab.txt").write_text("\n".join([*vocabulary, *sorted(words - set(vocabulary))]) + "\n")
    config = model_config(
        vocabulary=str(tmp_path / "vocab.txt"),
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


def _clips(texts: Texts) -> dict[str, Tensor]:
    """Clips in which one shape moves, 2 frames of 32 pixels, with captions of equal length."""
    scenes = [Scene.draw(0, "train", "captions", 3 * number) for number in range(NUM_CLIPS)]
    frames = np.stack([scene.render()[[3, 12], ::2, ::2] for scene in scenes])
    rows = [
        texts.pair(scene.caption, 30) | texts.cloze(scene.caption, 30, 0.3, np.random.default_rng(number))
        for number, scene in enumerate(scenes)
    ]
    arrays = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
    return {"frames": torch.from_numpy(frames), **arrays}


def _train(bundle: Bundle, clips: dict[str, Tensor], steps: int) -> tuple[dict[str, float], dict[str, float]]:
    """Mean losses of the first and of the last ten steps."""
    optimizer = torch.optim.AdamW(bundle.parameters(), lr=2e-3)
    told = []
    for step in range(steps):
        chosen = torch.randperm(NUM_CLIPS, generator=torch.Generator().manual_seed(step))[:BATCH]
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
def _recalls(model: MCG, clips: dict[str, Tensor]) -> dict[str, float]:
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
