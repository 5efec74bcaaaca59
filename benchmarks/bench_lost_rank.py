"""How long does a run outlive a rank that is stopped or killed, and is the right rank named?

    python benchmarks/bench_lost_rank.py --times 10

Each time two ranks of a tiny run train (gloo, CPU) with engine.hang_seconds=6; one of them, drawn at random, gets
SIGSTOP or SIGKILL at a random moment, and the time until the other has ended is taken. Prints a line each, and one of
JSON for all.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.end_to_end.pair import HANG, Pair
from tests.end_to_end.small_runs import PRETRAIN, Runs, call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--signal", choices=["SIGSTOP", "SIGKILL"], default="SIGSTOP")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        what = ["--split", "train", "--text", "captions", "--num-clips", "60", "--samples-per-shard", "12"]
        call([sys.executable, "-m", "tools", "build", "shapes", *what, "--out", str(folder / "data" / "captions")])
        (folder / "pretrain.yaml").write_text(PRETRAIN)
        runs, found = Runs(folder / "data", folder), []
        for number in range(options.times):
            found.append(_once(runs, folder / str(number), draw, signal.Signals[options.signal]))
            print(json.dumps(found[-1]), flush=True)
    seconds = [one["seconds"] for one in found if one["named"]]
    told = {"signal": options.signal, "hang_seconds": HANG, "times": len(found), "named_and_ended": len(seconds)}
    print(json.dumps({**told, "median_seconds": statistics.median(seconds), "longest_seconds": max(seconds)}))


def _once(runs: Runs, folder: Path, draw: random.Random, number: signal.Signals) -> dict[str, object]:
    folder.mkdir()
    pair, lost = Pair(runs, folder / "run"), draw.randrange(2)
    pair.await_step(draw.randrange(5, 12))
    time.sleep(draw.random())
    began = time.monotonic()
    os.kill(pair.ranks[lost].pid, number)
    code = pair.ranks[1 - lost].wait(timeout=120)
    seconds = time.monotonic() - began
    named = code == 1 and f"error: rank {lost} of 2 (" in pair.said(1 - lost)
    pair.end()
    return {"lost": lost, "seconds": round(seconds, 2), "code": code, "named": named}


if __name__ == "__main__":
    main()
