"""The order of one dataset keeps what docs/order.md promises, on cases drawn by hypothesis."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shards.order.blend import Blend
from shards.order.defaults import default_streams, default_window
from shards.order.order import MAX_SUBSTITUTES, NEVER, Order, Sequential
from shards.order.plan import RunPosition, TrainingPlanner
from shards.order.random_numbers import hash64, name_hash
from shards.order.share import Share

COUNTS = st.lists(st.integers(0, 30), min_size=1, max_size=20).filter(any)
SHAPE = st.fixed_dictionaries(
    {"seed": st.integers(0, 2**32 - 1), "streams": st.integers(1, 20), "window": st.integers(1, 80)}
)


def make(counts: list[int], shape: dict[str, int]) -> Order:
    return Order(counts, shape["seed"], "demo", shape["streams"], shape["window"])


def elements(order: Order, positions: np.ndarray, attempt: int = 0) -> list[tuple[int, int]]:
    at = order.at(positions, attempt)
    return list(zip(at.shard.tolist(), at.row.tolist(), strict=True))


@settings(max_examples=150)
@given(COUNTS, SHAPE, st.integers(0, 3))
def test_every_pass_holds_every_element_once(counts: list[int], shape: dict[str, int], pass_: int) -> None:
    order = make(counts, shape)
    n = order.num_elements
    seen = elements(order, pass_ * n + np.arange(n))
    assert sorted(seen) == [(s, r) for s, count in enumerate(counts) for r in range(count)]
    assert set(order.at(pass_ * n + np.arange(n)).pass_.tolist()) == {pass_}


@settings(max_examples=80)
@given(COUNTS, SHAPE, st.data())
def test_random_access_equals_going_through(counts: list[int], shape: dict[str, int], data: st.DataObject) -> None:
    order = make(counts, shape)
    n = order.num_elements
    through = elements(order, np.arange(3 * n))
    asked = data.draw(st.lists(st.integers(0, 3 * n - 1), min_size=1, max_size=20))
    assert elements(make(counts, shape), np.array(asked)) == [through[p] for p in asked]


@settings(max_examples=150)
@given(COUNTS, SHAPE, st.data())
def test_the_next_use_is_never_late_and_within_a_window_of_the_truth(
    counts: list[int], shape: dict[str, int], data: st.DataObject
) -> None:
    order = make(counts, shape)
    n = order.num_elements
    here = data.draw(st.integers(0, 2 * n - 1))
    at = order.at(here + np.arange(2 * n))
    ahead = at.shard
    expected, row = order.next_use(here)
    for shard, count in enumerate(counts):
        if not count:
            assert expected[shard] == NEVER
            continue
        truth = int(np.flatnonzero(ahead == shard)[0])
        assert expected[shard] <= truth
        if expected[shard] > 0:
            assert truth - expected[shard] < (order.window + 1) * order.streams
    parts = [order.next_use(here, Share(order.streams, rank, order.streams))[0] for rank in range(order.streams)]
    assert (np.min(parts, axis=0) == expected).all()
    for shard in np.flatnonzero(counts):
        of_shard = ahead == shard
        if len(set(at.stream[of_shard].tolist())) == 1 and at.pass_[of_shard][0] == here // n:  # not split
            assert row[shard] <= at.row[of_shard & (at.pass_ == here // n)].min()


@given(COUNTS, st.data())
def test_the_next_use_in_an_evaluation_is_exact(counts: list[int], data: st.DataObject) -> None:
    order = Sequential(counts, "demo")
    here = data.draw(st.integers(0, order.num_elements - 1))
    ahead = order.at(np.arange(here, order.num_elements)).shard.tolist()
    use, row = order.next_use(here)
    assert use.tolist() == [ahead.index(shard) if shard in ahead else NEVER for shard in range(len(counts))]
    assert row[order.at(here).shard] == order.at(here).row


@settings(max_examples=60)
@given(COUNTS, SHAPE)
def test_streams_are_equal_within_one_element_and_keep_their_elements(counts: list[int], shape: dict[str, int]) -> None:
    order = make(counts, shape)
    n = order.num_elements
    owner: dict[tuple[int, int], int] = {}
    for pass_ in range(2):
        at = order.at(pass_ * n + np.arange(n))
        sizes = np.bincount(at.stream, minlength=order.streams)
        assert sizes.max() - sizes.min() <= 1
        for shard, row, stream in zip(at.shard.tolist(), at.row.tolist(), at.stream.tolist(), strict=True):
            assert owner.setdefault((shard, row), stream) == stream
    streams_of_shard = [{c for (s, _), c in owner.items() if s == shard} for shard in range(len(counts))]
    assert sum(len(streams) > 1 for streams in streams_of_shard) <= order.streams - 1


ROOMY = st.lists(st.integers(0, 300), min_size=1, max_size=12).filter(lambda counts: sum(counts) > 1)
ROOMY_SHAPE = st.fixed_dictionaries(
    {"seed": st.integers(0, 2**32 - 1), "streams": st.integers(1, 6), "window": st.integers(1, 200)}
)


def windows(order: Order, stream: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """docs/order.md: (first index, number of elements) of the window that holds element `index` of each stream."""
    low, size = np.empty_like(index), np.empty_like(index)
    for number, (c, i) in enumerate(zip(stream.tolist(), index.tolist(), strict=True)):
        length = order.num_elements // order.streams + (c < order.num_elements % order.streams)
        phase = 0 if length <= order.window else c * order.window // order.streams
        borders = [0, *range(order.window - phase, length, order.window), length]
        at = max(number for number, border in enumerate(borders) if border <= i)
        low[number], size[number] = borders[at], borders[at + 1] - borders[at]
    return low, size


@settings(max_examples=60)
@given(ROOMY, ROOMY_SHAPE, st.integers(1, 8))
def test_substitutes_come_from_the_same_window_where_it_is_not_small(
    counts: list[int], shape: dict[str, int], attempt: int
) -> None:
    """The formula of docs/order.md, written down once more."""
    order = make(counts, shape)
    n, streams = order.num_elements, order.streams
    planned = order.at(n + np.arange(n))
    low, size = windows(order, planned.stream, np.arange(n) // streams)
    substitutes = order.at(n + np.arange(n), attempt)
    normal = np.flatnonzero(size >= 64)
    k, m, low, stream = (a[normal] for a in (np.arange(n) // streams - low, size, low, planned.stream))
    step = hash64(shape["seed"], name_hash("demo"), 4, 1, normal, attempt) % (m - 1).astype(np.uint64)
    twins = order.at(n + (low + (k + 1 + step.astype(np.int64)) % m) * streams + stream)
    assert all(np.array_equal(a[normal], b) for a, b in zip(substitutes, twins, strict=True))


@settings(max_examples=100)
@given(COUNTS.filter(lambda counts: sum(counts) > 1), SHAPE, st.integers(0, 2))
def test_small_windows_have_as_many_different_substitutes_as_there_are_elements(
    counts: list[int], shape: dict[str, int], pass_: int
) -> None:
    order = make(counts, shape)
    n = order.num_elements
    positions = pass_ * n + np.arange(n)
    planned = elements(order, positions)
    small = windows(order, order.at(positions).stream, np.arange(n) // order.streams)[1] < 64
    tried = list(zip(*(elements(order, positions, attempt) for attempt in range(1, MAX_SUBSTITUTES + 1)), strict=True))
    for p, substitutes in enumerate(tried):
        assert planned[p] not in substitutes and set(substitutes) <= set(planned)
        if small[p]:
            assert len(set(substitutes)) == min(MAX_SUBSTITUTES, n - 1)
    for attempt in (1, 5, 8):
        assert order.at(positions, attempt).pass_.tolist() == [pass_] * n
        assert [elements(order, [p], attempt)[0] for p in positions[:5]] == [t[attempt - 1] for t in tried[:5]]


def test_a_broken_sample_alone_in_its_window_finds_others() -> None:
    """A hundred records of one sample at the end of a stream: its small window holds nothing else."""
    order = Order([900, 100], seed=0, name="ends", streams=7, window=40)
    at = order.at(np.arange(1000))
    broken = {(1, row) for row in range(100)}
    tried = [elements(order, np.arange(1000), attempt) for attempt in range(1, MAX_SUBSTITUTES + 1)]
    for p in np.flatnonzero(at.shard == 1):
        assert any(substitutes[p] not in broken for substitutes in tried)


def test_the_only_element_has_only_itself() -> None:
    assert elements(Order([0, 1], 0, "one", 4, 9), np.arange(3), attempt=2) == [(1, 0)] * 3


def test_the_substitutes_never_change() -> None:
    order = Order([5, 0, 9, 4], seed=3, name="golden", streams=3, window=4)
    assert elements(order, np.arange(16, 22), attempt=1) == [(0, 0), (3, 2), (2, 8), (2, 4), (0, 4), (2, 6)]
    order = Order([400, 500], seed=3, name="golden", streams=3, window=100)
    assert elements(order, np.arange(150, 154), attempt=1) == [(1, 20), (1, 361), (0, 191), (1, 50)]


@settings(max_examples=30)
@given(COUNTS, SHAPE)
def test_another_seed_name_or_pass_is_another_order(counts: list[int], shape: dict[str, int]) -> None:
    order = make(counts, shape)
    n = order.num_elements
    assume(n >= 60 and shape["window"] >= 10)
    first = elements(order, np.arange(n))
    assert first != elements(order, n + np.arange(n))
    assert first != elements(make(counts, shape | {"seed": shape["seed"] + 1}), np.arange(n))
    assert first != elements(Order(counts, shape["seed"], "other", shape["streams"], shape["window"]), np.arange(n))


@settings(max_examples=60)
@given(st.integers(1, 400), st.integers(0, 2**64 - 1))
def test_a_window_is_permuted_whatever_its_size(size: int, seed: int) -> None:
    result = Order([size], seed, "one window", 1, size).at(np.arange(size)).row
    assert sorted(result.tolist()) == list(range(size))


def test_the_order_never_changes() -> None:
    """Golden numbers: who changes them breaks the resume of every run there is."""
    order = Order([5, 0, 9, 4], seed=3, name="golden", streams=3, window=4)
    assert elements(order, np.arange(16, 22)) == [(2, 0), (2, 7), (0, 1), (3, 1), (2, 4), (0, 0)]


WEB = 10**9
"""Elements in 10^5 shards."""


@pytest.fixture
def web_scale() -> Iterator[tuple[Order, int]]:
    """An order of WEB elements, and the bytes that were held before it was made."""
    counts = np.full(100_000, 10_000)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield Order(counts, seed=0, name="web", streams=64, window=40_000), before
    tracemalloc.stop()


def test_a_position_of_a_web_scale_dataset_costs_as_little_at_the_end_as_at_the_start(
    web_scale: tuple[Order, int],
) -> None:
    """Bytes that are held, and bytes that are touched on the way, at 0, 1, 50 and 99 % of a pass, in far passes too."""
    order, before = web_scale
    peaks = []
    for start in (0, WEB // 100, WEB // 2, WEB // 100 * 99, WEB - 512, 7 * WEB + 123):
        tracemalloc.reset_peak()
        at = order.at(start + np.arange(1024))
        held, peak = tracemalloc.get_traced_memory()
        assert len(set(zip(at.shard.tolist(), at.row.tolist(), at.pass_.tolist(), strict=True))) == 1024
        assert held - before < 10_000_000
        peaks.append(peak - before)
    assert max(peaks) < 20_000_000  # the sort of a new pass
    assert 64 <= (order.next_use(WEB // 2)[0] == 0).sum() <= 64 * 6


def test_a_resumed_web_scale_run_plans_the_same_batches_with_as_little(web_scale: tuple[Order, int]) -> None:
    order, before = web_scale
    blend = Blend([1.0], "sample")
    for share in (0.01, 0.5, 0.99):
        place = RunPosition(int(WEB * share), (int(WEB * share),))
        went_on = [TrainingPlanner([order], blend, 1024, r, 8).plans(place, 1)[0] for r in range(8)]
        fresh = Order(np.full(100_000, 10_000), seed=0, name="web", streams=64, window=40_000)
        resumed = [TrainingPlanner([fresh], blend, 1024, r, 2).plans(place, 1)[0] for r in range(2)]
        del fresh
        assert [e for plan in resumed for e in plan.elements] == [e for plan in went_on for e in plan.elements]
    del went_on, resumed
    assert tracemalloc.get_traced_memory()[0] - before < 10_000_000


def test_threads_may_ask_for_different_passes_at_once() -> None:
    order = Order([50] * 40, seed=1, name="threads", streams=4, window=100)
    expected = {e: elements(order, e * 2000 + np.arange(50)) for e in range(6)}
    wrong: list[int] = []

    def ask(pass_: int) -> None:
        for _ in range(20):
            if elements(order, pass_ * 2000 + np.arange(50)) != expected[pass_]:
                wrong.append(pass_)

    threads = [threading.Thread(target=ask, args=(e,)) for e in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def shards_per_batch(shards: np.ndarray, batch: int) -> float:
    return float(np.mean([len(set(b.tolist())) for b in shards[: len(shards) // batch * batch].reshape(-1, batch)]))


def default_order(counts: np.ndarray, sample_bytes: int, seed: int = 0) -> Order:
    streams = default_streams(counts)
    window = default_window(counts, int(counts.sum()) * sample_bytes, streams)
    return Order(counts, seed, "quality", streams, window)


@pytest.mark.parametrize(
    ("num_shards", "per_shard", "sample_bytes", "share_of_ideal"),
    [
        (16, 200, 64, 13 / 13.9),
        (1000, 50, 64, 0.75),
        (16, 100, 200_000, 0.75),
        (128, 500, 200_000, 0.55),
        (1000, 200, 200_000, 0.75),
    ],
)
def test_batches_mix_nearly_as_many_shards_as_a_perfect_shuffle(
    num_shards: int, per_shard: int, sample_bytes: int, share_of_ideal: float
) -> None:
    counts = np.full(num_shards, per_shard)
    batch, n = 32, num_shards * per_shard
    order = default_order(counts, sample_bytes)
    ours = shards_per_batch(order.at(np.arange(n)).shard, batch)
    ideal = num_shards * (1 - (1 - 1 / num_shards) ** batch)
    assert ours >= share_of_ideal * ideal


@pytest.mark.parametrize("num_shards", [16, 1000])
def test_position_and_shard_are_uncorrelated_over_seeds(num_shards: int) -> None:
    counts = np.full(num_shards, 20)
    n = 20 * num_shards
    correlations = [
        np.corrcoef(np.arange(n), default_order(counts, 64, seed).at(np.arange(n)).shard)[0, 1] for seed in range(20)
    ]
    assert abs(np.mean(correlations)) < 0.05


@settings(max_examples=50)
@given(COUNTS)
def test_sequential_goes_through_the_shards_in_order(counts: list[int]) -> None:
    order = Sequential(counts, "eval")
    at = order.at(np.arange(order.num_elements))
    assert list(zip(at.shard.tolist(), at.row.tolist(), strict=True)) == [
        (s, r) for s, count in enumerate(counts) for r in range(count)
    ]


def test_sequential_ends_and_substitutes_nothing() -> None:
    order = Sequential([2, 1], "eval")
    with pytest.raises(ValueError, match=r"positions must lie in \[0, 3\), found 3..3"):
        order.at([3])
    with pytest.raises(ValueError, match="evaluation substitutes nothing"):
        order.at([0], attempt=1)


def test_a_dataset_without_elements_is_named() -> None:
    with pytest.raises(ValueError, match="dataset 'hollow': no elements in 2 shards"):
        Order([0, 0], 0, "hollow", 1, 1)
    with pytest.raises(ValueError, match="dataset 'odd': counts must be one number >= 0 per shard"):
        Order([3, -1], 0, "odd", 1, 1)
    with pytest.raises(ValueError, match="dataset 'odd': streams and window must be at least 1, found 0 and 4"):
        Order([3], 0, "odd", 0, 4)
    with pytest.raises(ValueError, match="positions start at 0, found -1"):
        Order([3], 0, "odd", 1, 4).at([-1])


def test_hash_of_window_zero_differs_by_stream() -> None:
    assert int(hash64(1, 2, 3, 0, 0, 0)) != int(hash64(1, 2, 3, 0, 1, 0))
