"""Local faults: each is survived with every loss counted, or stops the run with a message that says what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import DatasetError, SourceError, TooManyFailures
from shards.dataset.tars.tar import scan
from shards.loader.config import LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.loader.stages.batch import Batch
from shards.read.sample import Sample
from tests.shards.fresh import FRESH
from tests.shards.small_dataset import config, encode, seen, sequence, write_dataset

NUM_SAMPLES, PER_SHARD = 24, 6
SHARD = "000001.tar"
"""The shard that is damaged: samples 6 to 11."""
ALL = {f"{i:04d}" for i in range(NUM_SAMPLES)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 samples of one record in 4 shards."""
    return write_dataset(tmp_path_factory.mktemp("whole"), "toy", NUM_SAMPLES, records_of=(1,), per_shard=PER_SHARD)


@pytest.fixture
def toy(whole: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(whole, tmp_path / "toy"))


def evaluate(folder: Path) -> list[Batch]:
    with Loader(config(("toy", folder), mode="eval"), 0, 1, encode) as loader:
        batches = list(loader)
        counts = loader.stats.accounting
    assert counts.planned == NUM_SAMPLES == counts.delivered + counts.failed
    return batches


def delivered(batches: list[Batch]) -> set[str]:
    keys = [o.key for b in batches for o, valid in zip(b.origins, b.valid, strict=True) if valid]
    assert len(keys) == len(set(keys))
    return set(keys)


def failed(batches: list[Batch]) -> dict[str, str]:
    """Key -> reason of what was counted as failed."""
    return {failure.origin.key: failure.reason for batch in batches for failure in batch.failures}


