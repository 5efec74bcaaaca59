"""A run that goes on with more shards finishes its pass over the old ones, and takes all of them from the next on."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import CursorMismatch
from shards.dataset.indexing.indexer import index_tars
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.loader.run_accounting import RunAccounting
from tests.shards.http_store import HttpStore
from tests.shards.small_dataset import config, encode, sequence, write_dataset

RECORDS = (3, 1)
OLD, NEW, NEWEST = 24, 36, 48
"""Samples; 6 a shard, of 3 records and of one in turn: passes of 48, 72 and 96 elements."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three states of one dataset, and another dataset beside it."""
    folder = tmp_path_factory.mktemp("data")
    for samples in (OLD, NEW, NEWEST):
        write_dataset(folder / str(samples), "cc", samples, RECORDS, 6)
    write_dataset(folder / "web", "web", 13, records_of=(1,))
    return folder


def captions(samples: int) -> list[str]:
    return [f"cc-{i}-{r}" for i in range(samples) for r in range(RECORDS[i % 2])]


Pairs = list[tuple[str, int]]


def go_on(
    settings: LoaderConfig, state: dict[str, Any] | None, num_batches: int, world_size: int = 1
) -> tuple[list[Pairs], dict[str, Any]]:
    with ExitStack() as stack:
        loaders = [stack.enter_context(Loader(settings, rank, world_size, encode)) for rank in range(world_size)]
        for loader in loaders:
            if state is not None:
                loader.load_state_dict(state)
        accounting = RunAccounting(loaders[0], lambda own: own) if world_size == 1 else None
        got = sequence(loaders, num_batches)
        if accounting is not None:
            accounting.finish()
        return got, json.loads(json.dumps(loaders[0].state_dict()))


def settings_of(data: Path, samples: int, **fields: Any) -> LoaderConfig:
    return config(("cc", data / str(samples)), **{"on_growth": "append"} | fields)


def flat(batches: Sequence[Pairs]) -> Pairs:
    return [pair for batch in batches for pair in batch]


