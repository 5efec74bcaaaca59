"""Does a run that is killed at random moments end as the run that is not?

    python benchmarks/bench_survive.py --kills 25

For each number of ranks and ZeRO stage a tiny run trains (gloo, CPU) in one go, and once more while one of its ranks,
drawn at random, is killed (kill -9) so many times: within steps, saves in the background, evaluations and copies of
checkpoints, in turn; tests/end_to_end/survival.py says how a moment is found. Each time the same command is given
again. At the end weights, optimiser state, losses and scores are compared to the bit, and samples and files are
counted. Prints a row for each combination and one JSON line; exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from harness import machine
from rich.console import Console
from rich.table import Table

from tests.end_to_end.small_runs import PRETRAIN, Runs, call
from tests.end_to_end.survival import CHECKS, SPANS, Survived, Topology, compare, live, num_steps, survive


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25, help="of each combination")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--stages", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the runs are kept; by default they are removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        runs, found = _prepare(folder), {}
        for topology in (Topology(ranks, stage) for ranks in options.ranks for stage in options.stages):
            found[str(topology)] = _one(runs, folder, topology, options.kills, options.seed)
            print(json.dumps({str(topology): _told(found[str(topology)])}), file=sys.stderr, flush=True)
    _show(found)
    result = {"benchmark": "survive", "machine": machine(), "load": os.getloadavg(), "seed": options.seed}
    print(json.dumps({**result, "kills": options.kills, "cases": {name: _told(one) for name, one in found.items()}}))
    raise SystemExit(0 if all(map(_is_well, found.values())) else 1)


def _prepare(folder: Path) -> Runs:
    what = ["--split", "train", "--text", "captions", "--num-clips", "60", "--samples-per-shard", "12"]
    call([sys.executable, "-m", "tools", "build", "shapes", *what, "--out", str(folder / "data" / "captions")])
    (folder / "pretrain.yaml").write_text(PRETRAIN)
    return Runs(folder / "data", folder)


def _one(runs: Runs, folder: Path, topology: Topology, kills: int, seed: int) -> Survived:
    name, steps = f"{topology.ranks}-{topology.stage}", num_steps(kills)
    reference, killed = folder / f"{name}-whole", folder / f"{name}-killed"
    try:
        live(runs, reference, topology, steps)
    except RuntimeError as error:
        return Survived(problem=f"without kills: {error}")
    found = survive(runs, killed, topology, steps, kills, seed)
    if found.problem is None:
        found.differences = compare(killed, reference, topology, steps)
    return found


def _is_well(one: Survived) -> bool:
    return one.problem is None and not any(one.differences.values())


def _told(one: Survived) -> dict[str, Any]:
    under_way = Counter("+".join(sorted(kill)) for kill in one.kills)
    facts = {"kills": len(one.kills), "under_way": under_way, "victims": one.victims, "starts": one.starts}
    return {**facts, "seconds": round(one.seconds, 1), "problem": one.problem, "differences": one.differences}


def _show(found: dict[str, Survived]) -> None:
    others = [phase for phase in SPANS if phase != "step"]
    table = Table(
        "ranks, stage", "kills", "in a step alone", *(f"in {phase}" for phase in others), "starts", "s", *CHECKS
    )
    table.title = "Runs killed at random moments beside runs that are not (some kills came in two of these at once)"
    for name, one in found.items():
        counts = [one.kills.count(frozenset({"step"})), *(sum(phase in kill for kill in one.kills) for phase in others)]
        same = [{None: "?", "": "same"}.get(one.differences.get(check), "DIFFERS") for check in CHECKS]
        table.add_row(name, str(len(one.kills)), *map(str, counts), str(one.starts), f"{one.seconds:.0f}", *same)
    console = Console(width=max(Console().width, 160))
    console.print(table)
    for name, one in found.items():
        for what in filter(None, [one.problem, *(f"{k}: {v}" for k, v in one.differences.items() if v)]):
            console.print(f"{name}: {what}", markup=False)


if __name__ == "__main__":
    main()
