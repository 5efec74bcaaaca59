"""Everything that issue 12 asks, measured on this machine, as one table: `make bench`.

    PYTHONPATH=. python benchmarks/bench.py [--quick] [--only tiny,jpeg,link,read,memory,start,decode] [--from FILE]

Makes the peers' environments, runs the benchmarks one after the other (a table of each on the way), and prints for
every measure ours, the best peer with its setting, the ratio, what is asked, and whether that is reached. Above 1 ours
is better, whatever the figure. Ours are the defaults, unless the measure names a setting. The machine should do nothing
else. --quick: less of everything and one round, some minutes, for a first look. --from prints the table of
results that were measured before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import peer_venvs
from asked import ROWS, Row, Table
from harness import machine
from rich.console import Console
from rich.table import Table as Printed

SCRIPTS = {
    "tiny": ["bench_tiny.py"],
    "jpeg": ["bench_jpeg.py"],
    "link": ["bench_link.py"],
    "read": ["bench_read.py"],
    "memory": ["bench_memory.py"],
    "start": ["bench_start.py"],
    "decode": ["bench_decode.py", "--sets", "gop60", "gop250"],
}
QUICK = {"decode": ["--sets", "gop60"]}
"""Arguments of the scripts that know no --quick."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--only", default=",".join(SCRIPTS))
    options.add_argument("--rounds", type=int, help="times that every case is asked; each benchmark has its own number")
    options.add_argument("--venvs", type=Path, default=peer_venvs.DEFAULT)
    options.add_argument("--data", type=Path, default=Path("/tmp/mcg-peers-data"))
    options.add_argument("--json", type=Path, default=Path("runs/bench.jsonl"), help="results, written anew")
    options.add_argument("--from", dest="earlier", type=Path, help="results to print; nothing is measured")
    chosen = options.parse_args()
    if chosen.earlier is None:
        measure(chosen)
    show(chosen.earlier or chosen.json)


def measure(chosen: Any) -> None:
    """Run the benchmarks; one that fails is said and leaves its rows empty."""
    peer_venvs.make(chosen.venvs)
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.unlink(missing_ok=True)
    for name in chosen.only.split(","):
        words = [str(Path(__file__).with_name(SCRIPTS[name][0])), *SCRIPTS[name][1:]]
        folder = chosen.data / {"tiny": "whole", "jpeg": "whole", "link": "whole", "memory": "whole"}.get(name, name)
        words += ["--venvs", str(chosen.venvs), "--data", str(folder), "--json", str(chosen.json)]
        if chosen.quick:
            words += ["--rounds", "1", *QUICK.get(name, ["--quick"])]
        elif chosen.rounds:
            words += ["--rounds", str(chosen.rounds)]
        began = time.monotonic()
        print(f"\n{name}: {' '.join(words[:1])} ...", flush=True)
        code = subprocess.run([sys.executable, *words]).returncode
        print(
            f"{name}: {'done' if not code else f'FAILED ({code})'} after {time.monotonic() - began:.0f} s", flush=True
        )


def show(results: Path) -> None:
    """Print the table, and the same as lines of Markdown for docs/results.md."""
    found: Table = {}
    for line in results.read_text().splitlines():
        result = json.loads(line)
        found[result["benchmark"]] = result["cases"]
    printed = Printed("measure", "ours", "best peer", "its setting", "ratio", "asked", "reached", title=machine())
    lines = [_cells(row, found) for row in ROWS]
    for cells in lines:
        printed.add_row(*cells)
    console = Console(width=max(Console().width, 180))
    console.print(printed)
    print("| measure | ours | best peer | ratio | asked | reached |\n| --- | --- | --- | --- | --- | --- |")
    for measure, ours, peer, setting, ratio, asked, reached in lines:
        print(f"| {measure} | {ours} | {f'{setting}: ' if setting else ''}{peer} | {ratio} | {asked} | {reached} |")


def _cells(row: Row, found: Table) -> list[str]:
    answer = row.answer(found)
    if answer is None:
        return [row.measure, "", "", "", "", row.asked, "not measured"]
    ratio = f"{answer.ratio:.2f}" if answer.ratio is not None else ""
    peer = _number(answer.peer) if answer.peer is not None else ""
    reached = "" if row.at_least is None and row.at_most is None else "yes" if row.reached(answer) else "NO"
    return [row.measure, _number(answer.ours), peer, answer.setting, ratio, row.asked, reached]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main()
