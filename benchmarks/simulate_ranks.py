"""What 512 to 4,096 ranks read: every element once? What comes from the store, what from the disks of the nodes?

    PYTHONPATH=. python benchmarks/simulate_ranks.py [--ranks 512 1024 2048 4096] [--plot docs/simulation.svg]

Nothing is trained or decoded. Two virtual datasets, mixed 3 to 1 (32,000 shards of 0.5 to 1.5 GB, 8 million elements of
4 MiB, 31 TiB), are dealt to nodes of 8 ranks for two passes, in global batches of 131,072, with as many streams as
ranks, or with those that the project takes by itself (`--streams default`). simulated_run.py and virtual_shards.py say
what of it is the project's own code. Of all ranks every element is counted, every 50th batch is compared with the plan
of a rank, and of one node the cache runs (more: `--nodes`), with a line that brings `--speed` times what its steps use,
and disks of several shares of what the node has to read in a pass.

All figures are those of a node. `store`: bytes from the store for each byte that its ranks use, in either pass; for all
nodes together that is a multiple of the datasets. `hits`: reads that the disk serves. `lost`: steps' worth of time in
which ranks wait for bytes. `draws from`: bytes of the shards that its ranks draw from in a pass, as a multiple of its
share of the datasets, of all nodes the least and the most. `default streams`: as such a multiple, what the look-ahead
of a node lists for the first pass if `streams` is left open. The second table: one pass, in whose middle the cursor is
saved as JSON and all is made anew from it, with as many ranks or others, and the disks as they are or emptied.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness import ask, machine, run_case, save_json
from rich.console import Console
from rich.table import Table
from simulated_run import Cache, Phase, Size, announced, simulate

CHANGES = ((4096, 2048), (512, 1024))
DISK_OF_HALVES = 1.25
"""A disk that holds all of a node's share, so that only the interruption costs."""
Found = dict[str, Any]


def passes(ranks: str, disks: str, size: str, streams: str) -> Found:
    """Two passes, with disks of several sizes; and the look-ahead with the default streams."""
    number, how = int(ranks), Size(*json.loads(size))
    with tempfile.TemporaryDirectory() as folder:
        caches = [Cache(disk) for disk in json.loads(disks)]
        found = simulate(Path(folder), [Phase(number, 2)], how, _streams(streams, number), caches)
    return _measured(found | announced(how, number, None))


def halves(before: str, behind: str, size: str, streams: str) -> Found:
    """One pass that is interrupted in its middle and goes on with as many ranks or others."""
    numbers = int(before), int(behind)
    phases = [Phase(numbers[0], 0.5), Phase(numbers[1], 1)]
    with tempfile.TemporaryDirectory() as folder:
        caches = [Cache(DISK_OF_HALVES), Cache(DISK_OF_HALVES, warm=False)]
        number = _streams(streams, max(numbers))
        return _measured(simulate(Path(folder), phases, Size(*json.loads(size)), number, caches))


def _streams(streams: str, ranks: int) -> int | None:
    return None if streams == "default" else ranks


def _measured(found: Found) -> Found:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return found | {"cpu_s": time.process_time(), "peak_mb": peak}


def ask_all(ranks: Sequence[int], disks: Sequence[float], size: Size, streams: str, jobs: int) -> tuple[Found, Found]:
    """All cases, each in a process of its own: of whole passes by ranks, and of halves by their label."""
    how = json.dumps(size)
    whole = {str(number): ["passes", str(number), json.dumps(disks), how, streams] for number in ranks}
    changes = [(number, number) for number in ranks] + [pair for pair in CHANGES if set(pair) <= set(ranks)]
    halved = {f"{a} -> {b}" if a != b else f"{a}": ["halves", str(a), str(b), how, streams] for a, b in changes}
    with ThreadPoolExecutor(jobs) as pool:
        asked = [
            {label: pool.submit(ask, [sys.executable, __file__, "--case", *case], 900) for label, case in cases.items()}
            for cases in (whole, halved)
        ]
        first, second = ({label: answer.result() for label, answer in answers.items()} for answers in asked)
    return first, second


