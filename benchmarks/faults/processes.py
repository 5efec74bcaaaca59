"""Faults of processes: a killed trainer, a killed worker, and a resume with other ranks or batches."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from faults.ground import PER_SHARD, SHARDS, THREADED, Ground
from faults.waiting import until
from judge import Verdict, judge


def parent_killed(ground: Ground, system: str) -> Verdict:
    """The training process is killed (-9) while two workers read; 12 s later no process of it is left."""
    with ground.copy(system) as (folder, work):
        # Single samples: more would fill the pipe of torch's queue, and every worker would wait for a reader.
        options = ground.options(system, folder, work, workers=2, act="pause", act_after=64, batch=1)
        if system in THREADED:
            options = replace(options, workers=0)
        running = ground.start(system, options)
        pids_file = Path(options.out + ".pids")
        if not until(lambda: pids_file.exists() or running.process.poll() is not None) or not pids_file.exists():
            outcome = running.finish(1)
            return Verdict("n/a", outcome.unsupported) if outcome.unsupported else Verdict("fail", outcome.error[:160])
        time.sleep(0.1)
        pids = json.loads(pids_file.read_text())
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
        until(lambda: not any(_alive(pid) for pid in pids), 12)
        left = [pid for pid in pids if _alive(pid)]
        running.kill()
    if left:
        return Verdict("fail", f"{len(left)} of {len(pids)} processes alive 12 s later")
    return Verdict("pass", f"all {len(pids)} processes ended" if pids else "reads in threads: nothing can stay behind")


def worker_killed(ground: Ground, system: str) -> Verdict:
    """One of two workers is killed (-9) in the middle of the pass."""
    with ground.copy(system) as (folder, work):
        if system in THREADED:
            return Verdict("n/a", "reads in threads: there is no worker process to kill")
        options = ground.options(system, folder, work, workers=2, act="kill_worker", act_after=64)
        return judge(ground.run(system, options), ground.checksums, (), ("worker", "killed"))


def wrong_topology(ground: Ground, system: str) -> Verdict:
    """A state saved by two ranks is loaded by one: with the same global batch, and with the same batch on each rank."""
    for batch in (32, 16):
        # ours counts a batch over all ranks, the others on each
        before = {"world": 2, "batch": 32 if system == "ours" else 16}
        verdict = _resume(ground, system, before, {"world": 1, "batch": batch}, ("world", "rank", "batch size"))
        if verdict.result != "pass":
            break
    return verdict


def wrong_batch(ground: Ground, system: str) -> Verdict:
    """A state saved with batches of 16 is loaded with batches of 8."""
    return _resume(ground, system, {"batch": 16}, {"batch": 8}, ("batch",))


def _resume(
    ground: Ground, system: str, before: dict[str, int], after: dict[str, int], names: tuple[str, ...]
) -> Verdict:
    """Read half a pass, save the state, and read the rest with other settings: together every sample once, or a refusal
    that says why."""
    with ground.copy(system) as (folder, work):
        ranks = before.get("world", 1)
        running = []
        for rank in range(ranks):
            options = ground.options(
                system, folder, work, rank=rank, save=str(work / f"state.{rank}"), out=str(work / f"first.{rank}")
            )
            half = SHARDS * PER_SHARD // 2 // ranks
            running.append(ground.start(system, replace(options, stop_after=half, **before)))  # type: ignore[arg-type]
        first = [each.finish() for each in running]
        for outcome in first:
            if outcome.unsupported:
                return Verdict("n/a", outcome.unsupported)
            if outcome.end != "normal":
                return Verdict("fail", f"no state could be saved: {outcome.end} {outcome.error[-120:]}")
        options = ground.options(system, folder, work, state=str(work / "state.0"), out=str(work / "second"))
        second = ground.run(system, replace(options, **after))  # type: ignore[arg-type]
        verdict = judge([*first, second], ground.checksums, (), names)
        how = f"{_words(before)} to {_words(after)}"
        return Verdict(verdict.result, f"{how}: {verdict.reason}")


def _words(setting: dict[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in setting.items())


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
