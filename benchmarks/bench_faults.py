"""The scorecard: which faults lose samples, in ours and in the peers.

    python benchmarks/peer_venvs.py
    PYTHONPATH=. python benchmarks/bench_faults.py [--systems ours,energon] [--faults "bit flip,503 storm"] [--jobs 2]

512 pictures in 32 shards. Every fault is brought about in processes of their own with a time limit
(faults/), and judged by one rule (judge.py): nothing lost, repeated or changed without a word, and either survived
or stopped with a message that names the thing. Prints a table, a reason per cell and a JSON line. Exit code 1 when
ours fails one.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import forms
from faults.ground import Ground
from faults.table import FAULTS
from harness import machine, save_json
from judge import Verdict
from peer_venvs import DEFAULT
from rich.console import Console
from rich.table import Table

STYLES = {"pass": "green", "fail": "red", "n/a": "dim"}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--systems", default=",".join(forms.SYSTEMS))
    options.add_argument("--faults", default=",".join(FAULTS))
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--data", type=Path, default=Path("/tmp/mcg-peers-data/faults"))
    options.add_argument("--venvs", type=Path, default=DEFAULT)
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    systems, faults = chosen.systems.split(","), [name.strip() for name in chosen.faults.split(",")]
    unknown = [name for name in systems if name not in forms.SYSTEMS] + [name for name in faults if name not in FAULTS]
    if unknown:
        options.error(f"unknown: {unknown}; systems are {', '.join(forms.SYSTEMS)}; faults are {', '.join(FAULTS)}")
    ground = Ground(chosen.data, chosen.venvs)
    for system in systems:
        forms.convert(ground.folder, system, chosen.venvs)
        forms.convert(ground.other, system, chosen.venvs)

    def one(case: tuple[str, str]) -> Verdict:
        fault, system = case
        try:
            verdict = FAULTS[fault](ground, system)
        except Exception:
            verdict = Verdict("broken", f"the benchmark itself failed: {traceback.format_exc()[-600:]}")
        print(f"{fault}, {system}: {verdict.result}: {verdict.reason}", file=sys.stderr)
        return verdict

    cases = [(fault, system) for fault in faults for system in systems]
    with ThreadPoolExecutor(chosen.jobs) as pool:
        done = list(pool.map(one, cases))
    verdicts = dict(zip(cases, done, strict=True))
    show(systems, faults, verdicts)
    cells = {fault: {system: verdicts[fault, system]._asdict() for system in systems} for fault in faults}
    result = {"benchmark": "faults", "machine": machine(), "faults": cells}
    print(json.dumps(result))
    save_json(chosen.json, result)
    broken = any(verdict.result == "broken" for verdict in done)
    return 1 if broken or any(verdicts[fault, "ours"].result == "fail" for fault in faults if "ours" in systems) else 0


def show(systems: list[str], faults: list[str], verdicts: dict[tuple[str, str], Verdict]) -> None:
    """The scorecard, and why."""
    console = Console(width=max(Console().width, 160))
    table = Table("fault", *systems, title="faults")
    for fault in faults:
        results = [verdicts[fault, system].result for system in systems]
        table.add_row(fault, *(f"[{STYLES.get(result, 'bold')}]{result}[/]" for result in results))
    counts = []
    for system in systems:
        results = [verdicts[fault, system].result for fault in faults]
        counts.append(f"{results.count('pass')} pass, {results.count('fail')} fail")
    table.add_row("[bold]together", *counts)
    console.print(table)
    for fault in faults:
        console.print(f"[bold]{fault}")
        for system in systems:
            result, reason = verdicts[fault, system]
            console.print(f"  {system:<11}{result:<6}{reason}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
