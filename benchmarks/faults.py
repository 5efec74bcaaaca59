"""The faults of the scorecard: each is a function of a system that really brings it about and judges what happens.

A fault works on copies in a folder of its own. `Ground` is what all share: the whole dataset in every form, its
samples' checksums, and the ways to run a system on something. Faults of data and of stores are met with one process
without workers, which is what the peers take best; those of processes with two workers where a system has them.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import signal
import struct
import subprocess
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import forms
from judge import LIMIT_S, Outcome, Running, Verdict, judge, read_journal
from peers.protocol import Options, Trap
from store import Store, serve

SHARDS, PER_SHARD = 32, 16
DAMAGED = 3
"""The shard that is damaged, from its middle on, or in the sample in the middle."""
MIDDLE = DAMAGED * PER_SHARD + PER_SHARD // 2
TAIL = range(MIDDLE, (DAMAGED + 1) * PER_SHARD)
WHOLE = range(DAMAGED * PER_SHARD, (DAMAGED + 1) * PER_SHARD)
OTHER = 100_000
"""Added to the numbers of the samples of another dataset."""

Samples = dict[int, tuple[bytes, bytes]]


class Ground:
    """Where the faults happen."""

    def __init__(self, data: Path, venvs: Path) -> None:
        self.venvs = venvs
        self.folder = forms.make(data / "whole", SHARDS, PER_SHARD, 0, (), pictures=True, venvs=venvs)
        self.other = data / "other"
        if not (self.other / "ours").exists():
            # the same shard names, other samples
            make_like(self.folder, self.other, lambda n, pair: (n + OTHER, (_longer(pair[0]), pair[1])))
        self.samples = read_tars(self.folder)
        self.checksums = {n: f"{zlib.crc32(medium):08x}" for n, (medium, _) in self.samples.items()}
        self.others = {n: f"{zlib.crc32(medium):08x}" for n, (medium, _) in read_tars(self.other).items()}

    @contextmanager
    def copy(self, system: str, of: Path | None = None) -> Iterator[tuple[Path, Path]]:
        """(FOLDER with a copy of a system's form, work folder), both gone afterwards."""
        of = of or self.folder
        with tempfile.TemporaryDirectory(prefix=f"mcg-fault-{system}-") as work:
            folder = Path(work) / "bucket"
            form = forms.convert(of, system, self.venvs)
            shutil.copytree(form, folder / form.name)
            yield folder, Path(work)

    def options(self, system: str, folder: Path, work: Path, **more: object) -> Options:
        """What to ask about a copy; shuffled where a system can."""
        form = folder / ("ours" if system in forms.READS_TARS else system)
        names = sorted(path.name for path in form.glob("*.tar"))
        base = Options(
            url=str(form),
            names=names or forms.names(self.folder),
            index=str(form),
            shuffle=system != "spdl",
            buffer=100,
            mode="checked" if system == "mosaic" else "",  # its check of hashes, which is off by default
            batch=16,
            out=str(work / "delivered"),
        )
        return replace(base, **more)  # type: ignore[arg-type]

    def start(self, system: str, options: Options, env: dict[str, str] | None = None) -> Running:
        """A process at work."""
        return Running(forms.command(system, "ids", options, self.venvs), Path(options.out), env)

    def run(self, system: str, options: Options, env: dict[str, str] | None = None) -> Outcome:
        """The same, to its end."""
        return self.start(system, options, env).finish()

    @contextmanager
    def remote(self, system: str, **behaviour: object) -> Iterator[tuple[Store, Options, dict[str, str], Path]]:
        """A store with the system's form: (store, options, environment, work folder)."""
        with self.copy(system) as (folder, work), serve(folder.parent, **behaviour) as store:
            url, env = forms.remote(folder, system, store, work)
            (work / "cache").mkdir()
            yield store, self.options(system, folder, work, url=url), env, work


# ---------------------------------------------------------------- data


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
    """do(file of the shard, offset of the middle sample's medium, bytes of what belongs to it before that)."""
    with ground.copy(system) as (folder, work):
        file = forms.shard_files(folder, system)[DAMAGED]
        at = file.read_bytes().find(ground.samples[MIDDLE][0])
        assert at > 0
        options = ground.options(system, folder, work)
        do(file, at, 512 if file.suffix == ".tar" else 8)
        return judge(ground.run(system, options), ground.checksums, damaged, _names(file, damaged))


def _names(file: Path, numbers: range | list[int]) -> list[str]:
    """What a message about a shard or its samples would contain."""
    return [file.name, *(f"{number:09d}" for number in numbers)]


# ---------------------------------------------------------------- stores


def storm(ground: Ground, system: str) -> Verdict:
    """15 % of the reads of objects are answered with 503 SlowDown."""
    return _remote(ground, system, refuse=0.15, seed=5)


def cut_connections(ground: Ground, system: str) -> Verdict:
    """15 % of the answers break off in the middle."""
    return _remote(ground, system, cut=0.15, seed=5)


def _remote(ground: Ground, system: str, **behaviour: object) -> Verdict:
    """Ours without a cache and with one; those that need one with one, the others without."""
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
        if _ready(running, options):
            store.behave(expired=True)
            Path(options.out + ".go").touch()
        outcome = running.finish()
        return judge(outcome, ground.checksums, (), ("expired", "403", "forbidden", "accessdenied"))


def forked_client(ground: Ground, system: str) -> Verdict:
    """A remote dataset is opened and read from before its workers are forked; three times: it is a matter of luck."""
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


# ---------------------------------------------------------------- processes


def parent_killed(ground: Ground, system: str) -> Verdict:
    """The training process is killed (-9) while two workers read; 12 s later nothing of it is left."""
    with ground.copy(system) as (folder, work):
        # Single samples: more would fill the pipe of torch's queue, and every worker would wait for a reader.
        options = ground.options(system, folder, work, workers=2, act="pause", act_after=64, batch=1)
        if system in THREADED:
            options = replace(options, workers=0)
        running = ground.start(system, options)
        pids_file = Path(options.out + ".pids")
        if not _until(lambda: pids_file.exists() or running.process.poll() is not None) or not pids_file.exists():
            outcome = running.finish(1)
            return Verdict("n/a", outcome.unsupported) if outcome.unsupported else Verdict("fail", outcome.error[:160])
        time.sleep(0.1)
        pids = json.loads(pids_file.read_text())
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
        _until(lambda: not any(_alive(pid) for pid in pids), 12)
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
    """Half of the pass, a state, and the rest otherwise: together every sample once, or a refusal that says why."""
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


# ---------------------------------------------------------------- machine


def full_disk(ground: Ground, system: str) -> Verdict:
    """The disk of the cache has 1 MB, the remote dataset several; nothing tells the system so."""
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
        source = Path(__file__).with_name("clock.c")
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


THREADED = ("ours", "spdl", "dali")
"""Systems that read in threads of the training process."""

NO_CACHE = {
    "spdl": "has no cache",
    "dali": "has no cache",
    "energon": "has no cache of shards of its own (its storage client's was not set up)",
}

FAULTS: dict[str, Callable[[Ground, str], Verdict]] = {
    "shard cut at a member": cut_at_boundary,
    "shard cut inside a member": cut_inside,
    "zeroed tail": zeroed_tail,
    "bit flip": bit_flip,
    "stale index": stale_index,
    "missing shard": missing_shard,
    "bad sample": bad_sample,
    "pickle in a shard": pickled,
    "503 storm": storm,
    "cut connections": cut_connections,
    "expired credentials": expired,
    "forked client": forked_client,
    "parent killed": parent_killed,
    "worker killed": worker_killed,
    "resume on another topology": wrong_topology,
    "resume with another batch": wrong_batch,
    "full disk": full_disk,
    "clock jump": clock_jump,
    "two nodes on one cache": one_cache,
    "two datasets on one cache": same_names,
}


# ---------------------------------------------------------------- samples


def read_tars(folder: Path) -> Samples:
    """number -> (medium, text)."""
    found: Samples = {}
    for path in forms.tars(folder):
        with tarfile.open(path) as tar:
            pairs: dict[str, dict[str, bytes]] = {}
            for member in tar:
                stem, _, ext = member.name.partition(".")
                file = tar.extractfile(member)
                assert file is not None
                pairs.setdefault(stem, {})[ext] = file.read()
        for stem, pair in pairs.items():
            found[int(stem)] = (pair["jpg"], pair["json"])
    return found


def make_like(
    folder: Path,
    out: Path,
    change: Callable[[int, tuple[bytes, bytes]], tuple[int, tuple[bytes, bytes]]],
    extra: tuple[str, bytes] | None = None,
) -> None:
    """Tars like those of a folder, samples changed, in our form with an index; `extra`: one more member a sample."""
    shutil.rmtree(out, ignore_errors=True)
    (out / "ours").mkdir(parents=True)
    samples = read_tars(folder)
    numbers = iter(sorted(samples))
    for path in forms.tars(folder):
        with tarfile.open(out / "ours" / path.name, "w", format=tarfile.USTAR_FORMAT) as tar:
            for _ in range(PER_SHARD):
                old = next(numbers)
                number, (medium, text) = change(old, samples[old])
                text = text.replace(f"#{old:09d}#".encode(), f"#{number:09d}#".encode())
                for ext, data in [("jpg", medium), ("json", text), *([extra] if extra else [])]:
                    member = tarfile.TarInfo(f"{number:09d}.{ext}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    forms.index(out / "ours")


def _longer(jpeg: bytes) -> bytes:
    """A picture of another size in bytes: a comment is put in."""
    return jpeg[:2] + b"\xff\xfe\x03\xea" + b"o" * 1000 + jpeg[2:]


# ---------------------------------------------------------------- waiting


def _ready(running: Running, options: Options) -> bool:
    """Whether the process came to where it waits."""
    ready = Path(options.out + ".ready")
    return _until(lambda: ready.exists() or running.process.poll() is not None) and ready.exists()


def _until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> bool:
    stop = time.monotonic() + limit_s
    while time.monotonic() < stop:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