@pytest.mark.parametrize(
    "fields", [{}, {"window": None}, {"streams": None, "window": None}, {"batch_size": 6}, {"streams": 3}]
)
@pytest.mark.parametrize("stop", [0, 1, 5, 6, 7, 11])
def test_the_pass_under_way_is_finished_and_the_next_one_has_all_shards(
    data: Path, stop: int, fields: dict[str, Any]
) -> None:
    size, old, new = fields.get("batch_size", 8), len(captions(OLD)), len(captions(NEW))
    before, state = go_on(settings_of(data, OLD, **fields), None, stop)
    alone, _ = go_on(settings_of(data, OLD, **fields), None, 30)
    join = -(-stop * size // old) * old  # where the pass under way ends
    after, _ = go_on(settings_of(data, NEW, **fields), state, (join + 2 * new) // size - stop)
    got = flat(before) + flat(after)
    assert got[:join] == flat(alone)[:join]
    for start in range(0, join, old):
        assert sorted(caption for caption, _ in got[start : start + old]) == sorted(captions(OLD))
    passes = join // old
    assert sorted(caption for caption, _ in got[join : join + new]) == sorted(captions(NEW))
    # the pass has the elements and the draws that it has in a run which had all shards from the beginning
    whole, _ = go_on(settings_of(data, NEW, **fields), None, (passes + 1) * new // size + 1)
    assert got[join : join + new] == flat(whole)[passes * new : (passes + 1) * new]


@pytest.mark.parametrize("stop", [3, 7])
def test_a_grown_run_resumes_everywhere_on_any_number_of_ranks(data: Path, stop: int) -> None:
    grown = settings_of(data, NEW)
    _, state = go_on(settings_of(data, OLD), None, stop)
    expected, _ = go_on(grown, state, 20)
    got, here, join = [], state, 48 if stop == 3 else 96
    for number, world_size in enumerate((1, 2, 4, 2, 1, 1, 8, 1, 2, 1)):
        batches, here = go_on(grown, here, 2, world_size)
        got += batches
        assert here["shards"] == [4 if 8 * (stop + 2 * number + 2) < join else 6]
    assert got == expected


def test_what_was_given_up_before_the_join_stays_so_and_what_lies_behind_is_tried(data: Path) -> None:
    """Behind it other elements have these positions."""
    _, state = go_on(settings_of(data, OLD), None, 3)
    state["given_up"] = [[0, 24, 0, 30.0], [0, 47, 1, 30.0], [0, 48, 0, 30.0]]
    for samples, kept in ((OLD, 3), (NEW, 2)):
        with Loader(settings_of(data, samples), 0, 1, encode) as loader:
            loader.load_state_dict(state)
            assert [list(one) for one in loader.given_up] == state["given_up"][:kept]
            [failure] = next(loader).failures
            assert failure.timed_out and failure.reason == "decoding took longer than 30 s"
            assert [list(one) for one in loader.given_up] == state["given_up"][1:kept]


def test_a_cursor_behind_the_join_needs_no_permission_any_more(data: Path) -> None:
    _, state = go_on(settings_of(data, OLD), None, 3)
    expected, _ = go_on(settings_of(data, NEW), state, 12)
    _, state = go_on(settings_of(data, NEW), state, 6)
    got, _ = go_on(settings_of(data, NEW, on_growth="refuse"), state, 6)
    assert got == expected[6:]


def test_a_dataset_may_grow_again_before_and_behind_the_join(data: Path) -> None:
    old, newest = len(captions(OLD)), len(captions(NEWEST))
    first, state = go_on(settings_of(data, OLD), None, 2)
    second, state = go_on(settings_of(data, NEW), state, 1)
    third, _ = go_on(settings_of(data, NEWEST), state, 3 + newest // 8)
    got = [caption for caption, _ in flat(first + second + third)]
    assert sorted(got[:old]) == sorted(captions(OLD))
    assert sorted(got[old : old + newest]) == sorted(captions(NEWEST))
    _, state = go_on(settings_of(data, NEW), state, 6)  # behind the join
    assert state["shards"] == [6]
    fourth, _ = go_on(settings_of(data, NEWEST), state, 30)
    counts = Counter(caption for caption, _ in flat(fourth))
    assert set(counts) == set(captions(NEWEST))


def test_progress_tells_the_pass_and_its_size(data: Path) -> None:
    _, state = go_on(settings_of(data, OLD), None, 3)
    with Loader(settings_of(data, NEW), 0, 1, encode) as loader:
        loader.load_state_dict(state)
        assert loader.progress() == {"cc": (0, 24, 48)} and loader.num_elements == len(captions(NEW))
        sequence([loader], 4)
        assert loader.progress() == {"cc": (1, 8, len(captions(NEW)))}


def test_growth_is_refused_unless_it_is_allowed_and_the_message_says_how(data: Path) -> None:
    _, state = go_on(settings_of(data, OLD), None, 3)
    with (
        Loader(settings_of(data, NEW, on_growth="refuse"), 0, 1, encode) as loader,
        pytest.raises(CursorMismatch, match=r"'cc' has 6 shards, 4 of them when .* set on_growth: append to finish"),
    ):
        loader.load_state_dict(state)
    assert LoaderConfig(blend=(DatasetConfig(name="a", path="b"),), batch_size=1).on_growth == "refuse"


def test_a_loader_that_refused_goes_on_where_it_stood(data: Path) -> None:
    _, state = go_on(settings_of(data, OLD), None, 3)
    expected, _ = go_on(settings_of(data, NEW), None, 4)
    with Loader(settings_of(data, NEW, on_growth="refuse"), 0, 1, encode) as loader:
        got = sequence([loader], 2)
        with pytest.raises(CursorMismatch):
            loader.load_state_dict(state)
        assert got + sequence([loader], 2) == expected


def test_one_loader_may_be_sent_to_a_grown_place_and_back(data: Path) -> None:
    _, old = go_on(settings_of(data, OLD), None, 3)
    expected, _ = go_on(settings_of(data, NEW), None, 4)
    grown, _ = go_on(settings_of(data, NEW), old, 4)
    with Loader(settings_of(data, NEW), 0, 1, encode) as loader:
        begin = loader.state_dict()
        for _ in range(2):
            loader.load_state_dict(old)
            assert sequence([loader], 4) == grown
            loader.load_state_dict(begin)
            assert sequence([loader], 4) == expected


def test_an_evaluation_does_not_grow(data: Path) -> None:
    with Loader(settings_of(data, OLD, mode="eval"), 0, 1, encode) as loader:
        next(loader)
        state = loader.state_dict()
    with (
        Loader(settings_of(data, NEW, mode="eval"), 0, 1, encode) as loader,
        pytest.raises(CursorMismatch, match="an evaluation is of one state of the data: start it anew"),
    ):
        loader.load_state_dict(state)


@pytest.mark.parametrize("change", ["lost", "replaced", "between", "seed"])
def test_what_is_no_growth_is_refused_as_ever(data: Path, tmp_path: Path, change: str) -> None:
    _, state = go_on(settings_of(data, OLD), None, 3)
    folder = tmp_path / "other"
    if change == "lost":
        write_dataset(folder, "cc", 18, RECORDS, 6)
    elif change == "replaced":
        write_dataset(folder, "cc", NEW, RECORDS, 6, broken=(3,))
    else:
        folder.mkdir()
        for number, tar in enumerate(sorted((data / str(NEW)).glob("*.tar"))):
            shutil.copy(tar, folder / ("0000000.tar" if number == 5 and change == "between" else tar.name))
        index_tars(str(folder / "*.tar"), None)
    fields = {"seed": 9} if change == "seed" else {}
    with (
        Loader(config(("cc", folder), on_growth="append", **fields), 0, 1, encode) as loader,
        pytest.raises(CursorMismatch, match=f"cursor: {'seed' if change == 'seed' else 'fingerprint'} differs"),
    ):
        loader.load_state_dict(state)


def test_an_older_cursor_loads_and_may_grow(data: Path) -> None:
    """Those of earlier releases do not say how many shards there were."""
    _, state = go_on(settings_of(data, OLD), None, 3)
    older = {name: value for name, value in state.items() if name not in ("shards", "shifts")}
    assert go_on(settings_of(data, OLD), older, 5)[0] == go_on(settings_of(data, OLD), state, 5)[0]
    assert go_on(settings_of(data, NEW), older, 9)[0] == go_on(settings_of(data, NEW), state, 9)[0]


@pytest.mark.parametrize("unit", ["step", "sample"])
def test_the_other_datasets_of_a_blend_see_nothing_of_it(data: Path, unit: str) -> None:
    def blend(samples: int) -> LoaderConfig:
        return config(("web", data / "web"), ("cc", data / str(samples)), unit=unit, on_growth="append")

    whole, _ = go_on(blend(OLD), None, 20)
    before, state = go_on(blend(OLD), None, 5)
    after, _ = go_on(blend(NEW), state, 15)

    def web(batches: Sequence[Pairs]) -> Pairs:
        return [pair for pair in flat(batches) if pair[0].startswith("web")]

    assert web(before + after) == web(whole)
    got = [caption for caption, _ in flat(before + after) if caption.startswith("cc")]
    assert sorted(got[:48]) == sorted(captions(OLD))
    assert Counter(got[48:]) == Counter(set(got[48:]))


def test_a_selection_grows_with_its_dataset(data: Path) -> None:
    def selecting(samples: int) -> LoaderConfig:
        dataset = DatasetConfig(name="cc", path=str(data / str(samples)), where="num_records >= 2", repeat=2)
        return config(blend=(dataset,), batch_size=12, on_growth="append")

    def selected(samples: int) -> list[str]:
        return sorted([caption for caption in captions(samples) if int(caption.split("-")[1]) % 2 == 0] * 2)

    before, state = go_on(selecting(OLD), None, 2)
    after, _ = go_on(selecting(NEW), state, 14)
    got = [caption for caption, _ in flat(before + after)]
    old, new = len(selected(OLD)), len(selected(NEW))
    assert sorted(got[:old]) == selected(OLD)
    assert sorted(got[old : old + new]) == selected(NEW)


def test_tars_that_are_added_and_indexed_again_join(data: Path, tmp_path: Path) -> None:
    tars = sorted((data / str(NEW)).glob("*.tar"))
    states = []
    for part in (tars[:4], tars):
        for tar in part:
            shutil.copy(tar, tmp_path / tar.name)
        index_tars(str(tmp_path))
        settings = config(("cc", tmp_path), on_growth="append")
        batches, state = go_on(settings, states[-1] if states else None, 3 if part != tars else 12)
        states.append(state)
    assert states[-1]["shards"] == [6]
    whole, _ = go_on(settings_of(data, OLD), None, 3)
    got = [caption for caption, _ in flat(whole + batches)]
    assert sorted(got[:48]) == sorted(captions(OLD)) and sorted(got[48:120]) == sorted(captions(NEW))


def test_a_run_with_a_cache_fetches_what_has_grown(data: Path, tmp_path: Path) -> None:
    def far(samples: int) -> LoaderConfig:
        store.hold(data / str(samples))
        return config(("cc", store.url), on_growth="append", cache={"folder": str(tmp_path), "limit": 1 << 20})

    store = HttpStore()
    with store.running():
        _, state = go_on(far(OLD), None, 3)
        got, _ = go_on(far(NEW), state, 12)
    assert got == go_on(settings_of(data, NEW), state, 12)[0]
