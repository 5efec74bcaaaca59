"""What retrieval over all pairs costs beside the released loop: passes, FLOPs, CPU, memory, ranks.

    PYTHONPATH=. python benchmarks/retrieval_pairs.py [--parts passes speed host device ranks] [--num 1000]
    PYTHONPATH=. python benchmarks/retrieval_pairs.py --system lavender | t2vlp

The released loop of ALPRO encodes a video anew for each chunk of 64 captions, and each caption for each video: here it
is `released_loop`. That of LAVENDER encodes each once and fuses all pairs; it has no contrast to re-rank by, and its
tiny model is not trained, so it has no recalls and no part `speed`. That of T2VLP fuses the 32 best of each query, one
query at a time (rerank_loop.py has its speed). Parts:
- passes: a tiny model, trained for 2 minutes (quadrants.py), scores NUM videos and NUM texts by matching all pairs and
  by re-ranking with depth 128; its passes, counted, times the FLOPs of one at base size (flops.py) are those of ALPRO's
  retrieval on MSR-VTT. R@K of both, and how many queries one of them hits and the other does not.
- speed: CPU seconds of both and of the loop with a small model, in turns; the scores must agree.
- host: resident memory of states of base size in 16 bits, made up, in a fresh process.
- device: bytes that would lie on a device (device_bytes.py), without weights, for growing splits.
- ranks: metrics, pairs fused and bytes on the device of 1, 2 and 3 ranks (gloo).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing
from base_states import host_memory
from counted import Counted, in_turns
from device_bytes import DEVICE, DeviceBytes
from quadrants import WAVERING, retrieval, small_model, split_of, tiny_model, train, write_pictures
from retrieval_systems import ALPRO, CHUNK, SYSTEMS, System, flops_of
from torch import Tensor

from mcg.engine.tensors import to_tensors
from mcg.model.mcg import MCG
from mcg.model.model import Model
from mcg.scoring.evaluate import evaluate
from mcg.tasks.task import Scores
from mcg.text.texts import Texts
from shards import Loader

PARTS = ("passes", "speed", "host", "device", "ranks")
DIRECTIONS = ("text_to_video", "video_to_text")


def released_loop(model: Model, frames: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    """Scores (N, M) of matching, each pair with passes of its own as far as the release makes them."""
    rows = []
    for one in frames.split(1):
        scores = []
        for some, their in zip(ids.split(CHUNK), mask.split(CHUNK), strict=True):
            video = model.encode_video(one)
            text = model.encode_text(some, their)
            fused = model.fuse(text, video.rows(torch.zeros(len(some), dtype=torch.int64)))
            logits = model.match_logits(fused)
            scores.append(logits[:, 1] - logits[:, 0])
        rows.append(torch.cat(scores))
    return torch.stack(rows)


def passes(system: System, folder: Path, num: int, weights: Path, wavering: float) -> dict[str, Any]:
    data, found = write_pictures(folder / "pictures", num, wavering), dict[str, Any]()
    each = {frames: system.base_flops(frames) for frames in system.frames}
    found["gflop_each"] = {frames: {n: round(f / 1e9, 2) for n, f in one.items()} for frames, one in each.items()}
    loop, scores = system.released_loop(num, num), {}
    for ranking in system.rankings:
        model, texts = _model(system, weights)
        counted, began = Counted(model), time.process_time()
        task = retrieval(ranking, texts, pairs_at_once=500, **system.rerank, **system.text_limit)
        scores[ranking] = evaluate(task, model, split_of(data), DEVICE)
        found[ranking] = {"cpu_s": round(time.process_time() - began, 1), "passes": dict(counted.rows)}
        found[ranking]["pairs_fused"] = scores[ranking].metrics["pairs_fused"]
        for frames, one in each.items():
            of_loop = sum(one[name] * rows for name, rows in loop.items())
            found[ranking][f"pflop_{frames}_frames"] = round(counted.flops(one) / 1e15, 3)
            found[ranking][f"times_cheaper_{frames}_frames"] = round(of_loop / counted.flops(one), 2)
    found["released loop"] = loop
    if system is not ALPRO:
        return found
    found["recalls"] = {name: _recalls(one) for name, one in scores.items()}
    found["recalls"]["contrast"] = _recalls(scores["rerank"], "by_contrast")
    exact, reranked = _hits(scores["matching"]), _hits(scores["rerank"])
    found["hits_lost"] = [len(a - b) for a, b in zip(exact, reranked, strict=True)]
    found["hits_won"] = [len(b - a) for a, b in zip(exact, reranked, strict=True)]
    return found


def _hits(scores: Scores) -> list[set[str]]:
    """The queries within place 1, 5 and 10, in the order of `_recalls`."""
    ranking = scores.metrics["ranking"]
    return [
        {p["id"] for p in scores.predictions if p["direction"] == direction and sum(p["places"][ranking]) < k}
        for direction in DIRECTIONS
        for k in (1, 5, 10)
    ]


def _recalls(scores: Scores, of: str | None = None) -> list[float]:
    """R1, R5, R10 from text to video, then from video to text."""
    tables = [scores.metrics[direction] for direction in DIRECTIONS]
    return [(table if of is None else table[of])[f"R{k}"] for table in tables for k in (1, 5, 10)]


def _model(system: System, weights: Path) -> tuple[Model, Texts]:
    """The tiny one, trained where recalls are compared."""
    model, texts = system.tiny(weights.parent)
    return (_trained(weights) if system is ALPRO else model), texts


def _trained(weights: Path) -> MCG:
    model = tiny_model()
    if not weights.exists():
        began = time.process_time()
        train(model, 1200)
        torch.save(model.state_dict(), weights)
        print(f"trained in {time.process_time() - began:.0f} CPU seconds", file=sys.stderr, flush=True)
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model.eval()


def speed(folder: Path, num: int = 128, rounds: int = 3) -> dict[str, Any]:
    clip = {"num_frames": 8, "size": 112}
    model, split = small_model(**clip).eval(), split_of(write_pictures(folder / "few", num), num)
    depth = round(ALPRO.rerank["rerank_depth"] / 1000 * num)
    tasks = {r: retrieval(r, clip=clip, rerank_depth=depth) for r in ("matching", "rerank")}
    with Loader(split, 0, 1, tasks["matching"].encode_for_evaluation) as loader:
        inputs = to_tensors(next(iter(loader)), DEVICE)
    frames, ids, mask = inputs["frames"], inputs["text_ids"][:, 0], inputs["text_mask"][:, 0].bool()
    ways: dict[str, Callable[[], Any]] = {
        "released loop": lambda: released_loop(model, frames, ids, mask),
        **{name: lambda task=task: evaluate(task, model, split, DEVICE) for name, task in tasks.items()},
    }
    turns = in_turns(Counted(model), ways, rounds)
    rows = {name: turn.rows for name, turn in turns.items()}
    assert rows["released loop"] == ALPRO.released_loop(num, num), rows
    _compare(turns["matching"].result, turns["released loop"].result)
    each = flops_of(model, clip["num_frames"], clip["size"], ids.shape[1])
    cost = {name: sum(each[verb] * number for verb, number in one.items()) for name, one in rows.items()}
    told: dict[str, Any]
    told, loop = {"depth": depth, "tokens": ids.shape[1]}, "released loop"
    for name in ways:
        took = statistics.median(turns[name].cpu_s)
        told[name] = {
            "passes": dict(rows[name]),
            "cpu_s": [round(one, 2) for one in turns[name].cpu_s],
            "times_faster": round(statistics.median(turns[loop].cpu_s) / took, 2),
            "times_fewer_flops": round(cost[loop] / cost[name], 2),
        }
    return told


def _compare(scores: Scores, loop_NM: Tensor) -> None:
    """The ten best of every text have the loop's scores."""
    for query in scores.predictions:
        if query["direction"] == DIRECTIONS[0]:
            for video, score in query["top"]:
                expected = float(loop_NM[int(video[1:]), int(query["id"][1:])])
                assert abs(score - expected) <= 1e-4 * max(1.0, abs(expected)), (query["id"], video, score, expected)


