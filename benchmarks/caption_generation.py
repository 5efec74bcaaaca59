"""What captions of encoded videos cost, beside the form of the release, which runs everything anew for each word.

    PYTHONPATH=. python benchmarks/caption_generation.py [--batches 1 16] [--beams 1 3]

LAVENDER at base size with fresh weights, 4 frames of 224 pixels (200 tokens), captions of 20 words that do not end
early, fp32, one thread. From encoded videos to ids in CPU seconds:
- ours: `Lavender.caption` (mcg/model/parts/prefix_decoder.py), greedy and by beams.
- anew: [CLS], the words so far and [MASK] are fused with the video for each word, unpadded, which favours it. The
  first, the middle and the last word are timed, and the others taken to lie between, since a step grows evenly with its
  words; with one video all of them. The words must be ours.
Beside them the time of Video Swin (of up to 2 clips, each encoded by itself, which a larger batch repeats), and
FLOPs behind it: of ours, and of one pass over [video ; text] of the caption, each word of which is predicted, counted
with attention as matrix products.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import torch
from harness import timed
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mcg.model.lavender import Lavender
from mcg.model.lavender_config import LavenderConfig
from mcg.model.states import GenerationPlan, TextStates, VideoStates
from mcg.text.masked_words import MaskedWords

WORDS, FRAMES = 20, 4
SOME = (1, (1 + WORDS) // 2, WORDS)
"""Words before which of the captions' steps are measured."""


def made() -> tuple[Lavender, MaskedWords]:
    """The model, which never ends a caption."""
    torch.manual_seed(0)
    config = LavenderConfig.model_validate({"name": "lavender"})
    texts = MaskedWords.of(config)
    model: Lavender = config.build(texts).eval()
    with torch.no_grad():
        model.text.predictions.bias[texts.end_id] = -99.0
    return model, texts


def plan(texts: MaskedWords, beams: int) -> GenerationPlan:
    return GenerationPlan(texts.start_id, texts.end_id, texts.pad_id, beams, max_tokens=1 + WORDS)


def prompt(model: Lavender, size: int) -> TextStates:
    return model.encode_text(torch.zeros(size, 0, dtype=torch.int64), torch.zeros(size, 0, dtype=torch.bool))


def next_words(model: Lavender, texts: MaskedWords, video: VideoStates, ids_BL: Tensor) -> Tensor:
    """Each caption's next word as the release finds it, with everything anew."""
    ids_BL = torch.cat([ids_BL, torch.full((len(ids_BL), 1), texts.mask_id)], 1)
    text = model.encode_text(ids_BL, torch.ones_like(ids_BL, dtype=torch.bool))
    return model.token_logits(model.fuse(text, video, causal=True).text_BLD[:, -1]).argmax(-1)


def time_anew(model: Lavender, texts: MaskedWords, video: VideoStates, ids_BA: Tensor) -> float:
    """CPU seconds for all words."""
    lengths = range(1, 1 + WORDS) if len(ids_BA) == 1 else SOME
    took: dict[str, float] = {}
    for length in lengths:
        with timed(took, str(length)):
            words = next_words(model, texts, video, ids_BA[:, :length])
        assert torch.equal(words, ids_BA[:, length]), f"another word number {length}"
    seconds = [took[f"{length}_cpu_s"] for length in lengths]
    return sum(seconds) / len(seconds) * WORDS


def time_batch(model: Lavender, texts: MaskedWords, size: int, beams: list[int]) -> dict[str, float]:
    """CPU seconds of each part for so many videos."""
    found: dict[str, float] = {}
    clips = torch.randint(0, 256, (min(2, size), FRAMES, 224, 224, 3), dtype=torch.uint8)
    with timed(found, "swin"):
        video = model.encode_video(clips)
    found["swin_cpu_s"] *= size / len(clips)
    video = video.rows(torch.arange(size) % len(clips))
    written = {}
    for number in beams:
        with timed(found, f"ours_{number}"):
            written[number] = model.caption(prompt(model, size), video, plan(texts, number)).ids_BA
    found["anew_cpu_s"] = time_anew(model, texts, video, written[1])
    return {name.removesuffix("_cpu_s"): value for name, value in found.items() if name.endswith("_cpu_s")}


def gflop(run: Any) -> float:
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return counter.get_total_flops() / 1e9


def count(model: Lavender, texts: MaskedWords, beams: list[int]) -> dict[str, float]:
    """GFLOP for one video."""
    tokens = torch.randn(1, FRAMES * 50, model.config.text.width)
    video = VideoStates(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool))
    ids = torch.full((1, 2 + WORDS), texts.mask_id)

    def one_pass() -> None:
        text = model.encode_text(ids, torch.ones_like(ids, dtype=torch.bool))
        model.token_logits(model.fuse(text, video, causal=True).text_BLD[:, 1:-1])

    found = {"one pass": gflop(one_pass)}
    found |= {f"ours_{n}": gflop(lambda n=n: model.caption(prompt(model, 1), video, plan(texts, n))) for n in beams}
    anew = [gflop(lambda n=n: next_words(model, texts, video, ids[:, :n])) for n in SOME]
    return {**found, "anew": sum(anew) / len(anew) * WORDS}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 3])
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, texts = made()
    flops = count(model, texts, options.beams)
    print(json.dumps({"GFLOP behind Swin": flops, "passes": {k: v / flops["one pass"] for k, v in flops.items()}}))
    for size in options.batches:
        seconds = time_batch(model, texts, size, options.beams)
        ratio = seconds["anew"] / seconds["ours_1"]
        print(json.dumps({"batch": size, "CPU seconds": seconds, "anew / ours": ratio}), flush=True)


if __name__ == "__main__":
    main()
