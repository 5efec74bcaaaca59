"""How long from opening a local dataset to the first batch, ours and the peers?

    PYTHONPATH=. python benchmarks/bench_start.py [--rounds 3] [--shards 16,1000,10000] [--quick]

A dataset of that many shards of four samples, indexed before, up to the first shuffled batch of 32 parsed records,
nothing decoded, without workers. `first_batch_s` is counted after the imports, `with_imports_s` from before them (the
interpreter and numpy are there); in the cases "all modules in" a first batch of another dataset came before, so that
what a system imports late is not counted. Reading an index of 10,000 shards takes the
peers that have none no time, and those that have one theirs. `benchmarks/start.py` asks ours for decoded pictures.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import forms
import loader_data
import whole
from harness import arguments, ask, beside, save_json
from whole import Case, Data

BATCH, WARM = 32, Data("shards16", 16, 4, 1000)
SYSTEMS = ("ours", "webdataset", "litdata", "mosaic")
MOST = {"litdata": 1000, "mosaic": 1000}
"""Shards up to which a system is asked; writing more takes it too long."""


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/start")
    options.add_argument("--shards", default="16,1000,10000")
    options.add_argument("--quick", action="store_true", help="ours and WebDataset only")
    chosen = options.parse_args()
    cases = {}
    for num_shards in map(int, chosen.shards.split(",")):
        data = Data(f"shards{num_shards}", num_shards, 4, 1000)
        systems = SYSTEMS[:2] if chosen.quick else SYSTEMS
        systems = tuple(system for system in systems if num_shards <= MOST.get(system, num_shards))
        folder = loader_data.make(data, chosen.data, chosen.venvs, systems)
        warm = loader_data.make(WARM, chosen.data, chosen.venvs, systems)
        for system in systems:
            case = Case(system)
            asked = whole.question(case, data, folder, BATCH, 0, chosen.venvs)
            late = replace(asked, warm=str(forms.convert(warm, system, chosen.venvs)))
            for label, each in (("", asked), (", all modules in", late)):
                cases[f"{system}, {num_shards:,} shards{label}"] = _ask(case, each, chosen)
    save_json(chosen.json, beside("start", cases, chosen.rounds))


def _ask(case: Case, asked: Any, chosen: Any) -> Any:
    return partial(ask, whole.command(case, "first", asked, chosen.venvs), whole.LIMIT_S, whole.ENV)


if __name__ == "__main__":
    main()