def device(system: System, folder: Path, weights: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for num in (96, 192, 384):
        data = write_pictures(folder / f"device{num}", num)
        for ranking in ("contrast", *system.rankings) if system is ALPRO else system.rankings:
            peak = _peak(system, *_model(system, weights), ranking, data)[1]
            found.setdefault(ranking, {})[num] = peak
    return found


def _peak(system: System, model: Model, texts: Texts, ranking: str, data: Path) -> tuple[Scores, int]:
    """Scores, and the most bytes on the device."""
    task = retrieval(ranking, texts, **{**system.rerank, "rerank_depth": 16}, **system.text_limit)
    with DeviceBytes(model.parameters()) as counted:
        scores = evaluate(task, model, split_of(data, 48), DEVICE)
    return scores, counted.peak


def ranks(system: str, folder: Path, weights: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for num in (48, 144):
        write_pictures(folder / f"ranks{num}", num)
    _model(SYSTEMS[system], weights)
    for world in (1, 2, 3):
        place = folder / f"world{world}"
        place.mkdir()
        torch.multiprocessing.spawn(_rank, args=(world, system, str(folder), str(weights)), nprocs=world)
        told = [json.loads((place / f"{rank}.json").read_text()) for rank in range(world)]
        for name, one in told[0].items():
            chunks = [chunk for rank in told for chunk in rank[name]["chunks"]]
            passed = Counter(pair for chunk in chunks for pair in chunk)
            found.setdefault(name, {})[world] = {
                "metrics": hashlib.md5(json.dumps([rank[name]["metrics"] for rank in told[:1]]).encode()).hexdigest(),
                "same_on_all_ranks": all(rank[name]["metrics"] == one["metrics"] for rank in told),
                "pairs": one["metrics"]["pairs_fused"],
                "different_pairs_passed": len(passed),
                "passed_again": passed.total() - len(passed),
                "peak_bytes": max(rank[name]["peak"] for rank in told),
            }
    return found


def _rank(rank: int, world: int, name: str, folder: str, weights: str) -> None:
    torch.set_num_threads(1)
    place = f"{folder}/world{world}"
    dist.init_process_group(
        "gloo", init_method=f"file://{place}/meeting", rank=rank, world_size=world, timeout=timedelta(seconds=120)
    )
    found, system, chunks = {}, SYSTEMS[name], list[list[str]]()
    model, texts = _model(system, Path(weights))
    Counted(model, chunks)
    for num in (48, 144):
        for ranking in system.rankings:
            chunks.clear()
            scores, peak = _peak(system, model, texts, ranking, Path(folder) / f"ranks{num}")
            found[f"{ranking} {num}"] = {"metrics": scores.metrics, "peak": peak, "chunks": [*chunks]}
    Path(place, f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", choices=SYSTEMS, default="alpro")
    parser.add_argument("--parts", nargs="+", choices=PARTS)
    parser.add_argument("--num", type=int, default=1000, help="videos, and texts")
    parser.add_argument("--weights", type=Path, help="file for the trained tiny model, taken where it is there")
    parser.add_argument("--wavering", type=float, default=WAVERING, help="of the colours that are scored in passes")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    system = SYSTEMS[chosen.system]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen.case == "host":
            print(json.dumps(host_memory(system, folder, chosen.num)))
            return
        weights = chosen.weights or folder / "weights.pt"
        for part in chosen.parts or [part for part in PARTS if part != "speed" or system is ALPRO]:
            began = sum(os.times()[:4])
            if part == "host":
                command = [sys.executable, __file__, "--system", chosen.system, "--case", "host"]
                done = subprocess.run(
                    [*command, "--num", str(chosen.num)], check=True, stdout=subprocess.PIPE, text=True
                )
                found = json.loads(done.stdout.splitlines()[-1])
            else:
                found = {
                    "passes": lambda: passes(system, folder, chosen.num, weights, chosen.wavering),
                    "speed": lambda: speed(folder),
                    "device": lambda: device(system, folder, weights),
                    "ranks": lambda: ranks(chosen.system, folder, weights),
                }[part]()
            print(json.dumps({"benchmark": "retrieval_pairs", "system": chosen.system, "part": part, **found}))
            print(f"{part}: {sum(os.times()[:4]) - began:.0f} CPU seconds", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
