"""How much memory does a loader take, ours and the peers, and does it grow?

    PYTHONPATH=. python benchmarks/bench_memory.py [--rounds 3] [--batches 1000]

16,000 samples of 20 KB, shuffled (buffers of 1,000 samples where a system has one: 20 MB each), batches of 32; two
workers where a system has workers, else its threads. Private memory from smaps_rollup: `imported_mb` before anything
is opened, `worker_mb` of one worker process, `added_mb` of all processes together beyond the import, after that many
batches; `growth_mb` is the rise since a tenth of them. `benchmarks/loader_memory.py` compares ours with a trivial
loader.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import forms
from harness import arguments, ask, beside, save_json
from peers.protocol import Options

SHARDS, PER_SHARD, MEDIA_BYTES, BATCH = 16, 1000, 20 * 1024, 32
WORKERS = {"webdataset": 2, "mosaic": 2, "litdata": 2, "energon": 2}


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/read")
    options.add_argument("--batches", type=int, default=1000)
    chosen = options.parse_args()
    forms.make(chosen.data, SHARDS, PER_SHARD, MEDIA_BYTES, venvs=chosen.venvs)
    cases = {}
    for system in forms.SYSTEMS:
        asked = Options(
            url=str(forms.convert(chosen.data, system, chosen.venvs)),
            names=forms.names(chosen.data),
            shuffle=system != "spdl",
            workers=WORKERS.get(system, 0),
            batch=BATCH,
            stop_after=chosen.batches * BATCH,
        )
        cases[system] = partial(_memory, system, asked, chosen.venvs)
    save_json(chosen.json, beside("memory", cases, chosen.rounds))


def _memory(system: str, options: Options, venvs: Path) -> dict[str, Any]:
    answer = ask(forms.command(system, "memory", options, venvs))
    answer["added_mb"] = answer.pop("all_mb") - answer["imported_mb"]
    return answer


if __name__ == "__main__":
    main()
