"""How much memory does a loader take, ours and the peers, and does it grow?

    PYTHONPATH=. python benchmarks/bench_memory.py [--rounds 3] [--batches 900]

16,000 samples of 20 KB, shuffled (buffers of 1,000 samples where a system has one: 20 MB each), batches of 32; two
workers where a system has workers, else its threads. Anonymous and shared memory of all processes together, what they
share counted once and files in the page cache not at all: `imported_mb` before anything is opened, `added_mb` beyond
that after that many batches, `growth_mb` the rise since a tenth of them; `worker_mb` is what one worker process has
for itself. `benchmarks/loader_memory.py` compares ours with a trivial loader.
"""

from __future__ import annotations

from functools import partial

import forms
from harness import arguments, ask, beside, save_json
from peers.protocol import Options

SHARDS, PER_SHARD, MEDIA_BYTES, BATCH = 16, 1000, 20 * 1024, 32
WORKERS = {"webdataset": 2, "mosaic": 2, "litdata": 2, "energon": 2}


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/read")
    options.add_argument("--batches", type=int, default=900)
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
        cases[system] = partial(ask, forms.command(system, "memory", asked, chosen.venvs))
    save_json(chosen.json, beside("memory", cases, chosen.rounds))


if __name__ == "__main__":
    main()
