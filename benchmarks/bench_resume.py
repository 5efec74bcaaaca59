"""Does it cost more to go on at the end of a long run than at its start, ours and the peers, and is it the same run?

    PYTHONPATH=. python benchmarks/bench_resume.py [--rounds 3]

100,000 tiny samples in 100 shards, shuffled, batches of 32. Each system reads a pass once and saves its state at 1 %,
50 % and 90 %; then, in fresh processes, the time from opening with that state to the first batch, next to a start
from nothing, without and with two workers. `exact` is 1 when the two batches that follow are those of the
uninterrupted pass. `benchmarks/resume.py` asks the same of a virtual dataset of 10^9 elements, which only ours has no
need to hold.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import forms
from harness import arguments, ask, beside, save_json
from peers.protocol import Options

SHARDS, PER_SHARD, BATCH = 100, 1000, 32
SHARES = {"1 %": 1_024, "50 %": 50_176, "90 %": 90_112}
CASES = [
    ("ours", 0),
    ("dali", 0),
    ("mosaic", 0),
    ("mosaic", 2),
    ("litdata", 0),
    ("litdata", 2),
    ("energon", 0),
    ("energon", 2),
]


def main() -> None:
    chosen = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/resume").parse_args()
    systems = dict.fromkeys(system for system, _ in CASES)
    forms.make(chosen.data, SHARDS, PER_SHARD, 64, systems, venvs=chosen.venvs)
    states = chosen.data / "states"
    shutil.rmtree(states, ignore_errors=True)
    states.mkdir()
    cases = {}
    for system, workers in CASES:
        url = str(forms.convert(chosen.data, system, chosen.venvs))
        asked = Options(url=url, names=forms.names(chosen.data), shuffle=True, batch=BATCH, workers=workers)
        label = f"{system}, {workers} workers" if workers else system
        files = {str(at): str(states / f"{system}.{workers}.{at}") for at in SHARES.values()}
        whole = Options(**{**vars(asked), "saves": files, "stop_after": max(SHARES.values()) + 2 * BATCH})
        answer = ask(forms.command(system, "ids", whole, chosen.venvs))
        if answer["end"] != "normal":
            raise RuntimeError(f"{label}: {answer['error']}")
        cases[f"{label}, start"] = partial(_first, system, asked, answer["ids"], 0, chosen.venvs)
        for share, at in SHARES.items():
            there = Options(**{**vars(asked), "state": files[str(at)]})
            cases[f"{label}, {share}"] = partial(_first, system, there, answer["ids"], at, chosen.venvs)
    result = beside("resume", cases, chosen.rounds, shown=("first_batch_s", "peak_mb", "state_bytes", "exact"))
    save_json(chosen.json, result)


def _first(system: str, options: Options, expected: list[int], at: int, venvs: Path) -> dict[str, Any]:
    answer = ask(forms.command(system, "start", options, venvs))
    answer["exact"] = float(answer.pop("first") == expected[at : at + BATCH])
    if options.state:
        answer["state_bytes"] = Path(options.state).stat().st_size
    return answer


if __name__ == "__main__":
    main()
