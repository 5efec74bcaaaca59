"""The ground that all faults share: the dataset in every form, its checksums, and the ways to run a system on a copy.

Faults of data and of stores use one process without workers, which suits the peers best; those of processes use two
workers if a system has them."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import forms
from judge import Outcome, Running
from peers.protocol import Options
from store import Store, serve

SHARDS, PER_SHARD = 32, 16
OTHER = 100_000
"""Added to the numbers of the samples of another dataset."""
Samples = dict[int, tuple[bytes, bytes]]


class Ground:
    """The dataset in every form, its checksums, and the ways to run a system on a copy of it."""

    def __init__(self, data: Path, venvs: Path) -> None:
        self.venvs = venvs
        self.folder = forms.make(data / "whole", SHARDS, PER_SHARD, 0, (), pictures=True, venvs=venvs)
        self.other = data / "other"
        if not (self.other / "ours").exists():
            # a second dataset with the same shard names and other samples
            make_like(self.folder, self.other, lambda n, pair: (n + OTHER, (_longer(pair[0]), pair[1])))
        self.samples = read_tars(self.folder)
        self.checksums = {n: f"{zlib.crc32(medium):08x}" for n, (medium, _) in self.samples.items()}
        self.others = {n: f"{zlib.crc32(medium):08x}" for n, (medium, _) in read_tars(self.other).items()}

    @contextmanager
    def copy(self, system: str, of: Path | None = None) -> Iterator[tuple[Path, Path]]:
        """(folder with a copy of a system's form, work folder), both removed after the block."""
        of = of or self.folder
        with tempfile.TemporaryDirectory(prefix=f"mcg-fault-{system}-") as work:
            folder = Path(work) / "bucket"
            form = forms.convert(of, system, self.venvs)
            shutil.copytree(form, folder / form.name)
            yield folder, Path(work)

    def options(self, system: str, folder: Path, work: Path, **more: object) -> Options:
        """The options of a question about a copy; shuffled if the system can."""
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
        """Start a process that delivers samples."""
        return Running(forms.command(system, "ids", options, self.venvs), Path(options.out), env)

    def run(self, system: str, options: Options, env: dict[str, str] | None = None) -> Outcome:
        """Run a process that delivers samples to its end."""
        return self.start(system, options, env).finish()

    @contextmanager
    def remote(self, system: str, **behaviour: object) -> Iterator[tuple[Store, Options, dict[str, str], Path]]:
        """A store with the system's form: (store, options, environment, work folder)."""
        with self.copy(system) as (folder, work), serve(folder.parent, **behaviour) as store:
            url, env = forms.remote(folder, system, store, work)
            (work / "cache").mkdir()
            yield store, self.options(system, folder, work, url=url), env, work


THREADED = ("ours", "spdl", "dali")
"""Systems that read in threads of the training process."""
NO_CACHE = {
    "spdl": "has no cache",
    "dali": "has no cache",
    "energon": "has no cache of shards of its own (its storage client's was not set up)",
}


def read_tars(folder: Path) -> Samples:
    """Number of a sample -> (medium, text)."""
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
    """Write tars like those of a folder with changed samples, and our index. extra: one more member for each sample."""
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
    """The same picture with more bytes: a comment is put in."""
    return jpeg[:2] + b"\xff\xfe\x03\xea" + b"o" * 1000 + jpeg[2:]
