"""What every system under test answers, so that one benchmark asks all of them the same question.

`with_NAME.py VERB JSON` runs inside that system's own environment, imports only that system, numpy and the standard
library, and prints one JSON object as its last line. A system is three functions: `load` imports it, `open_stream`
gives a Stream, `convert` writes the samples of tars in the system's own form. The verbs are here, the same for all.

A sample is (medium, text), both bytes-like; its number stands in the text ("#000001234#"), because not every system
hands keys on.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import struct
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

EXIT_S = 5
"""Seconds that a system has for ending its process."""

Figures = dict[str, Any]
Sample = tuple[Any, Any]


@dataclass
class Options:
    """What is asked of a system; `mode` is a word of its own, the rest means the same everywhere."""

    url: str = ""
    """Folder or URL of the dataset in this system's form."""
    names: list[str] = field(default_factory=list)
    """Shards, for systems that do not list them."""
    index: str = ""
    """Folder of the local index files, for systems that cannot read them from where the shards lie."""
    mode: str = ""
    shuffle: bool = False
    buffer: int = 1000
    workers: int = 0
    batch: int = 32
    rank: int = 0
    world: int = 1
    seed: int = 0
    cache: str = ""
    """Folder for copies of remote shards."""
    cache_bytes: int = 1 << 33
    connections: int = 4
    decode: bool = False
    state: str = ""
    """File with a state to go on from."""
    # for the verbs
    seconds: float = 1.0
    stop_after: int = 0
    save: str = ""
    saves: dict[str, str] = field(default_factory=dict)
    """Number of samples -> file for the state after them."""
    out: str = ""
    act: str = ""
    act_after: int = 0
    tars: list[str] = field(default_factory=list)


class Stream(Protocol):
    """An opened dataset."""

    def __iter__(self) -> Iterator[Sample]:
        """One pass, or what is left of it when a state was given."""

    def save(self, path: str) -> None:
        """Write the state after the last sample that was handed over."""


class Unsupported(Exception):
    """The system has no such thing; the text says what."""


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (f"touch '{self.path}'",)


def join_ranks(options: Options) -> None:
    """The variables of torch's launchers: all ranks on one node, met at a port that follows from what they share."""
    port = 20_000 + zlib.crc32(f"{options.url} {options.cache}".encode()) % 20_000
    os.environ.update(
        RANK=str(options.rank),
        LOCAL_RANK=str(options.rank),
        WORLD_SIZE=str(options.world),
        LOCAL_WORLD_SIZE=str(options.world),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )


def number_of(text: Any) -> int:
    """The number of a sample."""
    found = re.search(rb"#(\d+)#", bytes(text))
    if found is None:
        raise ValueError(f"no number in {bytes(text)[:200]!r}")
    return int(found[1])