def show(whole: Found, halved: Found) -> None:
    """The table of whole passes, and that of halves."""
    table = Table(
        *("ranks", "disk", "store, pass 1", "pass 2", "GiB, pass 1", "pass 2", "requests, pass 1", "hits", "lost"),
        *("draws from", "default streams"),
        title="two passes, figures of a node; every element came once in each",
    )
    for ranks, found in whole.items():
        first, second = found["parts"]
        for disk, one in sorted(first["caches"].items(), key=lambda each: float(each[0].rstrip("%"))):
            size = f"{disk}: {float(disk.rstrip('%')) / 100 * first['share_gib']:,.0f} GiB"
            cells = ["refused", *[""] * 6]
            if "refused" not in one:
                other = second["caches"][disk]
                cells = [f"{each['store_gib'] / each['used_gib']:.2f}" for each in (one, other)]
                cells += [f"{each['store_gib']:,.0f}" for each in (one, other)]
                cells += [f"{one['requests']:,.0f}", f"{one['hits']:.3f}, {other['hits']:.3f}"]
                cells.append(f"{one['lost']:.1f}, {other['lost']:.1f}")
            draws = f"{first['need_least']:.2f} to {first['need_most']:.2f}"
            table.add_row(ranks, size, *cells, draws, f"{found['announced']:.2f}")
    console = Console(width=max(Console().width, 160))
    console.print(table)
    table = Table(
        *(
            "ranks",
            "disks",
            "used before, GiB",
            "store before",
            "used behind",
            "store behind",
            "store, whole pass",
            "lost",
        ),
        title="a pass that is interrupted in its middle, figures of a node; every element came once",
    )
    for label, found in halved.items():
        before, behind = found["parts"]
        for disk, one in before["caches"].items():
            other = behind["caches"][disk]
            cells = [f"{each[what]:,.0f}" for each in (one, other) for what in ("used_gib", "store_gib")]
            cells.append(f"{one['store_gib'] / before['share_gib'] + other['store_gib'] / behind['share_gib']:.2f}")
            disks = "emptied" if "emptied" in disk else "as they are"
            table.add_row(label, disks, *cells, f"{one['lost']:.1f}, {other['lost']:.1f}")
    console.print(table)


def plot(path: Path, whole: Found, halved: Found) -> None:
    """What comes from the store: by size of the disk, and by what happens in the middle of a pass."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams.update({"font.size": 7, "svg.fonttype": "none", "svg.hashsalt": "shards"})
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3), layout="constrained")
    for (ranks, found), marker, line in zip(whole.items(), "osD^v", ("-", "--", "-.", ":", "-"), strict=False):
        second = found["parts"][1]["caches"]
        points = [
            (float(d.rstrip("%")), c["store_gib"] / c["used_gib"]) for d, c in second.items() if "refused" not in c
        ]
        left.plot(*zip(*sorted(points), strict=True), marker=marker, linestyle=line, label=f"{ranks} ranks")
    left.set(xlabel="disk of a node, % of its share", ylim=(-0.05, 1.15))
    left.set_title("second pass: bytes from the store per byte used", loc="left", fontsize=8)
    left.legend(frameon=False)
    for shift, kind, hatch, color in ((-0.2, "as they are", "", "#1f6fb4"), (0.2, "emptied", "////", "#b8bec6")):
        rows, values = [], []
        for row, found in enumerate(halved.values()):
            (cache,) = [label for label in found["parts"][1]["caches"] if ("emptied" in label) == (kind == "emptied")]
            behind = found["parts"][1]
            rows.append(row + shift)
            values.append(behind["caches"][cache]["store_gib"] / behind["share_gib"])
        bars = right.barh(rows, values, 0.38, color=color, hatch=hatch, edgecolor="#333333", linewidth=0.5)
        bars.set_label(f"disks {kind}")
        right.bar_label(bars, fmt="%.2f", padding=2)
    right.set_yticks(range(len(halved)), [label if ">" in label else f"restart, {label}" for label in halved])
    right.invert_yaxis()
    right.margins(x=0.15)
    right.set_title(
        "rest of the pass after its middle: bytes from the store,\nas a multiple of a node's share",
        loc="left",
        fontsize=8,
    )
    right.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    # matplotlib ends lines of paths with spaces
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Size()
    options.add_argument("--ranks", type=int, nargs="+", default=[4096, 2048, 1024, 512])
    options.add_argument("--disks", type=float, nargs="+", default=[0.1, 0.5, 1.0], help="of a node's share")
    options.add_argument("--shards", type=int, default=default.num_shards, help="of both datasets")
    options.add_argument("--shard-elements", type=int, default=default.shard_elements, help="on average, 4 MiB each")
    options.add_argument("--batch-size", type=int, default=default.batch_size, help="elements of a global batch")
    options.add_argument(
        "--streams", choices=("ranks", "default"), default="ranks", help="as many as ranks, or left open"
    )
    options.add_argument("--nodes", type=int, default=default.num_cached, help="nodes whose caches run")
    options.add_argument("--speed", type=float, default=default.speed, help="of a node's line, of what its steps use")
    options.add_argument("--jobs", type=int, default=2, help="processes at a time")
    options.add_argument("--plot", type=Path, help="file for the picture")
    options.add_argument("--json", type=Path, help="file that the JSON line is appended to")
    chosen = options.parse_args()
    size = Size(chosen.shards, chosen.shard_elements, chosen.batch_size, chosen.nodes, chosen.speed)
    begin = time.perf_counter()
    ranks = sorted(chosen.ranks, reverse=True)
    whole, halved = ask_all(ranks, sorted(chosen.disks), size, chosen.streams, chosen.jobs)
    show(whole, halved)
    result: Found = {
        "benchmark": "simulated ranks",
        "machine": machine(),
        "size": size._asdict(),
        "streams": chosen.streams,
        "passes": whole,
    }
    result |= {"halves": halved, "wall_s": time.perf_counter() - begin}
    if chosen.plot:
        plot(chosen.plot, whole, halved)
    print(json.dumps(result))
    save_json(chosen.json, result)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"passes": passes, "halves": halves}, sys.argv[2:])
    else:
        main()
