"""What a sample of MCG costs: FLOPs of the forward pass by part, and parameters.

    PYTHONPATH=. python benchmarks/flops.py                             MCG base, pre-training, 4 frames, 30 tokens
    PYTHONPATH=. python benchmarks/flops.py --config configs/ft_msrvtt_qa.yaml --tokens 40 --answer-tokens 8
    PYTHONPATH=. python benchmarks/flops.py --frames 16

Counted by torch.utils.flop_counter while the model's own verbs run on the meta device: two operations for each
multiplication and addition of matrix products, convolutions and attention; norms, softmaxes and activations are not
counted, as usual. A backward pass takes twice the forward. Passes are those of the config's objectives: contrast reads
video and text, masked words a second text pass and a fusion, generation a fusion and the decoder; token contrast adds
one query row to the last layers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from mcg.config import load_config
from mcg.model.mcg import MCG
from mcg.model.mcg_config import MCGConfig
from mcg.model.parts.configs import TimeSformerConfig
from mcg.model.states import Fused, TextStates, VideoStates
from mcg.text import open_texts


def parts(model: MCG, tokens: int, answer_tokens: int, frames: int) -> dict[str, Callable[[], Any]]:
    """The passes by name, each to be run by itself on one sample of meta tensors."""
    size, D = model.config.vision.image_size, model.config.text.width
    num_patches = (size // model.config.vision.patch_size) ** 2
    clip = torch.empty(1, frames, size, size, 3, dtype=torch.uint8)
    ids, mask = torch.zeros(1, tokens, dtype=torch.long), torch.ones(1, tokens, dtype=torch.bool)
    answer, answer_mask = ids[:, :1].expand(1, answer_tokens), mask[:, :1].expand(1, answer_tokens)
    text = TextStates(torch.empty(1, tokens, D), mask)
    video = VideoStates(torch.empty(1, 1 + num_patches, D), torch.ones(1, 1 + num_patches, dtype=torch.bool))
    fused = Fused(*text[:2], *video[:2])
    masked = max(1, round(0.15 * (tokens - 2)))
    passes: dict[str, Callable[[], Any]] = {
        "video": lambda: model.encode_video(clip),
        "text": lambda: model.encode_text(ids, mask),
        "fusion": lambda: model.fuse(text, video),
        "projections": lambda: (model.patch_features(video), model.word_features(text.states_BLD)),
        "video, with attention of [CLS]": lambda: model.encode_video(clip, with_attention=True),
        "text, with attention of [CLS]": lambda: model.encode_text(ids, mask, with_attention=True),
    }
    if model.text.predictions is not None:
        passes["head for masked words"] = lambda: model.token_logits(torch.empty(masked, D))
    if model.decoder is not None:
        passes["decoder"] = lambda: model.answer_logits(model.decode(answer, answer_mask, fused))
    return passes


def forward_of(objectives: set[str], flops: dict[str, int]) -> dict[str, tuple[int, int]]:
    """What a forward pass is made of: part -> (how often, FLOPs of one)."""
    attention = ", with attention of [CLS]" if "token_contrast" in objectives else ""
    made = {"video": (1, flops[f"video{attention}"])}
    fused = {"generation", "matching", "classification"} & objectives
    text_passes = int(bool({"contrastive", "token_contrast"} & objectives or fused)) + ("masked_lm" in objectives)
    made["text"] = (text_passes, flops["text"])
    fusions = bool(fused) + ("masked_lm" in objectives) + 2 * ("matching" in objectives)
    made["fusion"] = (fusions, flops["fusion"])
    if {"contrastive", "token_contrast"} & objectives:
        made["projections"] = (1, flops["projections"])
    if "masked_lm" in objectives:
        made["head for masked words"] = (1, flops["head for masked words"])
    if "generation" in objectives:
        made["decoder"] = (1, flops["decoder"])
    return made


def count(action: Callable[[], Any]) -> int:
    """FLOPs of an action."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        action()
    return counter.get_total_flops()


def parameters(model: MCG) -> dict[str, int]:
    """Parameters by part, each weight once."""
    shared: set[int] = set()
    found: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = ".".join(name.split(".")[: 2 if name.startswith("text.") else 1])
        if id(parameter) not in shared:
            shared.add(id(parameter))
            found[part] = found.get(part, 0) + parameter.numel()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="a config whose model and objectives are counted")
    parser.add_argument("--frames", type=int, help="frames of a clip; default the config's, or 4")
    parser.add_argument("--tokens", type=int, default=30, help="tokens of a text")
    parser.add_argument("--answer-tokens", type=int, default=10, help="tokens of an answer")
    parser.add_argument("overrides", nargs="*", help="a.b=c, over the config")
    chosen = parser.parse_args()
    objectives, config = {"contrastive", "token_contrast", "masked_lm"}, None
    if chosen.config:
        run = load_config(chosen.config, chosen.overrides)
        objectives, config = set(run.objectives.build()), run.model
    if config is None:
        vision = TimeSformerConfig(num_frames=chosen.frames or 4)
        config = MCGConfig.model_validate({"vision": vision, "text": {"num_decoder_layers": 0}})
    frames = chosen.frames or config.vision.num_frames
    with torch.device("meta"):
        model = MCG(config, open_texts(config).size).eval()
        passes = parts(model, chosen.tokens, chosen.answer_tokens, frames)
        flops = {name: count(action) for name, action in passes.items()}
    made = forward_of(objectives, flops)
    total = sum(times * one for times, one in made.values())
    title = f"forward of one sample: {frames} frames, {chosen.tokens} tokens; {', '.join(sorted(objectives))}"
    table = Table("part", "times", "GFLOP each", "GFLOP", "share", title=title)
    for name, (times, one) in made.items():
        table.add_row(name, str(times), f"{one / 1e9:.2f}", f"{times * one / 1e9:.2f}", f"{times * one / total:.1%}")
    table.add_row("all", "", "", f"{total / 1e9:.2f}", "")
    sizes = parameters(model)
    counts = Table("part", "parameters", title="parameters")
    for name, number in [*sizes.items(), ("all", sum(sizes.values()))]:
        counts.add_row(name, f"{number:,}")
    Console().print(table)
    Console().print(counts)
    one_row = {n: flops[f"{n}, with attention of [CLS]"] - flops[n] for n in ("video", "text")}
    result = {
        "benchmark": "flops",
        "frames": frames,
        "tokens": chosen.tokens,
        "forward_gflop": round(total / 1e9, 2),
        "parts_gflop": {name: round(times * one / 1e9, 2) for name, (times, one) in made.items()},
        "attention_row_gflop": {name: round(one / 1e9, 3) for name, one in one_row.items()},
        "parameters": {**sizes, "all": sum(sizes.values())},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
