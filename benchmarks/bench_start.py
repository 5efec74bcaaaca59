"""How long from a fresh interpreter to the first batch, ours and the peers?

    PYTHONPATH=. python benchmarks/bench_start.py [--rounds 3] [--shards 16,1000]

Importing a system (`import_s`; ours with pyarrow and numpy, which its first batch needs), then opening a local
dataset of that many shards of four samples, indexed before, up to the first shuffled batch of 32 (`first_batch_s`),
without workers. `peak_mb` is the largest resident size up to there. `benchmarks/start.py` asks ours for decoded
pictures.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import forms
from harness import arguments, ask, beside, save_json
from peers.protocol import Options


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/start")
    options.add_argument("--shards", default="16,1000")
    chosen = options.parse_args()
    cases = {}
    for num_shards in map(int, chosen.shards.split(",")):
        data = forms.make(chosen.data / str(num_shards), num_shards, 4, 1000, venvs=chosen.venvs)
        for system in forms.SYSTEMS:
            url = str(forms.convert(data, system, chosen.venvs))
            asked = Options(url=url, names=forms.names(data), shuffle=system != "spdl", batch=32, buffer=32)
            cases[f"{system}, {num_shards:,} shards"] = partial(_start, system, asked, chosen.venvs)
    save_json(chosen.json, beside("start", cases, chosen.rounds))


def _start(system: str, options: Options, venvs: Path) -> dict[str, Any]:
    answer = ask(forms.command(system, "start", options, venvs))
    answer.pop("first", None)
    return answer


if __name__ == "__main__":
    main()
