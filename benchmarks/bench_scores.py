"""What does a score cost, and are the cuts of joined clips found?

    python benchmarks/bench_scores.py [--corpus FOLDER] [--clips 24]

Scores: CPU milliseconds for a clip (8 frames of 224x224) of samples/videos, by scorer, and for reading and decoding,
which all scorers of a run share. Scenes: 2 s of each of --clips H.264 clips of the test corpus (by name; one of each
film up to 40), as 320x180 at 25 fps, one after the other in a video; a cut is found if it is within one frame. Recall
is the share of the cuts that are found, precision the share of the found ones that are cuts.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from shards.decode.cpu import decode
from shards.media.clip import plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.probe import probe
from tools.scenes.detect import THRESHOLDS, Detection, find_cuts
from tools.scores.scorers import SCORERS, open_scorer

ROOT = Path(__file__).resolve().parents[1]
SECONDS, FPS, SIZE = 2, 25, (180, 320)


def cpu_ms(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU milliseconds of some work, the better of two runs, and its result."""
    best, result = float("inf"), None
    for _ in range(2):
        begin = time.process_time()
        result = work()
        best = min(best, time.process_time() - begin)
    return 1000 * best, result


def score_costs() -> dict[str, float]:
    """CPU milliseconds a clip, by scorer."""
    scorers = [open_scorer(name) for name in SCORERS if name != "clip"]
    costs: dict[str, list[float]] = {"read and decode": []}
    for path in sorted((ROOT / "samples/videos").iterdir()):
        data = path.read_bytes()
        facts = probe(data, path.name)
        plan = plan_clip(facts, ClipConfig(num_frames=8, size=224), np.random.default_rng(0))
        spent, frames = cpu_ms(lambda data=data, facts=facts, plan=plan: decode(data, facts.kind, plan))
        costs["read and decode"].append(spent)
        for scorer in scorers:
            spent, _ = cpu_ms(lambda scorer=scorer, frames=frames, facts=facts: scorer.score(frames, [], facts))
            costs.setdefault(scorer.name, []).append(spent)
    return {name: float(np.mean(values)) for name, values in costs.items()}


def corpus_clips(corpus: Path, number: int) -> Iterator[Path]:
    """Clips that are long enough, by name; those that begin alike come from one film and are taken once."""
    seen: set[str] = set()
    with open(corpus / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["file"])
    for row in rows:
        film = Path(row["file"]).name.split("_")[0]
        is_long = row["kind"] == "video" and float(row["duration_s"] or 0) > SECONDS + 1
        if is_long and row["codec"] == "h264" and (film not in seen or number > 40):
            seen.add(film)
            yield corpus / row["file"]


def joined(paths: list[Path]) -> tuple[bytes, list[int]]:
    """A video of some seconds of each clip, and its cuts."""
    import av

    out, cuts, count = io.BytesIO(), [], 0
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for path in paths:
            data = path.read_bytes()
            facts = probe(data, path.name)
            wanted = SECONDS * FPS
            numbers = tuple(min(facts.num_frames - 1, round(i * facts.fps / FPS)) for i in range(wanted))
            config = ClipConfig(num_frames=1, size=8)
            plan = plan_clip(facts, config, np.random.default_rng(0))
            plan = type(plan)(numbers, SIZE, (0, 0, *SIZE))
            for frame in decode(data, facts.kind, plan):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
            count += wanted
            cuts.append(count)
        container.mux(stream.encode(None))
    return out.getvalue(), cuts[:-1]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=ROOT.parent / "shared/corpus")
    parser.add_argument("--clips", type=int, default=24)
    options = parser.parse_args()
    print("CPU ms a clip (8 frames, 224 pixels)")
    for name, spent in score_costs().items():
        print(f"  {name:16} {spent:7.2f}")
    if not options.corpus.is_dir():
        print(f"no corpus at {options.corpus}: --corpus")
        return
    paths = list(corpus_clips(options.corpus, options.clips))[: options.clips]
    data, cuts = joined(paths)
    print(f"cuts: {len(cuts)} between {len(paths)} clips of {SECONDS} s")
    for detector in THRESHOLDS:
        spent, (found, frames) = cpu_ms(lambda detector=detector: find_cuts(data, Detection(detector)))
        right = sum(any(abs(cut - one) <= 1 for one in found) for cut in cuts)
        true = sum(any(abs(cut - one) <= 1 for cut in cuts) for one in found)
        figures = f"recall {right / len(cuts):.3f}, precision {true / max(1, len(found)):.3f}"
        print(f"  {detector:10} {figures}, {spent / frames:.2f} CPU ms a frame")


if __name__ == "__main__":
    main()