def cpu_seconds() -> float:
    """Of this process and of the children that it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main(load: Callable[[], None], open_stream: Callable[[Options], Stream], convert: Callable[..., None]):
    """Answer one question."""
    verb, text = sys.argv[1:3]
    options = Options(**json.loads(text))
    try:
        if verb == "convert":
            load()
            convert(options.tars, options.url, *([options.mode.removeprefix("trap ")] if options.mode else []))
            figures: Figures = {}
        else:
            figures = VERBS[verb](load, open_stream, options)
    except Unsupported as reason:
        figures = {"unsupported": str(reason)}
    print("\n" + json.dumps(figures), flush=True)
    # Some wait for their workers for ever when a pass was not read to its end; the answer is out.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(EXIT_S)


def read(load: Any, open_stream: Any, options: Options) -> Figures:
    """Whole passes, one to warm up and then as many as take `seconds`."""
    load()
    stream = open_stream(options)
    warm = _one_pass(stream)
    passes, wall, cpu = 0, time.perf_counter(), cpu_seconds()
    while (spent := time.perf_counter() - wall) < options.seconds:
        assert _one_pass(stream) == warm, "a pass differs from the one before"
        passes += 1
    spent_cpu = cpu_seconds() - cpu
    num_samples, num_bytes = warm
    return {
        "samples": num_samples,
        "bytes": num_bytes,
        "samples_per_s": passes * num_samples / spent,
        "samples_per_cpu_s": passes * num_samples / spent_cpu,
    }


def _one_pass(stream: Stream) -> tuple[int, int]:
    num_samples = num_bytes = 0
    for medium, _ in stream:
        num_samples += 1
        num_bytes += len(medium)
    return num_samples, num_bytes


def once(load: Any, open_stream: Any, options: Options) -> Figures:
    """One pass from nothing, as a remote dataset is first read: opening counts, importing does not."""
    load()
    wall, cpu = time.perf_counter(), cpu_seconds()
    stream = open_stream(options)
    num_samples = num_bytes = 0
    ticks = []
    for medium, _ in stream:
        num_samples += 1
        num_bytes += len(medium)
        if num_samples % options.batch == 0:
            ticks.append(time.perf_counter())
    spent, spent_cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    tenth = len(ticks) // 10
    middle = ticks[-1 - tenth] - ticks[tenth] if len(ticks) > 10 else 0.0
    gaps = sorted(b - a for a, b in pairwise(ticks)) or [0.0]
    close = getattr(stream, "close", None)
    if close:
        close()
    return {
        "samples": num_samples,
        "bytes": num_bytes,
        "first_batch_s": ticks[0] - wall if ticks else spent,
        "pass_s": spent,
        "cpu_s": spent_cpu,
        "mb_per_s": num_bytes / spent / 1e6,
        "middle_mb_per_s": num_bytes * (len(ticks) - 1 - 2 * tenth) / len(ticks) / middle / 1e6 if middle else 0.0,
        "p99_gap_ms": 1e3 * gaps[min(len(gaps) - 1, int(len(gaps) * 0.99))],
    }


def start(load: Any, open_stream: Any, options: Options) -> Figures:
    """Importing, then opening up to the first batch."""
    wall = time.perf_counter()
    load()
    loaded = time.perf_counter()
    samples = iter(open_stream(options))
    first = [number_of(next(samples)[1]) for _ in range(options.batch)]
    return {
        "import_s": loaded - wall,
        "first_batch_s": time.perf_counter() - loaded,
        "peak_mb": _peak_mb(),
        "first": first,
    }


def _peak_mb() -> float:
    """Largest resident size since this program began (ru_maxrss would be that of whoever started it)."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1e3


def memory(load: Any, open_stream: Any, options: Options) -> Figures:
    """Memory of all processes of the system after `stop_after` samples, beyond what importing took."""
    load()
    before = _held([os.getpid()])
    stream = open_stream(options)
    count, early = 0, 0.0
    samples = iter(())
    while count < options.stop_after:
        try:
            next(samples)
        except StopIteration:
            samples = iter(stream)
            continue
        count += 1
        if count == options.stop_after // 10:
            early = _held([os.getpid(), *children()])
    pids = children()
    after = _held([os.getpid(), *pids])
    workers = [_smaps(pid, "Private_Dirty") for pid in pids if "tracker" not in _command_line(pid)]
    return {
        "imported_mb": before,
        "added_mb": after - before,
        "growth_mb": after - early,
        "worker_mb": sum(workers) / len(workers) if workers else 0.0,
    }


def _held(pids: list[int]) -> float:
    """MB that processes hold together: what they share counts once, files in the page cache do not count."""
    return sum(_smaps(pid, "Pss_Anon") + _smaps(pid, "Pss_Shmem") for pid in pids)


