"""The identities over ranks: real loaders pass, and every way to lose or double an element is named with its rank."""

from __future__ import annotations

import copy
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import AccountingError
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.loader.run_accounting import Report, RunAccounting, check_ranks, report
from tests.shards.small_dataset import config, encode, write_dataset

BROKEN = (3, 11)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """19 samples, two of them no pictures: 5 of the 38 records fail."""
    return write_dataset(tmp_path_factory.mktemp("damaged"), "damaged", 19, broken=BROKEN)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("web"), "web", 13, records_of=(1,))


class World:
    """All ranks in one thread: `gather` gives every rank's report whichever asks."""

    def __init__(self, stack: ExitStack, settings: LoaderConfig, world_size: int, state: Any = None) -> None:
        self.loaders = [stack.enter_context(Loader(settings, r, world_size, encode)) for r in range(world_size)]
        for loader in self.loaders:
            if state is not None:
                loader.load_state_dict(state)
        self.num_checks = 0
        self.account = RunAccounting(self.loaders[0], self.gather)

    def gather(self, mine: list[Report]) -> list[Report]:
        self.num_checks += 1
        reports = json.loads(json.dumps([report(loader) for loader in self.loaders]))
        assert reports[:1] == mine
        return list(reports)

    def step(self) -> None:
        for loader in self.loaders:
            next(loader)


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_a_training_run_adds_up_at_every_pass_and_at_the_end(damaged: Path, web: Path, world_size: int) -> None:
    settings = config(("damaged", damaged), ("web", web), batch_size=4, unit="sample")
    with ExitStack() as stack:
        world = World(stack, settings, world_size)
        for _ in range(9):
            world.step()
        state = world.loaders[0].state_dict()
        world = World(stack, settings, world_size, state)
        checks = []
        for _ in range(20):
            world.step()
            world.account.after_step()
            checks.append(world.num_checks)
        totals = world.account.finish()
    assert checks[-1] == 1 + 1 + 3  # at the start; damaged came to an end at 38, web at 26, 39 and 52
    facts = totals.to_dict()
    assert (facts["planned"], facts["delivered"] + facts["failed"], facts["padded"]) == (80, 80, 0)
    assert facts["failed"] == facts["substituted"] > 0
    assert facts["quarantine"] == {"damaged": {"decode": facts["failed_attempts"]}}


def test_what_was_handed_out_before_the_accounting_began_is_not_counted(damaged: Path) -> None:
    settings = config(("damaged", damaged), batch_size=4)
    with ExitStack() as stack:
        loader = stack.enter_context(Loader(settings, 0, 1, encode))
        for _ in range(7):
            next(loader)
        account = RunAccounting(loader, lambda mine: mine)
        for _ in range(3):
            next(loader)
            account.after_step()
        assert account.finish().elements.planned == 12


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_an_evaluation_scores_or_misses_every_element(damaged: Path, web: Path, world_size: int) -> None:
    settings = config(("damaged", damaged), ("web", web), mode="eval")
    with ExitStack() as stack:
        world = World(stack, settings, world_size)
        world.step()
        with pytest.raises(AccountingError, match="the evaluation has 51 elements, the ranks planned 8"):
            world.account.finish()
        for _ in range(6):
            world.step()
        totals = world.account.finish()
    elements = totals.elements
    assert (elements.planned, elements.delivered, elements.failed, elements.padded) == (51, 46, 5, 5)
    assert totals.quarantine == {"damaged": {"decode": 5}}


def test_ranks_with_other_exclusion_lists_do_not_start(web: Path, tmp_path: Path) -> None:
    lists = []
    for rank in range(2):
        lists.append(tmp_path / f"{rank}.jsonl")
        lists[rank].write_text(f'{{"key": "000{rank}"}}\n')
    with ExitStack() as stack:
        loaders = [
            stack.enter_context(
                Loader(
                    config(blend=(DatasetConfig(name="web", path=str(web), exclude=(str(lists[rank]),)),)),
                    rank,
                    2,
                    encode,
                )
            )
            for rank in range(2)
        ]
        with pytest.raises(
            AccountingError, match=r"rank 1 does not stand where rank 0 stands: datasets is \['web\?\w+'\], rank 0 has"
        ):
            RunAccounting(loaders[0], lambda _: [report(loader) for loader in loaders])


def fine() -> list[Report]:
    elements = {"planned": 10, "delivered": 8, "failed": 2, "substituted": 2, "failed_attempts": 3, "padded": 0}
    cursor = {"seed": 1, "positions": [21, 9], "world_size": 2}
    return [
        {"rank": r, "cursor": cursor, "elements": dict(elements), "quarantine": {"cc": {"read": 1, "decode": 2}}}
        for r in range(2)
    ]


def test_ranks_that_agree_are_summed() -> None:
    totals = check_ranks(fine(), [6, 4], training=True)
    assert totals.elements.planned == 20 and totals.quarantine == {"cc": {"read": 2, "decode": 4}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": 2}, r"ranks \[0, 2\] reported, expected 0 to 1"),
        ({"cursor": {"positions": [20, 9]}}, r"rank 1 does not stand .*: positions is \[20, 9\], rank 0 has \[21, 9\]"),
        ({"elements": {"delivered": 7}}, "rank 1: planned 10 must equal delivered 7"),
        ({"elements": {"substituted": 1}}, "rank 1: .*substituted 1 must equal 2"),
        ({"elements": {"padded": 1}}, "rank 1: 1 slots of padding, training has none"),
        ({"elements": {"planned": 9, "delivered": 7}}, "rank 1: took 9 slots, rank 0 took 10"),
        ({"quarantine": {"cc": {"read": 1}}}, "rank 1: 3 attempts failed, its ledger counts 1"),
    ],
)
def test_what_does_not_add_up_is_named_with_its_rank(changes: dict[str, Any], message: str) -> None:
    reports = copy.deepcopy(fine())
    for name, value in changes.items():
        reports[1][name] = reports[1][name] | value if name in ("cursor", "elements") else value
    with pytest.raises(AccountingError, match=message):
        check_ranks(reports, [6, 4], training=True)


def test_elements_that_no_rank_planned_are_missed() -> None:
    with pytest.raises(AccountingError, match=r"handed out 21 elements, the ranks planned 20: \[10, 10\]"):
        check_ranks(fine(), [6, 3], training=True)
    with pytest.raises(AccountingError, match=r"rank 0: .*substituted 2 must equal 0"):
        check_ranks(fine(), [6, 4], training=False)
