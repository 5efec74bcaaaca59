"""Faults of stores: refused and cut requests, expired credentials, a client that is forked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from faults.ground import Ground
from faults.waiting import is_ready
from judge import Verdict, judge, read_journal


def storm(ground: Ground, system: str) -> Verdict:
    """15 % of the reads of objects are answered with 503 SlowDown."""
    return _remote(ground, system, refuse=0.15, seed=5)


def cut_connections(ground: Ground, system: str) -> Verdict:
    """15 % of the answers break off in the middle."""
    return _remote(ground, system, cut=0.15, seed=5)


def _remote(ground: Ground, system: str, **behaviour: object) -> Verdict:
    """Judge runs on a faulty store: ours without and with a cache, the others with one only if they need it."""
    if system == "ours":
        verdict = _met(ground, system, False, **behaviour)
        return verdict if verdict.result == "fail" else _met(ground, system, True, **behaviour)
    return _met(ground, system, system in ("mosaic", "litdata"), **behaviour)


def _met(ground: Ground, system: str, cached: bool, **behaviour: object) -> Verdict:
    with ground.remote(system) as (store, options, env, work):
        if cached:
            options = replace(options, cache=str(work / "cache"))
        store.behave(**behaviour)
        outcome = ground.run(system, options, env)
        hit = store.counted()["refused"] + store.counted()["cut"]
        verdict = judge(outcome, ground.checksums, must_survive=True)
        if verdict.result == "pass" and not hit:
            return Verdict("n/a", "no request was hit")
        return Verdict(verdict.result, f"{verdict.reason} ({hit} requests hit)" if hit else verdict.reason)


def expired(ground: Ground, system: str) -> Verdict:
    """In the middle of the pass the store answers 403 ExpiredToken to everything."""
    with ground.remote(system, latency_s=0.05) as (store, options, env, work):
        if system in ("mosaic", "litdata"):
            options = replace(options, cache=str(work / "cache"))
        options = replace(options, shuffle=False, act="wait", act_after=40)
        running = ground.start(system, options, env)
        if is_ready(running, options):
            store.behave(expired=True)
            Path(options.out + ".go").touch()
        outcome = running.finish()
        return judge(outcome, ground.checksums, (), ("expired", "403", "forbidden", "accessdenied"))


def forked_client(ground: Ground, system: str) -> Verdict:
    """A remote dataset is opened and read before its workers are forked; three times, because failures are random."""
    for _ in range(3):
        verdict = _forked(ground, system)
        if verdict.result != "pass":
            break
    return verdict


def _forked(ground: Ground, system: str) -> Verdict:
    with ground.remote(system, latency_s=0.01) as (_, options, env, work):
        if system == "ours":
            out = [work / f"delivered.{rank}" for rank in range(2)]
            outcome = ground.run(system, replace(options, act="fork"), env)
            outcome.delivered = [sample for path in out for sample in read_journal(path)]
            return judge(outcome, ground.checksums, must_survive=True)
        if system in ("mosaic", "litdata"):
            options = replace(options, cache=str(work / "cache"))
        outcome = ground.run(system, replace(options, workers=2, act="touch"), env)
        return judge(outcome, ground.checksums, must_survive=True)