def _smaps(pid: int, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) / 1e3 if found else 0.0


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def children() -> list[int]:
    """Processes that this one started, and theirs."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found, more = [], [os.getpid()]
    while more:
        above = more.pop()
        below = [pid for pid, parent in parents.items() if parent == above]
        found += below
        more += below
    return sorted(found)


def ids(load: Any, open_stream: Any, options: Options) -> Figures:
    """Deliver up to `stop_after` samples (0: the pass) and write a line "number checksum" for each to `out`.

    After `act_after` samples something is done: `act` is one of ACTS. How it ended is in the figures.
    """
    load()
    if options.out:
        Path(options.out + ".loaded").touch()
    if options.act == "fork":
        return _in_forks(open_stream, options)
    figures: Figures = {"end": "normal"}
    samples = (_Journal(Path(options.out))) if options.out else None
    numbers: list[int] = []
    try:
        if options.act == "touch":
            next(iter(open_stream(replace(options, workers=0, cache=options.cache and options.cache + "-touched"))))
        stream = open_stream(options)
        for medium, text in stream:
            try:
                number = number_of(text)
            except ValueError:
                number = -1  # not what was written; whoever judges will see
            numbers.append(number)
            if samples:
                samples.write(number, b"" if options.decode else medium)
            if options.saves and str(len(numbers)) in options.saves:
                stream.save(options.saves[str(len(numbers))])
            if options.act_after and len(numbers) % options.act_after == 0 and not figures.get("acted"):
                ACTS[options.act](options, figures)
            if len(numbers) == options.stop_after:
                break
        if options.save:
            stream.save(options.save)
        notes = getattr(stream, "notes", None)
        if notes:
            figures["notes"] = notes()
    except Unsupported:
        raise
    except BaseException as error:
        traceback.print_exc()
        figures["end"] = "error"
        figures["error"] = f"{type(error).__name__}: {error}"
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
    if not options.out:
        figures["ids"] = numbers
    return figures


def _in_forks(open_stream: Any, options: Options) -> Figures:
    """Two ranks are opened here, in one process, and each is read by a fork of it."""
    streams = [open_stream(replace(options, rank=rank, world=2)) for rank in range(2)]
    forks = []
    for rank, stream in enumerate(streams):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                journal = _Journal(Path(f"{options.out}.{rank}"))
                for medium, text in stream:
                    journal.write(number_of(text), medium)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        forks.append(pid)
    codes = [os.waitpid(pid, 0)[1] for pid in forks]
    return {"end": "error", "error": f"forks ended with {codes}"} if any(codes) else {"end": "normal"}


class _Journal:
    """What was delivered, on disk at once, so that it outlives the process."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)

    def write(self, number: int, medium: Any) -> None:
        self._file.write(f"{number} {zlib.crc32(bytes(medium)):08x}\n")


def link_tars(tars: list[str], out: str) -> list[Path]:
    """The tars in a folder of a system's own, which puts its files beside them."""
    os.makedirs(out, exist_ok=True)
    targets = [Path(out) / Path(tar).name for tar in tars]
    for tar, target in zip(tars, targets, strict=True):
        if not target.exists():
            os.link(tar, target)
    return targets


def _kill_worker(options: Options, figures: Figures) -> None:
    figures["acted"] = True
    found = [pid for pid in children() if "resource_tracker" not in _command_line(pid)]
    figures["killed"] = len(found[:1])
    if not found:
        raise Unsupported("has no worker processes: it reads in threads of one process")
    os.kill(found[0], signal.SIGKILL)


def _pause(options: Options, figures: Figures) -> None:
    """Write down the processes, then wait to be killed from outside."""
    figures["acted"] = True
    Path(options.out + ".pids").write_text(json.dumps(children()))
    time.sleep(600)


def _wait_for_go(options: Options, figures: Figures) -> None:
    """Tell the parent that this point is reached, and go on when it has done what it wants to do."""
    figures["acted"] = True
    Path(options.out + ".ready").touch()
    while not Path(options.out + ".go").exists():
        time.sleep(0.01)


def _clock(options: Options, figures: Figures) -> None:
    """A day ahead, then a day behind."""
    before = time.time()
    offset = -86400 if figures.get("jumps") else 86400
    with open(os.environ["MCG_CLOCK"], "r+b") as file:
        file.write(struct.pack("q", offset))
    assert abs(time.time() - before) > 80000, "the clock did not jump"
    figures["jumps"] = figures.get("jumps", 0) + 1
    figures["acted"] = figures["jumps"] == 2


ACTS = {"kill_worker": _kill_worker, "pause": _pause, "wait": _wait_for_go, "clock": _clock}
VERBS = {"read": read, "once": once, "start": start, "memory": memory, "ids": ids}
