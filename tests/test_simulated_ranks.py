"""The simulation of many ranks, with few: every element once over restarts and changes of size, or it tells."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shards.loader.config import LoaderConfig

BENCHMARKS = str(Path(__file__).resolve().parents[1] / "benchmarks")
sys.path.append(BENCHMARKS)  # behind all others, and not for long: its modules have common names
from simulated_run import Cache, Phase, Run, Size, Tally, announced, make_datasets, simulate  # noqa: E402

sys.path.remove(BENCHMARKS)

SMALL = Size(num_shards=128, shard_elements=20, batch_size=128, num_cached=1, speed=2)
NUM_ELEMENTS = sum(int(dataset.counts.sum()) for dataset in make_datasets(SMALL))


@pytest.fixture(autouse=True)
def _local_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")  # a simulation sets it; the former value comes back


def test_every_element_comes_once_over_restarts_and_changes_of_size(tmp_path: Path) -> None:
    phases = [Phase(16, 0.4), Phase(16, 0.7), Phase(32, 1.5), Phase(16, 2)]
    caches = [Cache(2.0), Cache(2.0, warm=False), Cache(0.01)]
    found = simulate(tmp_path, phases, SMALL, 32, caches)
    assert found["elements"] == 2 * NUM_ELEMENTS
    assert [part["world_size"] for part in found["parts"]] == [
        16,
        16,
        32,
        32,
        16,
    ]  # 32 ranks go through the end of a pass
    restarted = found["parts"][1]["caches"]
    assert restarted["200%"]["store_gib"] < 0.2 * restarted["200%, emptied"]["store_gib"]
    assert "set cache.limit to at least" in restarted["1%"]["refused"]


def test_nodes_bring_their_share_once_and_nothing_in_the_second_pass(tmp_path: Path) -> None:
    first, second = simulate(tmp_path, [Phase(16, 2)], SMALL, 16, [Cache(2.0)])["parts"]
    brought = first["caches"]["200%"]["store_gib"] / first["share_gib"]
    assert 0.9 < brought < 1.2
    assert second["caches"]["200%"]["store_gib"] < 0.1 * first["share_gib"]


def test_nodes_list_their_share_also_where_ranks_share_streams() -> None:
    for streams in (32, None):  # the default: 8, so that four ranks draw from each
        assert 1 <= announced(SMALL, 32, streams)["announced"] < 1.3


def test_an_element_that_came_twice_is_told() -> None:
    datasets = make_datasets(SMALL)
    config = LoaderConfig(blend=tuple(dataset.config for dataset in datasets), batch_size=128, streams=16)
    run = Run(datasets, config, 16)
    tally = Tally(datasets, 1)
    tally.begin(2)
    for batch, _ in run.batches(run.begin, 1):
        tally.add(batch)
    assert tally.check() == NUM_ELEMENTS
    tally.add(next(iter(run.batches(run.begin, 1)))[0])
    with pytest.raises(AssertionError, match=r"web, pass 0: 128 of \d+ elements did not come exactly once"):
        tally.check()
