"""Planner and loader against a second implementation of docs/order.md (oracle.py), on cases drawn by hypothesis.

Data: shard sizes with zeros, records per sample, filters, exclusions, repeat. Order: streams, windows, blends of any
weights and unit. Run: ranks and batch change at every step, runs stop and resume, elements fail.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import TooManyFailures
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.loader.stages.batch import PADDING
from shards.media.clip import EncodedClip
from shards.order.blend import Blend
from shards.order.order import ElementOrder, Order, Sequential
from shards.order.plan import EvaluationPlanner, RunPosition, TrainingPlanner
from shards.read.sample import Sample, SampleError
from tests.shards.oracle import Dataset, Run
from tests.shards.oracle import cycle as oracle_cycle
from tests.shards.small_dataset import encode, write_dataset

STEPS = st.lists(st.tuples(st.sampled_from([1, 2, 3, 4]), st.integers(1, 6)), min_size=1, max_size=8)
"""(world size, elements per rank) of each step."""


@st.composite
def datasets(draw: st.DrawFn, num: int, largest: int = 150) -> list[Dataset]:
    """Shards of up to 40 elements, and perhaps a large one, so that small and normal windows occur."""
    seed = draw(st.integers(0, 2**32 - 1))
    made = []
    for d in range(num):
        sizes = draw(st.lists(st.integers(0, 40), min_size=1, max_size=6)) + draw(st.sampled_from([[1], [largest]]))
        repeat = draw(st.sampled_from([1, 1, 3]))
        streams, window = draw(st.integers(1, 6)), draw(st.integers(1, 120))
        made.append(Dataset(f"d{d}", [[None] * n * repeat for n in sizes], seed, streams, window))
    return made


def order_of(d: Dataset) -> Order:
    return Order([len(shard) for shard in d.shards], d.seed, d.name, d.streams, d.window)


@settings(max_examples=60)
@given(datasets(1, largest=2000), st.data())
def test_every_position_and_substitute_is_the_oracles(made: list[Dataset], data: st.DataObject) -> None:
    [oracle] = made
    order = order_of(oracle)
    positions = data.draw(st.lists(st.integers(0, 3 * oracle.n - 1), min_size=1, max_size=12))
    for attempt in (0, *data.draw(st.lists(st.integers(1, 8), max_size=3))):
        at = order.at(positions, attempt)
        expected = [oracle.at(p, attempt) for p in positions]
        assert list(zip(at.pass_.tolist(), at.shard.tolist(), at.row.tolist(), strict=True)) == [
            e[:3] for e in expected
        ]
        if not attempt:
            assert at.stream.tolist() == [e[3] for e in expected]


@settings(max_examples=60)
@given(st.integers(1, 3).flatmap(datasets), STEPS, st.sampled_from(["step", "sample"]), st.data())
def test_batches_are_the_oracles_while_ranks_and_batch_change(
    made: list[Dataset], steps: list[tuple[int, int]], unit: Any, data: st.DataObject
) -> None:
    weights = [data.draw(st.integers(1, 5)) for _ in made]
    blend = Blend(weights, unit)
    turns = blend.slots(0, [0] * len(made), sum(blend.weights))[0]
    if unit == "sample":
        assert turns.tolist() == oracle_cycle(blend.weights)
    orders: list[ElementOrder] = [order_of(d) for d in made]
    run, place = Run(made, blend.weights, unit), RunPosition(0, (0,) * len(made))
    for world, share in steps:
        plans = [TrainingPlanner(orders, blend, world * share, r, world).plans(place, 1)[0] for r in range(world)]
        found = [[(e.dataset, e.position) for e in plan.elements if e is not None] for plan in plans]
        assert found == run.batch(world * share, world)
        place = plans[0].after
        assert place == RunPosition(run.q, tuple(run.positions))
        for plan in plans:
            for e in plan.elements:
                assert e is not None
                assert (e.pass_, e.shard, e.row) == made[e.dataset].at(e.position)[:3]


@settings(max_examples=20)
@given(st.integers(1, 3).flatmap(datasets), st.integers(1, 4), st.integers(1, 24), st.booleans(), st.data())
def test_the_blend_stays_within_one_batch_of_its_shares_and_passes_are_whole(
    made: list[Dataset], world: int, share: int, by_step: bool, data: st.DataObject
) -> None:
    weights = [data.draw(st.integers(1, 9)) for _ in made]
    batch = world * share
    blend = Blend(weights, "step" if by_step else "sample")
    orders: list[ElementOrder] = [order_of(d) for d in made]
    planners = [TrainingPlanner(orders, blend, batch, r, world) for r in range(world)]
    place, seen = RunPosition(0, (0,) * len(made)), [[] for _ in made]  # type: ignore[var-annotated]
    for step in range(1, 30):
        plans = [planner.plans(place, 1)[0] for planner in planners]
        for plan in plans:
            for e in plan.elements:
                assert e is not None
                seen[e.dataset].append((e.pass_, e.shard, e.row))
        place = plans[0].after
        for d, taken in enumerate(place.positions):
            assert abs(taken - Fraction(step * batch * weights[d], sum(weights))) < (batch if by_step else 1)
    for d, dataset in enumerate(made):
        whole = len(seen[d]) // dataset.n
        every = [(s, r) for s, shard in enumerate(dataset.shards) for r in range(len(shard))]
        assert len(set(seen[d])) == len(seen[d])
        for pass_ in range(whole):
            assert sorted(at[1:] for at in seen[d] if at[0] == pass_) == every


@settings(max_examples=60)
@given(st.integers(1, 3).flatmap(datasets), STEPS)
def test_an_evaluation_is_exact_while_ranks_and_batch_change(made: list[Dataset], steps: list[tuple[int, int]]) -> None:
    orders: list[ElementOrder] = [Sequential([len(s) for s in d.shards], d.name) for d in made]
    every = [(d, s, r) for d, o in enumerate(made) for s, shard in enumerate(o.shards) for r in range(len(shard))]
    place, seen, step, padding = RunPosition(0, (0,) * len(made)), [], 0, 0
    while True:
        world, share = steps[step % len(steps)]
        made_plans = [EvaluationPlanner(orders, world * share, r, world).plans(place, 1) for r in range(world)]
        if [] in made_plans:
            assert made_plans == [[]] * world
            break
        plans = [plan for (plan,) in made_plans]
        elements = [e for plan in plans for e in plan.elements]
        assert len(elements) == world * share and padding == 0
        padding = elements.count(None)
        assert padding < len(elements)
        assert None not in elements[: len(elements) - padding]
        seen += [(e.dataset, e.shard, e.row) for e in elements if e is not None]
        assert plans[0] is not None
        place, step = plans[0].after, step + 1
    assert seen == every


# ---- the loader on real shards

RECORDS = (2, 1, 3, 4, 1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """70 samples in 10 shards and 9 in 3; every fifth has four records."""
    return [
        write_dataset(tmp_path_factory.mktemp(name), name, num, records_of=RECORDS, per_shard=per_shard)
        for name, num, per_shard in (("large", 70, 7), ("small", 9, 3))
    ]


class Case:
    """A loader config drawn by hypothesis, and what the oracle makes of it: an element is (sample number, record)."""

    def __init__(self, folders: list[Path], lists: Path, data: st.DataObject, mode: str) -> None:
        draw = data.draw
        fields: dict[str, Any] = {
            "seed": draw(st.integers(0, 1000), "seed"),
            "streams": draw(st.integers(1, 5), "streams"),
            "window": draw(st.integers(1, 99), "window"),
            "unit": draw(st.sampled_from(["step", "sample"]), "unit"),
            "prefetch_batches": draw(st.integers(0, 2), "prefetch"),
            "threads": draw(st.integers(1, 3), "threads"),
        }
        blend, self.oracles = [], []
        for name, folder, num, per_shard in (("large", folders[0], 70, 7), ("small", folders[1], 9, 3)):
            least = draw(st.integers(0, num // 2), "least")
            out = draw(st.sets(st.integers(0, num - 2), max_size=num // 3), "excluded")
            (lists / f"{name}.jsonl").write_text("".join(json.dumps({"key": f"{i:04d}"}) + "\n" for i in sorted(out)))
            by_record = draw(st.booleans(), "by record")
            repeat = draw(st.sampled_from([1, 2]), "repeat") if mode == "train" else 1
            blend.append(
                DatasetConfig(
                    name=name,
                    path=str(folder),
                    where=f"key >= '{least:04d}' and num_records != 4",
                    exclude=(str(lists / f"{name}.jsonl"),),
                    elements="record" if by_record else "sample",
                    repeat=repeat,
                    weight=draw(st.integers(1, 4), "weight"),
                )
            )
            shards: list[list[Any]] = [[] for _ in range(-(-num // per_shard))]
            for i in range(least, num):
                if i not in out and RECORDS[i % 5] != 4:
                    shards[i // per_shard] += [(i, r if by_record else -1) for r in range(RECORDS[i % 5])][
                        : None if by_record else 1
                    ]
            shards = [shard * repeat for shard in shards]
            self.oracles.append(Dataset(name, shards, fields["seed"], fields["streams"], fields["window"]))
        self.fields = fields | {"blend": tuple(blend), "mode": mode, "max_failure_rate": None}
        self.broken = draw(st.sets(st.integers(0, 69), max_size=12), "broken")

    def config(self, batch_size: int) -> LoaderConfig:
        return LoaderConfig(batch_size=batch_size, **self.fields)

    def encode(self, sample: Sample, rng: RngFactory) -> EncodedClip:
        if sample.meta["number"] in self.broken:
            raise SampleError(sample.origin, "broken")
        return encode(sample, rng)

    def element(self, dataset: int, position: int) -> tuple[str, int, int] | None:
        """What is handed over for a planned element: it, or its first good substitute; None: all are broken."""
        oracle = self.oracles[dataset]
        for attempt in range(9):
            _, shard, row, _ = oracle.at(position, attempt)
            number, record = oracle.shards[shard][row]
            if number not in self.broken:
                return oracle.name, number, record
        return None


def handed_over(batch: Any, case: Case) -> list[tuple[str, int, int]]:
    by_record = {d.name: d.elements == "record" for d in case.fields["blend"]}
    found = []
    for meta, origin, valid in zip(batch.meta, batch.origins, batch.valid, strict=True):
        if valid:
            record = int(meta["caption"].split("-")[2]) if by_record[origin.dataset] else -1
            found.append((origin.dataset, meta["number"], record))
    return found


@settings(max_examples=12)
@given(st.data())
def test_a_training_run_is_the_oracles_through_stops_failures_and_other_worlds(
    folders: list[Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lists = tmp_path_factory.mktemp("lists")
    case = Case(folders, lists, data, "train")
    steps = data.draw(STEPS.filter(lambda steps: len(steps) <= 4), "steps")
    run = Run(case.oracles, [int(d.weight) for d in case.fields["blend"]], case.fields["unit"])
    state: Any = None
    for world, share in steps:  # every stage stops after two batches and goes on with other ranks and another batch
        with ExitStack() as stack:
            loaders = [
                stack.enter_context(Loader(case.config(world * share), rank, world, case.encode))
                for rank in range(world)
            ]
            for loader in loaders:
                if state is not None:
                    loader.load_state_dict(state)
            for _ in range(2):
                planned = run.batch(world * share, world)
                for loader, part in zip(loaders, planned, strict=True):
                    expected = [case.element(*at) for at in part]
                    if None in expected:
                        with pytest.raises(TooManyFailures):
                            next(loader)
                        return
                    assert handed_over(next(loader), case) == expected
            states = [json.loads(json.dumps(loader.state_dict())) for loader in loaders]
            for rank, loader in enumerate(loaders):
                counts = loader.stats.accounting
                assert counts.planned == 2 * share and states[rank] == states[0]
                assert counts.failed == counts.substituted
            state = states[0]
            assert (state["q"], state["positions"]) == (run.q, run.positions)


@settings(max_examples=8)
@given(st.data(), st.sampled_from([1, 2, 3]), st.integers(1, 9))
def test_an_evaluation_is_the_oracles_with_failures_told_and_padding_masked(
    folders: list[Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, world: int, share: int
) -> None:
    case = Case(folders, tmp_path_factory.mktemp("lists"), data, "eval")
    with ExitStack() as stack:
        loaders = [
            stack.enter_context(Loader(case.config(world * share), rank, world, case.encode)) for rank in range(world)
        ]
        every = [(o.name, *element) for o in case.oracles for shard in o.shards for element in shard]
        good = [element for element in every if element[1] not in case.broken]
        if not good:
            return
        batches = [batch for together in zip(*loaders, strict=True) for batch in together]
    assert [element for batch in batches for element in handed_over(batch, case)] == good
    origins = [origin for batch in batches for origin in batch.origins]
    assert sum(len(batch.failures) for batch in batches) == len(every) - len(good)
    assert [origin == PADDING for origin in origins] == [False] * len(every) + [True] * (len(origins) - len(every))
    assert len(origins) - len(every) < world * share
    assert sum(int(np.count_nonzero(batch.valid)) for batch in batches) == len(good)
