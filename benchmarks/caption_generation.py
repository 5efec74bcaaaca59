"""What captions of encoded videos cost, beside the form of the release, which runs everything anew for each word.

    PYTHONPATH=. python benchmarks/caption_generation.py [--system lavender|t2vlp] [--batches 1 16] [--beams 1 3]

A model at base size with fresh weights, captions that do not end early, fp32, one thread: LAVENDER, 4 frames of 224
pixels (200 tokens) and 20 words, or T2VLP, 12 frames (21 tokens) and 31 words. From encoded videos to ids in CPU
seconds:
- ours: `Model.caption` (mcg/model/parts/prefix_decoder.py), greedy and by beams.
- anew: the words so far, [CLS] before and [MASK] behind them with LAVENDER, are encoded and fused with the video for
  each word, unpadded, which favours it. The first, the middle and the last word are timed, and the others taken to lie
  between, since a step grows evenly with its words; with one video all of them. The words must be ours.
Beside them the time of encoding the videos (of up to 2 clips, each encoded by itself, which a larger batch repeats),
and FLOPs behind it: of ours, and of one pass over [video ; text] of the caption, each word of which is predicted,
counted with attention as matrix products.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any

import torch
from harness import timed
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mcg.model.lavender import Lavender
from mcg.model.lavender_config import LavenderConfig
from mcg.model.model import Model
from mcg.model.states import GenerationPlan, TextStates, VideoStates
from mcg.model.t2vlp import T2vlp
from mcg.model.t2vlp_config import T2vlpConfig
from mcg.text.byte_pair_texts import BytePairTexts
from mcg.text.masked_words import MaskedWords


@dataclass(frozen=True)
class System:
    """What is measured."""

    model: Model
    texts: MaskedWords | BytePairTexts
    num_frames: int
    num_words: int
    behind: list[int]
    """Tokens behind the words so far, at which the next one is read; none: at the last word."""
    num_video_tokens: int

    @property
    def some(self) -> tuple[int, int, int]:
        """Words before which of the captions' steps are measured."""
        return 1, (1 + self.num_words) // 2, self.num_words


def lavender() -> System:
    config = LavenderConfig.model_validate({"name": "lavender"})
    texts = MaskedWords.of(config)
    model: Lavender = config.build(texts).eval()
    with torch.no_grad():
        model.text.predictions.bias[texts.end_id] = -99.0  # it never ends a caption
    return System(model, texts, 4, 20, [texts.mask_id], 4 * 50)


def t2vlp() -> System:
    config = T2vlpConfig.model_validate({"name": "t2vlp"})
    texts = BytePairTexts()
    model: T2vlp = config.build(texts).eval()
    with torch.no_grad():
        model.words.decoder.bias[texts.end_id] = -99.0
    return System(model, texts, 12, 31, [], config.num_video_tokens)


SYSTEMS = {"lavender": lavender, "t2vlp": t2vlp}


def plan(system: System, beams: int) -> GenerationPlan:
    texts = system.texts
    return GenerationPlan(texts.start_id, texts.end_id, texts.pad_id, beams, max_tokens=1 + system.num_words)


def prompt(system: System, size: int) -> TextStates:
    return system.model.encode_text(torch.zeros(size, 0, dtype=torch.int64), torch.zeros(size, 0, dtype=torch.bool))


def next_words(system: System, video: VideoStates, ids_BL: Tensor) -> Tensor:
    """Each caption's next word as the release finds it, with everything anew."""
    ids_BL = torch.cat([ids_BL, torch.tensor(system.behind, dtype=torch.int64).expand(len(ids_BL), -1)], 1)
    text = system.model.encode_text(ids_BL, torch.ones_like(ids_BL, dtype=torch.bool))
    return system.model.token_logits(system.model.fuse(text, video, causal=True).text_BLD[:, -1]).argmax(-1)


def time_anew(system: System, video: VideoStates, ids_BA: Tensor) -> float:
    """CPU seconds for all words."""
    lengths = range(1, 1 + system.num_words) if len(ids_BA) == 1 else system.some
    took: dict[str, float] = {}
    for length in lengths:
        with timed(took, str(length)):
            words = next_words(system, video, ids_BA[:, :length])
        assert torch.equal(words, ids_BA[:, length]), f"another word number {length}"
    seconds = [took[f"{length}_cpu_s"] for length in lengths]
    return sum(seconds) / len(seconds) * system.num_words


def time_batch(system: System, size: int, beams: list[int]) -> dict[str, float]:
    """CPU seconds of each part for so many videos."""
    found: dict[str, float] = {}
    clips = torch.randint(0, 256, (min(2, size), system.num_frames, 224, 224, 3), dtype=torch.uint8)
    with timed(found, "encoding"):
        video = system.model.encode_video(clips)
    found["encoding_cpu_s"] *= size / len(clips)
    video = video.rows(torch.arange(size) % len(clips))
    written = {}
    for number in beams:
        with timed(found, f"ours_{number}"):
            written[number] = system.model.caption(prompt(system, size), video, plan(system, number)).ids_BA
    found["anew_cpu_s"] = time_anew(system, video, written[1])
    return {name.removesuffix("_cpu_s"): value for name, value in found.items() if name.endswith("_cpu_s")}


def gflop(run: Any) -> float:
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return counter.get_total_flops() / 1e9


def count(system: System, beams: list[int]) -> dict[str, float]:
    """GFLOP for one video."""
    width = system.model.config.fusion.width if isinstance(system.model, T2vlp) else system.model.config.text.width
    tokens = torch.randn(1, system.num_video_tokens, width)
    video = VideoStates(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool))
    ids = torch.full((1, 1 + system.num_words + len(system.behind)), 400)
    read = slice(1, -1) if system.behind else slice(0, -1)

    def one_pass() -> None:
        text = system.model.encode_text(ids, torch.ones_like(ids, dtype=torch.bool))
        system.model.token_logits(system.model.fuse(text, video, causal=True).text_BLD[:, read])

    def ours(number: int) -> None:
        system.model.caption(prompt(system, 1), video, plan(system, number))

    found = {"one pass": gflop(one_pass)} | {f"ours_{number}": gflop(lambda n=number: ours(n)) for number in beams}
    anew = [gflop(lambda n=number: next_words(system, video, ids[:, :n])) for number in system.some]
    return {**found, "anew": sum(anew) / len(anew) * system.num_words}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", choices=list(SYSTEMS), default="lavender")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 3])
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    system = SYSTEMS[options.system]()
    flops = count(system, options.beams)
    print(json.dumps({"GFLOP behind encoding": flops, "passes": {k: v / flops["one pass"] for k, v in flops.items()}}))
    for size in options.batches:
        seconds = time_batch(system, size, options.beams)
        ratio = seconds["anew"] / seconds["ours_1"]
        print(json.dumps({"batch": size, "CPU seconds": seconds, "anew / ours": ratio}), flush=True)


if __name__ == "__main__":
    main()
