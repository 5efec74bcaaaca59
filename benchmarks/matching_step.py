"""What does a step of LAVENDER's pre-training cost beside the released Python loops?

    PYTHONPATH=. python benchmarks/matching_step.py [--rounds 12] [--batch 16] [--vocabulary configs/demo/vocab.txt]

Steps (losses, gradients of all weights, AdamW) of configs/lavender/pt.yaml with a Video Swin of 3 stages of 48 to 192
channels, 64 pixels, and a BERT of 2 layers of 128 channels, on random clips and captions, one thread, in turns in one
process. A video is matched with its own text and three others. The forms, checked to give the same losses:

ours        the pairs of a batch are one pass, and the word head reads the one place of each that is asked for
released    rows are gathered pair by pair in Python and joined to one pass; the word head reads every place of every
            text, here and for masked words, and the loss ignores all but one
by video    a pass for each video with its four texts
by pair     a pass for each pair

Ratios are the median over rounds of a form's CPU seconds to ours'. Wanted: at least 1.3 for the released form.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from harness import machine
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from mcg.config import load_config
from mcg.model.states import TextStates, VideoStates
from mcg.objectives.batch_matching import BatchMatching
from mcg.objectives.bundle import Bundle
from mcg.objectives.masked_lm import MaskedLM
from mcg.objectives.objective import Objective
from mcg.objectives.states import States
from mcg.text import open_texts
from mcg.text.texts import NO_LABEL, Texts

CONFIG, WANTED = "configs/lavender/pt.yaml", 1.3
SMALL = [
    *("task.clip.size=64", "model.vision.width=48", "model.vision.depths=[2,2,2]"),
    *("model.vision.num_heads=[3,6,12]", "model.vision.window=[8,4,4]"),
    *("model.text.width=128", "model.text.num_layers=2", "model.text.num_heads=4", "model.text.max_positions=64"),
]
COLOURS = ("red", "green", "blue", "yellow")


class _Loops(BatchMatching):
    """Matching pair by pair; `together` pairs are a pass."""

    together: int | None = None

    def forward(self, states: States) -> Tensor:
        model, text, video = states.model, states.text, states.video
        pairs = [
            (i, int(j)) for i, row in enumerate(self._texts_of_videos(states.seed, len(text.mask_BL))) for j in row
        ]
        losses = []
        for first in range(0, len(pairs), self.together or len(pairs)):
            some = pairs[first : first + (self.together or len(pairs))]
            texts = [text.rows(torch.tensor([j])) for _, j in some]
            tokens = torch.cat([video.tokens_BVD[i][None] for i, _ in some])
            mask = torch.cat([video.mask_BV[i][None] for i, _ in some])
            fused = model.fuse(TextStates.joined(texts), VideoStates(tokens, mask))
            fits = torch.tensor([i == j for i, j in some])
            losses.append(self._loss(model, fused, fits) * len(some))
        return torch.stack(losses).sum() / len(pairs)

    def _loss(self, model, fused, fits_N: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        logits_NK, no, yes = model.match_words(fused)
        return functional.cross_entropy(logits_NK.float(), torch.where(fits_N, yes, no))


class _Released(_Loops):
    """The word head at every place of the texts."""

    def _loss(self, model, fused, fits_N: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        _, no, yes = model.match_words(fused.rows(torch.zeros(1, dtype=torch.int64)))
        labels_NL = torch.full(fused.text_mask_BL.shape, NO_LABEL)
        labels_NL[torch.arange(len(fits_N)), fused.slot_B] = torch.where(fits_N, yes, no)
        return functional.cross_entropy(model.token_logits(fused.text_BLD).flatten(0, 1).float(), labels_NL.flatten())


class _ReleasedWords(MaskedLM):
    """The same for masked words."""

    def forward(self, states: States) -> Tensor:
        fused = states.model.fuse(states.masked_text, states.video)
        logits_BLK = states.model.token_logits(fused.text_BLD)
        return functional.cross_entropy(logits_BLK.flatten(0, 1).float(), states["masked_labels"].flatten())


def forms(ours: dict[str, Objective]) -> dict[str, dict[str, Objective]]:
    """The objectives of every form, by its name."""
    words, matching = ours["masked_lm"], ours["batch_matching"]
    by_video, by_pair = _Loops(matching.config), _Loops(matching.config)
    by_video.together, by_pair.together = 4, 1
    return {
        "ours": ours,
        "released": {"masked_lm": _ReleasedWords(words.config), "batch_matching": _Released(matching.config)},
        "by video": {**ours, "batch_matching": by_video},
        "by pair": {**ours, "batch_matching": by_pair},
    }


def make_inputs(texts: Texts, count: int, frames: int, size: int, longest: int) -> dict[str, Tensor]:
    """Random clips, and captions of 8 to 20 words."""
    g = np.random.default_rng(0)
    captions = [" ".join(g.choice(COLOURS, g.integers(8, 21))) for _ in range(count)]
    rows = [{**texts.pair(one, longest), **texts.cloze(one, longest, 0.15, g)} for one in captions]
    arrays = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
    return {"frames": torch.from_numpy(g.integers(0, 256, (count, frames, size, size, 3), np.uint8)), **arrays}


def measure(overrides: list[str], batch: int, rounds: int) -> dict[str, dict[str, float]]:
    """CPU seconds of a step of each form: median, least and greatest, and the median ratio to ours."""
    run = load_config(CONFIG, [*SMALL, *overrides])
    texts = open_texts(run.model)
    torch.manual_seed(0)
    model = run.model.build(texts)
    clip = run.task.clip
    inputs = make_inputs(texts, batch, clip.num_frames, clip.size, run.task.max_text_tokens)  # type: ignore[union-attr]
    bundles = {name: Bundle(model, objectives) for name, objectives in forms(run.objectives.build()).items()}
    model.eval()
    with torch.no_grad():
        found = {name: bundle(inputs, 0) for name, bundle in bundles.items()}
    for losses in found.values():
        torch.testing.assert_close(losses, found["ours"], rtol=1e-5, atol=1e-5)
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), 1e-4)
    taken: dict[str, list[float]] = {name: [] for name in bundles}
    for number in range(1 + rounds):
        for name in list(bundles)[:: 1 if number % 2 else -1]:
            began = time.process_time()
            optimiser.zero_grad()
            bundles[name](inputs, number)["total"].backward()
            optimiser.step()
            if number:
                taken[name].append(time.process_time() - began)
    return {
        name: {
            **{"cpu_s": statistics.median(times), "least": min(times), "greatest": max(times)},
            "ratio": statistics.median(a / b for a, b in zip(times, taken["ours"], strict=True)),
        }
        for name, times in taken.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12, help="steps of each form that are timed")
    parser.add_argument("--batch", type=int, default=16, help="clips of a step")
    parser.add_argument(
        "--vocabulary", type=Path, help="a file instead of BERT's 30,522 words; true and false are added"
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        overrides = []
        if chosen.vocabulary is not None:
            words = Path(folder, "words.txt")
            words.write_text(chosen.vocabulary.read_text().rstrip("\n") + "\ntrue\nfalse\n")
            overrides = [f"model.vocabulary={words}"]
        found = measure(overrides, chosen.batch, chosen.rounds)
    table = Table("form", "CPU s of a step (least to greatest)", "to ours", "wanted", title="a step of pre-training")
    for name, of in found.items():
        spread = f"{of['cpu_s']:.3f} ({of['least']:.3f} to {of['greatest']:.3f})"
        table.add_row(name, spread, f"{of['ratio']:.2f}", f">= {WANTED}" if name == "released" else "")
    Console().print(table)
    told = {"batch": chosen.batch, "rounds": chosen.rounds, "vocabulary": str(chosen.vocabulary or "BERT's")}
    print(json.dumps({"benchmark": "matching_step", "machine": machine(), **told, "forms": found}))


if __name__ == "__main__":
    main()
