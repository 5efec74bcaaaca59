"""Plans without any files: world size and batch size may change at every step, and nothing is lost or seen twice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from shards.order.blend import Blend, Unit
from shards.order.order import ElementOrder, Order, Sequential
from shards.order.plan import Element, EvaluationPlanner, Planner, RunPosition, TrainingPlanner

COUNTS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any), min_size=1, max_size=3)
STEPS = st.lists(st.tuples(st.sampled_from([1, 2, 3, 4]), st.integers(1, 6)), min_size=1, max_size=12)


def orders_of(counts: list[list[int]]) -> list[ElementOrder]:
    return [Order(c, seed=1, name=f"d{i}", streams=3, window=7) for i, c in enumerate(counts)]


def plan_training(
    orders: list[ElementOrder], blend: Blend, place: RunPosition, world_size: int, batch_size: int
) -> tuple[list[Element], RunPosition]:
    """All ranks' elements of one global batch."""
    plans = [TrainingPlanner(orders, blend, batch_size, r, world_size).plans(place, 1)[0] for r in range(world_size)]
    assert all(plan.after == plans[0].after and plan.dataset == plans[0].dataset for plan in plans)
    elements = [element for plan in plans for element in plan.elements]
    assert None not in elements
    return [element for element in elements if element is not None], plans[0].after


@settings(max_examples=100)
@given(COUNTS, STEPS, st.sampled_from(["step", "sample"]), st.data())
def test_world_and_batch_may_change_at_every_step(
    counts: list[list[int]], steps: list[tuple[int, int]], unit: Unit, data: st.DataObject
) -> None:
    orders = orders_of(counts)
    blend = Blend([data.draw(st.integers(1, 5)) for _ in counts], unit)
    place = RunPosition(0, (0,) * len(counts))
    taken: list[list[int]] = [[] for _ in counts]
    for world_size, share in steps:
        elements, after = plan_training(orders, blend, place, world_size, world_size * share)
        assert plan_training(orders, blend, place, 1, world_size * share) == (elements, after)
        for element in elements:
            taken[element.dataset].append(element.position)
            at = orders[element.dataset].at([element.position])
            assert (element.pass_, element.shard, element.row) == (at.pass_[0], at.shard[0], at.row[0])
        place = after
    for positions, reached in zip(taken, place.positions, strict=True):
        assert sorted(positions) == list(range(reached))


@settings(max_examples=100)
@given(COUNTS, st.sampled_from([1, 2, 3, 4]), st.integers(1, 5))
def test_evaluation_is_each_element_once_in_order_on_any_world(
    counts: list[list[int]], world_size: int, share: int
) -> None:
    orders: list[ElementOrder] = [Sequential(c, f"d{i}") for i, c in enumerate(counts)]
    planners = [EvaluationPlanner(orders, world_size * share, r, world_size) for r in range(world_size)]
    place, seen = RunPosition(0, (0,) * len(counts)), []
    while (plans := [planner.plans(place, 1) for planner in planners])[0]:
        found = [plan for of_rank in plans for plan in of_rank]
        assert {len(plan.elements) for plan in found} == {share} and len(found) == world_size
        seen += [element for plan in found for element in plan.elements]
        place = found[0].after
    real = [(e.dataset, e.shard, e.row) for e in seen if e is not None]
    assert real == [(d, s, r) for d, c in enumerate(counts) for s, n in enumerate(c) for r in range(n)]
    assert None not in seen[: len(real)] and len(seen) - len(real) < world_size * share
    assert place == RunPosition(len(real), tuple(sum(c) for c in counts))


def test_a_batch_over_the_border_of_two_datasets_is_of_neither() -> None:
    orders: list[ElementOrder] = [Sequential([3], "a"), Sequential([3], "b")]
    planner = EvaluationPlanner(orders, 2, 0, 1)
    assert [plan.dataset for plan in planner.plans(RunPosition(0, (0, 0)), 9)] == [0, None, 1]
    assert planner.plans(RunPosition(6, (3, 3)), 1) == []


@settings(max_examples=100)
@given(COUNTS, STEPS, st.sampled_from(["step", "sample"]), st.booleans(), st.integers(1, 7), st.data())
def test_plans_made_at_once_are_those_made_one_by_one(
    counts: list[list[int]], steps: list[tuple[int, int]], unit: Unit, training: bool, count: int, data: st.DataObject
) -> None:
    world_size, share = steps[0]
    rank = data.draw(st.integers(0, world_size - 1))
    blend = Blend([data.draw(st.integers(1, 5)) for _ in counts], unit)
    training_planner = TrainingPlanner(orders_of(counts), blend, world_size * share, rank, world_size)
    orders: list[ElementOrder] = [Sequential(c, f"d{i}") for i, c in enumerate(counts)]
    planner: Planner = training_planner
    if not training:
        planner = EvaluationPlanner(orders, world_size * share, rank, world_size)
    at_once = planner.plans(RunPosition(0, (0,) * len(counts)), count)
    place, one_by_one = RunPosition(0, (0,) * len(counts)), []
    while len(one_by_one) < count and (found := planner.plans(place, 1)):
        one_by_one += [(plan.elements, plan.dataset, plan.after) for plan in found]
        place = found[0].after
    assert [(plan.elements, plan.dataset, plan.after) for plan in at_once] == one_by_one
