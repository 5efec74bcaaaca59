"""Is re-ranking by the product faster than the released loop over queries?

    PYTHONPATH=. python benchmarks/rerank_loop.py [--num 200] [--rounds 3]

T2VLP's release takes one query after the other, in either direction, and fuses its 32 best candidates (docs/facts/
t2vlp.md 4); which of them pass together is not known, so the loop is run with all 32 and with one at a time. Here every
pair that is among the best of either side is fused once, many at a time. Both encode each video and text once; texts
have 32 tokens in the loop, as in the release, and here as many as the longest that passes with them. A small model: 4
blocks of 64 channels, 12 frames of 32 pixels, 2 blocks of fusion over 53 tokens. CPU seconds, one thread, in turns; the
orders must agree. What is counted at 1,000 x 1,000 is in retrieval_pairs.py --system t2vlp.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from counted import Counted, in_turns
from quadrants import retrieval, split_of, write_pictures
from retrieval_systems import T2VLP, small_t2vlp
from torch import Tensor
from torch.nn import functional

from mcg.engine.tensors import to_tensors
from mcg.model.model import Model
from mcg.model.states import TextStates, VideoStates
from mcg.scoring.evaluate import evaluate
from mcg.tasks.task import Scores
from mcg.text import open_texts
from shards import Loader

CPU = torch.device("cpu")
CLIP = {"num_frames": 12, "size": 32}
DEPTH = T2VLP.rerank["rerank_depth"]
AT_ONCE = {"loop, 32 at a time": DEPTH, "loop, one at a time": 1}


def released_loop(model: Model, frames: Tensor, ids: Tensor, mask: Tensor, at_once: int) -> tuple[Tensor, Tensor]:
    """Log products (M, N) of texts and (N, M) of videos, minus infinity behind the best."""
    video, text = model.encode_video(frames), model.encode_text(ids, mask)
    logits_MN = model.text_features(text) @ model.video_features(video).T / model.temperature
    by_text, by_video = torch.full_like(logits_MN, -torch.inf), torch.full_like(logits_MN.T, -torch.inf)
    for number, row in enumerate(logits_MN):
        best = row.topk(DEPTH)
        match = _matches(model, text, video, torch.full((DEPTH,), number), best.indices, at_once)
        by_text[number, best.indices] = best.values.log_softmax(0) + match
    for number, row in enumerate(logits_MN.T):
        best = row.topk(DEPTH)
        match = _matches(model, text, video, best.indices, torch.full((DEPTH,), number), at_once)
        by_video[number, best.indices] = best.values.log_softmax(0) + match
    return by_text, by_video


def _matches(
    model: Model, text: TextStates, video: VideoStates, text_P: Tensor, video_P: Tensor, at_once: int
) -> Tensor:
    """Logarithms (P,) of the probability of a match."""
    parts = zip(text_P.split(at_once), video_P.split(at_once), strict=True)
    logits = [model.match_logits(model.fuse(text.rows(t), video.rows(v))) for t, v in parts]
    return functional.log_softmax(torch.cat(logits), -1)[:, 1]


def measure(folder: Path, num: int, rounds: int) -> dict[str, Any]:
    torch.manual_seed(0)
    config = small_t2vlp(size=32, patch=16, width=64, depth=4, frames=12)
    texts = open_texts(config)
    model, split = config.build(texts).eval(), split_of(write_pictures(folder / "few", num), num)
    task = retrieval("rerank", texts, clip=CLIP, **T2VLP.rerank, **T2VLP.text_limit)
    with Loader(split, 0, 1, task.encode_for_evaluation) as loader:
        inputs = to_tensors(next(iter(loader)), CPU)
    frames = inputs["frames"]
    more = (0, T2VLP.tokens - inputs["text_ids"].shape[-1])
    ids, mask = (functional.pad(inputs[f"text_{name}"][:, 0], more) for name in ("ids", "mask"))
    mask = mask.bool()
    ways: dict[str, Callable[[], Any]] = {"ours": lambda: evaluate(task, model, split, CPU)}
    ways |= {name: lambda n=n: released_loop(model, frames, ids, mask, n) for name, n in AT_ONCE.items()}
    ways |= {"encoding alone": lambda: (model.encode_video(frames), model.encode_text(ids, mask))}
    turns = in_turns(Counted(model), ways, rounds)
    for name in AT_ONCE:
        _compare(turns["ours"].result, *turns[name].result)
    ours = statistics.median(turns["ours"].cpu_s)
    return {
        name: {
            "passes": dict(turn.rows),
            "cpu_s": [round(one, 2) for one in turn.cpu_s],
            "times_ours": round(statistics.median(turn.cpu_s) / ours, 2),
        }
        for name, turn in turns.items()
    }


def _compare(scores: Scores, by_text: Tensor, by_video: Tensor) -> None:
    """The ten best of every query stand in the loop's order, but for what differs by less than rounding."""
    for query in scores.predictions:
        by_itself = query["direction"] == "text_to_video"
        row = (by_text if by_itself else by_video)[int(query["id"][1:])]
        found = row[[int(name[1:]) for name, _ in query["top"]]]
        assert (found[1:] <= found[:-1] + 1e-4).all() and found[0] >= row.max() - 1e-4, query


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=200, help="videos, and texts")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        print(
            json.dumps(
                {"benchmark": "rerank_loop", "num": chosen.num, **measure(Path(name), chosen.num, chosen.rounds)}
            )
        )


if __name__ == "__main__":
    main()