def check_training(folder: Path, bad: set[str]) -> None:
    """One pass: every bad element is planned once, substituted by a good one, and the rest comes as without damage."""
    settings = config(("toy", folder), batch_size=4, streams=1, window=NUM_SAMPLES, max_failure_rate=None)
    with Loader(settings, 0, 1, encode) as loader:
        batches = [next(loader) for _ in range(NUM_SAMPLES // 4)]
        counts = loader.stats.accounting
    keys = [origin.key for batch in batches for origin in batch.origins]
    assert (counts.planned, counts.failed, counts.substituted) == (NUM_SAMPLES, len(bad), len(bad))
    assert set(keys) == ALL - bad and len(keys) == NUM_SAMPLES
    assert set(failed(batches)) == bad


def change(file: Path, do: Callable[[bytearray], Any]) -> None:
    data = bytearray(file.read_bytes())
    do(data)
    file.write_bytes(data)


def stops(folder: Path, kind: type[Exception], message: str) -> None:
    """Training and evaluation stop before the first batch that needs the shard; what came before is right."""
    for mode in ("train", "eval"):
        with Loader(config(("toy", folder), mode=mode, batch_size=2), 0, 1, encode) as loader:
            with pytest.raises(kind, match=message) as raised:
                for _ in range(NUM_SAMPLES):
                    next(loader)
            state = loader.state_dict()
            with pytest.raises(kind, match=message):
                next(loader)
            assert loader.state_dict() == state and loader.stats.accounting.failed == 0
        assert "while the loader was at read of 2 elements of toy" in "".join(raised.value.__notes__)


# ---- one shard is not what the index says


@pytest.mark.parametrize("where", ["inside a member", "between two members", "before the first", "the last byte"])
def test_a_truncated_shard_stops_the_run(toy: Path, where: str) -> None:
    members = scan(toy / SHARD)
    size = (toy / SHARD).stat().st_size
    cut = {
        "inside a member": members[4].offset + members[4].size // 2,
        "between two members": members[4].offset - 512,
        "before the first": 0,
        "the last byte": size - 1,
    }[where]
    os.truncate(toy / SHARD, cut)
    message = f"{SHARD}: has {cut} bytes, the index expects {size}; the shard was replaced or cut off"
    stops(toy, DatasetError, re.escape(message))


def test_a_shard_that_is_cut_off_while_it_is_read_stops_the_run(toy: Path) -> None:
    with Loader(config(("toy", toy), mode="eval", batch_size=2, prefetch_batches=0), 0, 1, encode) as loader:
        for _ in range(4):
            next(loader)
        os.truncate(toy / SHARD, scan(toy / SHARD)[6].offset)
        with pytest.raises(DatasetError, match=rf"{SHARD}: changed while it was being read .*start again"):
            list(iter(loader.__next__, None))
        assert loader.progress() == {"toy": (0, 8, NUM_SAMPLES)}


@pytest.mark.parametrize("same_size", [False, True])
def test_a_stale_index_is_found_out(toy: Path, tmp_path: Path, same_size: bool) -> None:
    other = write_dataset(tmp_path / "other", "other", NUM_SAMPLES, records_of=(1,), per_shard=PER_SHARD)
    replacement = bytearray((other / "000002.tar").read_bytes())
    size = (toy / SHARD).stat().st_size
    assert len(replacement) == size
    if not same_size:
        (toy / SHARD).write_bytes(replacement + bytes(10240))
        stops(toy, DatasetError, f"{SHARD}: has {size + 10240} bytes, the index expects {size}; .* the index is older")
        return
    (toy / SHARD).write_bytes(replacement)
    batches = evaluate(toy)
    bad = {f"{i:04d}" for i in range(6, 12)}
    assert delivered(batches) == ALL - bad and set(failed(batches)) == bad
    assert all(re.match(r"\.(png|json) is damaged: checksum", reason) for reason in failed(batches).values())
    check_training(toy, bad)
    settings = config(("toy", toy), batch_size=4, streams=1, window=NUM_SAMPLES, probation=8)
    with (
        Loader(settings, 0, 1, encode) as loader,
        pytest.raises(
            TooManyFailures, match=rf"(?s)max_failure_rate 0\.1 allows; look .*toy/{SHARD}:.* is damaged"
        ) as raised,
    ):
        sequence([loader], 30)
    assert "look into the data, or raise the limit" in str(raised.value)


def test_a_missing_shard_stops_the_run(toy: Path) -> None:
    (toy / SHARD).unlink()
    stops(toy, DatasetError, f"{SHARD}: the index lists this shard, but it is not there; copy it again")


@pytest.mark.parametrize(
    ("put", "kind", "message"),
    [
        (lambda path: path.mkdir(), (DatasetError, SourceError), f"{SHARD}: (has .* bytes|cannot be read)"),
        (lambda path: path.symlink_to(path), SourceError, f"{SHARD}: cannot be read .*symbolic links"),
        (lambda path: path.symlink_to("nowhere.tar"), DatasetError, f"{SHARD}: .* it is not there"),
    ],
    ids=["directory", "loop", "dangling"],
)
def test_an_unreadable_shard_stops_the_run(toy: Path, put: Callable[[Path], None], kind: Any, message: str) -> None:
    (toy / SHARD).unlink()
    put(toy / SHARD)
    stops(toy, kind, message)


# ---- damage inside a shard of the right size


def test_a_zeroed_tail_costs_the_samples_in_it_and_no_other(toy: Path) -> None:
    start = scan(toy / SHARD)[7].offset  # the json (or the picture) of the fourth sample and all behind it

    def zero(data: bytearray) -> None:
        data[start:] = bytes(len(data) - start)

    change(toy / SHARD, zero)
    bad = {"0009", "0010", "0011"}
    batches = evaluate(toy)
    assert delivered(batches) == ALL - bad
    assert set(failed(batches)) == bad and all("is damaged: checksum" in r for r in failed(batches).values())
    check_training(toy, bad)


@pytest.mark.parametrize("ext", ["png", "json"])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_flipped_bit_costs_one_sample(toy: Path, ext: str, place: str) -> None:
    [member] = [m for m in scan(toy / SHARD) if m.name == f"0008.{ext}"]
    at = member.offset + {"first": 0, "middle": member.size // 2, "last": member.size - 1}[place]

    def flip(data: bytearray) -> None:
        data[at] ^= 16

    change(toy / SHARD, flip)
    batches = evaluate(toy)
    assert delivered(batches) == ALL - {"0008"}
    assert re.fullmatch(rf"\.{ext} is damaged: checksum \w+, the index expects \w+", failed(batches)["0008"])
    check_training(toy, {"0008"})


@pytest.mark.parametrize("what", ["one bit of a name", "all headers", "padding"])
def test_damage_outside_the_members_costs_nothing(toy: Path, what: str) -> None:
    members = scan(toy / SHARD)

    def damage(data: bytearray) -> None:
        if what == "one bit of a name":
            data[members[2].offset - 512] ^= 1
        elif what == "all headers":
            for member in members:
                data[member.offset - 512 : member.offset] = bytes(512)
        else:
            end = members[-1].offset + members[-1].size
            data[end:] = b"\xff" * (len(data) - end)

    change(toy / SHARD, damage)
    assert delivered(evaluate(toy)) == ALL
    check_training(toy, set())


# ---- a rank is killed


def rank_process(settings: LoaderConfig, rank: int, world: int, state: dict[str, Any] | None, file: Path) -> None:
    """What a training process does: a line per step with what it got and where it then stood."""

    def slow_on_rank_2(sample: Sample, rng: RngFactory) -> Any:
        if rank == 2 and state is None and file.exists() and file.read_text().count("\n") >= 7:
            os.kill(os.getpid(), signal.SIGKILL)  # in the middle of a batch, in one of the loader's threads
        return encode(sample, rng)

    with Loader(settings, rank, world, slow_on_rank_2) as loader, file.open("a") as out:
        if state is not None:
            loader.load_state_dict(state)
        for _ in range(12):
            line = json.dumps([seen(next(loader)), loader.state_dict()])
            out.write(line + "\n")
            out.flush()


def run_ranks(settings: LoaderConfig, world: int, state: dict[str, Any] | None, folder: Path) -> list[list[Any]]:
    """What each rank wrote, and its exit code."""
    folder.mkdir()
    files = [folder / str(rank) for rank in range(world)]
    ranks = [
        FRESH.Process(target=rank_process, args=(settings, rank, world, state, file), daemon=True)
        for rank, file in enumerate(files)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(250)
    lines = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    return [[process.exitcode, *steps] for process, steps in zip(ranks, lines, strict=True)]


@pytest.mark.parametrize("world", [1, 2, 8])
def test_a_killed_rank_loses_nothing_when_another_number_of_ranks_goes_on(
    whole: Path, tmp_path: Path, world: int
) -> None:
    settings = config(("toy", whole), batch_size=8, streams=4)
    with Loader(settings, 0, 1, encode) as loader:
        expected = sequence([loader], 17)
    first = run_ranks(settings, 4, None, tmp_path / "first")
    assert [code for code, *_ in first] == [0, 0, -signal.SIGKILL, 0]
    assert [len(steps) == 12 for _, *steps in first] == [True, True, False, True] and len(first[2]) > 7
    saved = 5  # the last checkpoint that all ranks reached
    states = [steps[saved - 1][1] for _, *steps in first]
    assert all(state == states[0] for state in states)
    got = [[tuple(pair) for _, *steps in first for pair in steps[step][0]] for step in range(saved)]
    second = run_ranks(settings, world, states[0], tmp_path / "second")
    assert [code for code, *_ in second] == [0] * world
    got += [[tuple(pair) for _, *steps in second for pair in steps[step][0]] for step in range(12)]
    assert got == expected
