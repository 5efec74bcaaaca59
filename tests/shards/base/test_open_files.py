"""All sources of a process share one budget of open files, which grows with the limit and yields where it must."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.index import Index
from shards.dataset.index.schema import index_schema
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import write_index
from shards.storage.local import LocalSource
from shards.storage.open import open_source
from tests.shards.conftest import REPOSITORY
from tests.shards.http_store import HttpStore
from tests.shards.small_dataset import write_dataset

NUM_SHARDS = 2000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 shards of one sample, all alike but for their names."""
    folder = tmp_path_factory.mktemp("many")
    one = write_dataset(folder / "one", "cc", 1, records_of=(1,))
    index = Index.open(open_source(str(one)))
    (entry,) = (ShardEntry(*entry) for entry in index.shards.entries())
    rows = index.table(0).cast(index_schema())
    column = rows.schema.get_field_index("shard")
    entries, tables = [], []
    for number in range(NUM_SHARDS):
        name = f"{number:06d}.tar"
        os.link(one / entry.name, folder / name)
        entries.append(entry._replace(name=name))
        tables.append(rows.set_column(column, "shard", pa.array([number], pa.int32())))
    write_index(str(folder / "index.parquet"), tables, NUM_SHARDS)
    write_shards(str(folder / "shards.parquet"), entries)
    (folder / "dataset.json").write_bytes(dataset_json("cc", entries, 0, {}))
    return folder


PROGRAM = """
import os, resource, sys
soft, hard, others = map(int, sys.argv[2:5])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from shards import Loader
from tests.shards.small_dataset import config, encode
kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(others)]
blend = [(f"d{number}", sys.argv[1]) for number in range(10)]
settings = config(*blend, batch_size=64, streams=16, window=None, unit="sample", threads=4, prefetch_batches=3)
most = 0
shards = set()
with Loader(settings, 0, 1, encode) as loader:
    for number, batch in zip(range(30), loader):
        assert batch.valid.all() and not batch.failures, batch.failures
        shards.update((origin.dataset, origin.shard) for origin in batch.origins)
        most = max(most, len(os.listdir("/proc/self/fd")))
print(len(shards), most, *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "others"),
    [
        (256, 256, 0),  # nothing to be raised
        pytest.param(256, 1024, 0, marks=pytest.mark.long),
        pytest.param(256, 256, 180, marks=pytest.mark.long),  # the rest of the process has more than its half
    ],
)
def test_ten_datasets_of_2000_shards_are_read_with_few_files_open(
    many: Path, soft: int, hard: int, others: int
) -> None:
    done = run(PROGRAM, many, soft, hard, others)
    assert done.returncode == 0, done.stderr
    num_shards, most, soft_now, hard_now = map(int, done.stdout.split())
    assert num_shards > 1500
    assert most <= soft_now == (hard if hard > soft else soft) and hard_now == hard
    assert most < 256 or hard > soft


def test_threads_that_read_while_files_are_closed_get_the_right_bytes(tmp_path: Path) -> None:
    program = """
import resource, sys, threading
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from shards.storage.local import LocalSource
sources = [LocalSource(sys.argv[1]) for _ in range(3)]
wrong = []
def read(source, first):
    try:
        for turn in range(3):
            for number in range(100):
                name = f"{(first + 7 * number) % 100:03d}"
                if source.read_many([(name, 0, 3), (name, 1, 2)]) != [name.encode(), name[1:].encode()]:
                    wrong.append(name)
    except Exception as error:
        wrong.append(repr(error))
threads = [threading.Thread(target=read, args=(sources[i % 3], 13 * i)) for i in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(wrong)
"""
    for number in range(100):
        (tmp_path / f"{number:03d}").write_text(f"{number:03d}")
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=250, check=False)


def files_open(under: Path) -> int:
    links = (
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    )
    return sum(link.startswith(str(under)) for link in links)


def test_the_files_of_a_source_are_closed_with_it_and_another_opens_its_own(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / str(number)).write_bytes(b"old")
    source = LocalSource(str(tmp_path))
    assert [source.read(str(number)) for number in range(30)] == [b"old"] * 30
    assert files_open(tmp_path) == 30
    (tmp_path / "new").write_bytes(b"new")
    os.replace(tmp_path / "new", tmp_path / "0")
    assert LocalSource(str(tmp_path)).read("0") == b"new"  # and not what the other one holds open
    assert source.read("0") == b"old"
    del source
    assert files_open(tmp_path) == 0


def test_what_cannot_be_opened_for_lack_of_descriptors_says_so(tmp_path: Path) -> None:
    program = """
import os, resource, sys
from shards.storage.local import LocalSource; from shards.base.errors import SourceError
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
try:
    while True:
        os.dup(0)
except OSError:
    pass
try:
    LocalSource(sys.argv[1]).read("a")
except SourceError as error:
    print(error)
"""
    (tmp_path / "a").write_bytes(b"a")
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert "a: cannot be opened: this process has as many files open as it may (64)" in done.stdout
    assert "raise the limit (ulimit -n)" in done.stdout


CACHED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
from shards import Loader
from tests.shards.small_dataset import config, encode
room = {"folder": sys.argv[2], "limit": 1 << 24}
settings = config(("cc", sys.argv[1]), batch_size=64, streams=64, window=None, cache=room)
with Loader(settings, 0, 1, encode) as loader:
    captions = []
    for _, batch in zip(range(6), loader):
        captions += [meta["caption"] for meta in batch.meta]
print(len(captions), len(set(captions)))
"""


@pytest.mark.long
def test_shards_of_a_cache_that_may_not_all_be_held_open_are_read_all_the_same(tmp_path: Path) -> None:
    """64 streams want more than 200 shards at once."""
    folder = write_dataset(tmp_path / "cc", "cc", 384, records_of=(1,), per_shard=1)
    store = HttpStore()
    store.hold(folder)
    with store.running():
        done = run(CACHED, store.url, tmp_path / "cache")
    assert (done.returncode, done.stdout) == (0, "384 384\n"), done.stderr
