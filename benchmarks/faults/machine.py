"""Faults of a machine: a full disk, a clock that jumps, and caches that are shared."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import forms
from faults.ground import NO_CACHE, Ground
from judge import Running, Verdict, judge
from store import serve


def full_disk(ground: Ground, system: str) -> Verdict:
    """The disk of the cache has 1 MB and the remote dataset several; the system is not told."""
    if system in NO_CACHE:
        return Verdict("n/a", NO_CACHE[system])
    with ground.remote(system) as (_, options, env, work):
        cache = work / "cache"
        options = replace(options, cache=str(cache), cache_bytes=1 << 26)
        mount = f'mount -t tmpfs -o size=1m tmpfs {cache} && exec "$@"'
        command = forms.command(system, "ids", options, ground.venvs)
        running = Running(["unshare", "-rm", "sh", "-c", mount, "sh", *command], Path(options.out), env)
        outcome = running.finish()
        if "unshare failed" in outcome.said or "mount:" in outcome.said:
            return Verdict("n/a", f"this machine mounts nothing: {outcome.said[:120]}")
        return judge(outcome, ground.checksums, (), ("no space", "disk", "free", "enospc"))


def clock_jump(ground: Ground, system: str) -> Verdict:
    """The wall clock jumps a day ahead, and later two days back; the monotonic clock goes on."""
    with ground.remote(system, latency_s=0.01) as (_, options, env, work):
        if system not in NO_CACHE:
            options = replace(options, cache=str(work / "cache"), cache_bytes=1 << 28)
        clock = work / "clock"
        clock.write_bytes(struct.pack("q", 0))
        library = work / "clock.so"
        source = Path(__file__).parents[1] / "clock.c"
        built = subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], capture_output=True)
        if built.returncode:
            return Verdict("n/a", f"no C compiler: {built.stderr.decode()[:100]}")
        options = replace(options, act="clock", act_after=100)
        outcome = ground.run(system, options, {**env, "LD_PRELOAD": str(library), "MCG_CLOCK": str(clock)})
        return judge(outcome, ground.checksums, must_survive=True)


def one_cache(ground: Ground, system: str) -> Verdict:
    """Two nodes' worth of processes, four, read through one cache folder that does not hold the whole dataset."""
    if system in NO_CACHE:
        return Verdict("n/a", NO_CACHE[system])
    with ground.remote(system, latency_s=0.01) as (_, options, env, work):
        running = []
        for rank in range(4):
            own = replace(
                options,
                cache=str(work / "cache"),
                cache_bytes=1 << 20,
                out=f"{options.out}.{rank}",
                world=4,
                rank=rank,
            )
            running.append(ground.start(system, own, env))
        return judge([each.finish() for each in running], ground.checksums, must_survive=True)


def same_names(ground: Ground, system: str) -> Verdict:
    """Two datasets whose shards have the same names, one after the other through one cache folder."""
    if system in NO_CACHE:
        return Verdict("n/a", NO_CACHE[system])
    with ground.copy(system) as (folder, work):
        form = forms.convert(ground.other, system, ground.venvs)
        shutil.copytree(form, work / "other" / form.name)
        (work / "cache").mkdir()
        with serve(work) as store:
            for where, expected in ((folder, ground.checksums), (work / "other", ground.others)):
                url, env = forms.remote(where, system, store, work)
                options = ground.options(system, folder, work, url=url, cache=str(work / "cache"))
                outcome = ground.run(system, options, env)
                verdict = judge(outcome, expected, (), ("cache", "local"))
                if verdict.result != "pass":
                    return verdict
        return verdict
