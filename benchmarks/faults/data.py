"""Faults of data: shards that are cut, damaged, replaced or missing, samples that cannot be decoded, and pickles."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import forms
from faults.ground import OTHER, PER_SHARD, Ground, make_like
from judge import Verdict, judge
from peers.protocol import Options, Trap

DAMAGED = 3
"""The shard that is damaged: its second half, or its middle sample."""
MIDDLE = DAMAGED * PER_SHARD + PER_SHARD // 2
TAIL = range(MIDDLE, (DAMAGED + 1) * PER_SHARD)
WHOLE = range(DAMAGED * PER_SHARD, (DAMAGED + 1) * PER_SHARD)


def cut_at_boundary(ground: Ground, system: str) -> Verdict:
    """A shard ends where a sample ends, half of its samples too early."""
    return _damage(ground, system, lambda file, at, header: os.truncate(file, at - header), TAIL)


def cut_inside(ground: Ground, system: str) -> Verdict:
    """A shard ends in the middle of a sample."""
    return _damage(ground, system, lambda file, at, header: os.truncate(file, at + 700), TAIL)


def zeroed_tail(ground: Ground, system: str) -> Verdict:
    """The second half of a shard is zeros."""

    def zero(file: Path, at: int, header: int) -> None:
        size = file.stat().st_size
        os.truncate(file, at - header)
        os.truncate(file, size)

    return _damage(ground, system, zero, TAIL)


def bit_flip(ground: Ground, system: str) -> Verdict:
    """One bit of one medium is wrong."""

    def flip(file: Path, at: int, header: int) -> None:
        data = bytearray(file.read_bytes())
        data[at + 1000] ^= 4
        file.write_bytes(data)

    return _damage(ground, system, flip, [MIDDLE])


def stale_index(ground: Ground, system: str) -> Verdict:
    """A shard was replaced by another of the same name, and the index is the old one."""
    if system in forms.READS_TARS:
        return Verdict("n/a", "has no index")
    with ground.copy(system) as (folder, work), ground.copy(system, ground.other) as (other, _):
        file, new = (forms.shard_files(where, system)[DAMAGED] for where in (folder, other))
        shutil.copyfile(new, file)
        outcome = ground.run(system, ground.options(system, folder, work))
        instead = {n + OTHER: ground.others[n + OTHER] for n in WHOLE}
        return judge(outcome, ground.checksums, WHOLE, _names(file, WHOLE), instead=instead)


def missing_shard(ground: Ground, system: str) -> Verdict:
    """A shard that the dataset lists is not there."""
    return _damage(ground, system, lambda file, at, header: file.unlink(), WHOLE)


def bad_sample(ground: Ground, system: str) -> Verdict:
    """One picture was never a picture: whole, indexed, and not decodable."""
    spoilt = ground.folder.parent / "spoilt"
    if not (spoilt / "ours").exists():
        garbage = os.urandom(5000)
        samples = [garbage if n == MIDDLE else medium for n, (medium, _) in sorted(ground.samples.items())]
        forms.write(spoilt / "ours", samples, PER_SHARD)
    with ground.copy(system, spoilt) as (folder, work):
        options = ground.options(system, folder, work, decode=True)
        outcome = ground.run(system, options)
        shard = forms.shard_files(folder, system)[DAMAGED]
        return judge(outcome, dict.fromkeys(ground.checksums, ""), [MIDDLE], _names(shard, [MIDDLE]))


def pickled(ground: Ground, system: str) -> Verdict:
    """A shard holds a pickle that runs a command when it is loaded; whole samples are read, as by default."""
    with tempfile.TemporaryDirectory(prefix=f"mcg-fault-{system}-") as work:
        flag, data = Path(work) / "executed", Path(work) / "data"
        make_like(ground.folder, data, lambda n, pair: (n, pair), extra=("pyd", pickle.dumps(Trap(str(flag)))))
        form = forms.convert(data, system, ground.venvs)
        if system in ("mosaic", "litdata"):
            shutil.rmtree(form)
            options = Options(url=str(form), tars=[str(path) for path in forms.tars(data)], mode=f"trap {flag}")
            subprocess.run(forms.command(system, "convert", options, ground.venvs), check=True, capture_output=True)
        outcome = ground.run(system, ground.options(system, data, Path(work), mode="whole"))
        if flag.exists():
            return Verdict("fail", "ran the command that the pickle holds")
        if outcome.end == "normal" and len(outcome.delivered) == len(ground.checksums):
            return Verdict("pass", "all delivered, nothing executed")
        if outcome.end == "error":
            return Verdict("pass", f"refused, nothing executed: {outcome.error[:120]}")
        return judge(outcome, ground.checksums)


def _damage(ground: Ground, system: str, do: Callable[[Path, int, int], None], damaged: range | list[int]) -> Verdict:
    """Damage a shard and judge the run. do: called with (file of the shard, offset of the medium of the middle sample,
    bytes of its header before that)."""
    with ground.copy(system) as (folder, work):
        file = forms.shard_files(folder, system)[DAMAGED]
        at = file.read_bytes().find(ground.samples[MIDDLE][0])
        assert at > 0
        options = ground.options(system, folder, work)
        do(file, at, 512 if file.suffix == ".tar" else 8)
        return judge(ground.run(system, options), ground.checksums, damaged, _names(file, damaged))


def _names(file: Path, numbers: range | list[int]) -> list[str]:
    """Names of which an error about a shard or its samples contains one."""
    return [file.name, *(f"{number:09d}" for number in numbers)]
