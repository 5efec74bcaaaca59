"""How well is a pass shuffled, ours and the peers, and how far do samples travel?

    PYTHONPATH=. python benchmarks/bench_shuffle.py [--rounds 3]

4,096 samples in 16 shards, one process without workers, another seed in each round; from the numbers in the order in
which they come: how many shards a batch of 32 draws from, how often the next sample lies in the same shard, how far
the order follows that of the files (correlation of positions), and the share of samples whose neighbour in the file
comes next. "ideal" is a random permutation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import forms
import numpy as np
from harness import arguments, ask, beside, save_json
from peers.protocol import Options

SHARDS, PER_SHARD, BATCH = 16, 256, 32
CASES = {
    "ours": ("ours", {}),
    "webdataset, buffer 1,000": ("webdataset", {}),
    "webdataset, buffer 200": ("webdataset", {"buffer": 200}),
    "dali, fill 1,024": ("dali", {"buffer": 1024}),
    "mosaic, py1e": ("mosaic", {}),
    "mosaic, py1s": ("mosaic", {"mode": "py1s"}),
    "litdata": ("litdata", {}),
    "energon, buffer 1,000": ("energon", {}),
}


def main() -> None:
    chosen = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/shuffle").parse_args()
    forms.make(chosen.data, SHARDS, PER_SHARD, 64, venvs=chosen.venvs)
    names = forms.names(chosen.data)

    def emitted(system: str, more: dict[str, Any], seeds: Any) -> dict[str, float]:
        url = str(forms.convert(chosen.data, system, chosen.venvs))
        options = Options(url=url, names=names, shuffle=True, batch=BATCH, seed=next(seeds), **more)
        answer = ask(forms.command(system, "ids", options, chosen.venvs))
        if answer.get("end") == "error":
            raise RuntimeError(answer["error"])
        return quality(np.array(answer["ids"]))

    def ideal(seeds: Any) -> dict[str, float]:
        return quality(np.random.default_rng(next(seeds)).permutation(SHARDS * PER_SHARD))

    cases: dict[str, Callable[[], dict[str, float]]] = {"ideal": partial(ideal, count())}
    cases |= {label: partial(emitted, system, more, count()) for label, (system, more) in CASES.items()}
    save_json(chosen.json, beside("shuffle", cases, chosen.rounds))


def quality(numbers: np.ndarray[Any, Any]) -> dict[str, float]:
    """What the order of one pass is worth."""
    assert sorted(numbers.tolist()) == list(range(SHARDS * PER_SHARD)), "not every sample once"
    shards = numbers // PER_SHARD
    batches = shards.reshape(-1, BATCH)
    return {
        "shards_per_batch": float(np.mean([len(set(batch)) for batch in batches.tolist()])),
        "next_in_same_shard": float(np.mean(shards[1:] == shards[:-1])),
        "correlation": float(np.corrcoef(np.arange(len(numbers)), numbers)[0, 1]),
        "next_in_file_is_next": float(np.mean(np.diff(numbers) == 1)),
    }


if __name__ == "__main__":
    main()
