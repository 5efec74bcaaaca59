"""What does attention over all frames of a clip cost T2VLP beside attention within each, in memory and FLOPs?

    PYTHONPATH=. python benchmarks/joint_attention.py [--rounds 3]

Memory: two blocks of ViT-B/16 over one clip of 12 frames of 197 tokens, forward and backward, fp32 on the CPU, one
thread: the peak of resident memory of a fresh process above that which holds the blocks, the tokens and their gradient.
"per frame" sees 12 x 197 tokens, "joint" 2,364; "padded" is joint with the last 4 frames masked; "matrix" is joint
without SDPA, by transformers' eager attention, which keeps the weights of all pairs of tokens.

FLOPs: of the forward pass of one sample at base size (12 frames of 224 pixels, 32 tokens), by part, as flops.py counts;
a step takes three times as many.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from flops import count
from harness import compare
from torch import Tensor

from mcg.model.parts.clip import ClipBlocks
from mcg.model.parts.configs import ClipBlocksConfig
from mcg.model.t2vlp import T2vlp
from mcg.model.t2vlp_config import T2vlpConfig
from mcg.text import open_texts

T, V, D, L = 12, 197, 768, 32
CASES = ("per frame", "joint", "padded", "matrix")


def measure(case: str) -> dict[str, float]:
    """In this process, which has run no block before."""
    blocks = ClipBlocks(ClipBlocksConfig(width=D, num_layers=2, num_heads=12)).train()
    if case == "matrix":
        for block in blocks:
            block.self_attn.config._attn_implementation = "eager"
    shape = (T, V, D) if case == "per frame" else (1, T * V, D)
    states = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    states.grad = torch.zeros_like(states)
    for parameter in blocks.parameters():
        parameter.grad = torch.zeros_like(parameter)
    seen: Tensor | None = None
    if case == "padded":
        seen = (torch.arange(T) < T - 4).repeat_interleave(V)[None]
    blocks(torch.randn(1, 4, D)).sum().backward()  # the libraries' own buffers are made by a first pass
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, began = _memory("VmRSS"), time.process_time()
    (blocks(states, seen) * states.detach()).sum().backward()
    return {"above_mb": (_memory("VmHWM") - before) / 1e6, "cpu_s": time.process_time() - began}


def _memory(name: str) -> int:
    """Bytes of this process, by the kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def flops() -> dict[str, float]:
    """GFLOP of the forward pass of one sample by part."""
    config = T2vlpConfig(name="t2vlp")
    with torch.device("meta"):
        model: T2vlp = config.build(open_texts(config)).eval()
        pixels = torch.empty(1, T, 3, 224, 224)
        ids, mask = torch.zeros(1, L, dtype=torch.long), torch.ones(1, L, dtype=torch.bool)
        vision, tubes = model.vision, model.tubes
        assert tubes is not None and config.vision.joint_from is not None
        first = config.vision.joint_from
        frames, clip = torch.empty(T, V, D), torch.empty(1, T * V, D)
        video, text = model.encode_pixels(pixels), model.encode_text(ids, mask)
        words = round(0.15 * (L - 2))
        made = {
            "patches": lambda: vision.embeddings(pixels[0]),
            f"{first} blocks per frame": lambda: vision.blocks(frames, end=first),
            f"{len(vision.blocks) - first} joint blocks": lambda: vision.blocks(clip, first=first),
            "the same blocks, were they per frame": lambda: vision.blocks(frames, first=first),
            "tubes": lambda: tubes(torch.empty(1, T, V, D)),
            "video, all of it": lambda: model.encode_pixels(pixels),
            "text": lambda: model.encode_text(ids, mask),
            "fusion": lambda: model.fuse(text, video),
            f"head for {words} masked words": lambda: model.token_logits(torch.empty(words, 512)),
            f"head for {L - 1} next words": lambda: model.token_logits(torch.empty(L - 1, 512)),
        }
        return {name: round(count(action) / 1e9, 2) for name, action in made.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", choices=CASES, help="one measurement, as JSON")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.case:
        print(json.dumps(measure(chosen.case)))
        return
    print(json.dumps({"benchmark": "joint_attention", "forward_gflop": flops()}))
    compare("joint attention", __file__, {case: [case] for case in CASES}, chosen.rounds)


if __name__ == "__main__":
    main()
