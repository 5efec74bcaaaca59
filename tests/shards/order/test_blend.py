"""Blends keep every dataset within one turn of its share, at any turn, in either unit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.order.blend import Blend, whole_weights


def cycle(weights: list[int]) -> list[int]:
    """The dataset of each turn of one cycle."""
    return Blend(weights, "sample").slots(0, [0] * len(weights), sum(weights))[0].tolist()


WEIGHTS = st.lists(st.integers(1, 60), min_size=1, max_size=7)


@settings(max_examples=200)
@given(WEIGHTS)
def test_every_dataset_stays_within_one_turn_of_its_share(weights: list[int]) -> None:
    turns = cycle(weights)
    total = sum(weights)
    assert len(turns) == total
    served = [0] * len(weights)
    for turn, d in enumerate(turns, start=1):
        served[d] += 1
        assert all(abs(served[i] - Fraction(turn * w, total)) < 1 for i, w in enumerate(weights))
    assert served == weights


def test_the_cycle_never_changes() -> None:
    assert cycle([3, 2, 1]) == [0, 1, 0, 2, 1, 0]


@settings(max_examples=50)
@given(WEIGHTS, st.integers(2, 4))
def test_a_common_factor_changes_nothing(weights: list[int], factor: int) -> None:
    assert cycle([w * factor for w in weights]) == cycle(weights) * factor
    assert whole_weights([w * factor for w in weights]) == whole_weights(weights)


def test_fractions_are_rounded_to_a_total_of_1000() -> None:
    assert whole_weights([1.0, 0.5]) == [667, 333]
    assert whole_weights([0.25, 0.75]) == [1, 3]
    assert whole_weights([1 / 3, 1 / 3, 1 / 3]) == [334, 333, 333]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([], "must be positive numbers"),
        ([1, 0], "must be positive numbers, found \\[1, 0\\]"),
        ([1.0, float("nan")], "must be positive numbers"),
        ([0.9999, 0.0001], "would never be read"),
        ([10_000_000, 2_500_001], "a cycle of 12500001 turns, at most 100000"),
    ],
)
def test_weights_that_cannot_be_kept_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        whole_weights(weights)


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 'step' or 'sample', found 'batch'"):
        Blend([1], "batch")  # type: ignore[arg-type]


@settings(max_examples=80)
@given(WEIGHTS, st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_mixed_slots_do_not_depend_on_the_batch_size(weights: list[int], batches: list[int]) -> None:
    """unit "sample": cut the sequence of slots as you like, it stays the same sequence, and positions have no gap."""
    blend = Blend(weights, "sample")
    total = sum(batches)
    whole_dataset, whole_position, whole_q, whole_next = blend.slots(0, [0] * len(weights), total)
    q, positions = 0, [0] * len(weights)
    parts = []
    for batch in batches:
        dataset, position, q, positions = blend.slots(q, positions, batch)
        parts.append(np.stack([dataset, position]))
    assert np.array_equal(np.concatenate(parts, axis=1), np.stack([whole_dataset, whole_position]))
    assert (q, positions) == (whole_q, whole_next)
    for d in range(len(weights)):
        assert whole_position[whole_dataset == d].tolist() == list(range(whole_next[d]))


@settings(max_examples=50)
@given(WEIGHTS, st.integers(1, 16), st.integers(1, 40))
def test_homogeneous_batches_take_one_turn_each(weights: list[int], batch_size: int, steps: int) -> None:
    blend = Blend(weights, "step")
    q, positions = 0, [0] * len(weights)
    for step in range(steps):
        dataset, position, q, after = blend.slots(q, positions, batch_size)
        d = int(dataset[0])
        assert set(dataset.tolist()) == {d} and q == step + 1
        assert position.tolist() == list(range(positions[d], positions[d] + batch_size))
        assert after == [p + batch_size * (i == d) for i, p in enumerate(positions)]
        positions = after
    share = [Fraction(w * steps, sum(weights)) for w in weights]
    assert all(abs(Fraction(p, batch_size) - s) < 1 for p, s in zip(positions, share, strict=True))


def test_a_turn_may_last_several_batches_of_a_size_for_each_dataset() -> None:
    blend = Blend([2, 1], "step", batches_per_turn=2)
    q, positions, found = 0, [0, 0], []
    for _ in range(8):
        dataset, position, q, positions = blend.slots(q, positions, (4, 6))
        found.append((int(dataset[0]), len(dataset), int(position[0])))
    assert found == [(0, 4, 0), (0, 4, 4), (1, 6, 0), (1, 6, 6), (0, 4, 8), (0, 4, 12), (0, 4, 16), (0, 4, 20)]
    assert (q, positions) == (8, [24, 12])


def test_the_mean_of_a_number_is_over_turns() -> None:
    assert Blend([3, 1], "step").mean((4, 8)) == 5.0
