"""The identities over ranks: real loaders pass, and every way to lose or double an element is named with its rank."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shards.base.errors import AccountingError
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.loader.run_accounting import Report, RunAccounting
from tests.shards.far_folder import WAIT, until
from tests.shards.hanging import LIMIT, Hanging, use
from tests.shards.small_dataset import config, encode


class World:
    """All ranks in one process, a thread each while they check: `gather` waits for the others, as over processes."""

    def __init__(self, stack: ExitStack, loaders: list[Loader], state: Any = None) -> None:
        self.loaders = [stack.enter_context(loader) for loader in loaders]
        for loader in self.loaders:
            if state is not None:
                loader.load_state_dict(state)
        self.num_checks = 0
        self._told: dict[int, list[Report]] = {}
        self._meeting = threading.Barrier(len(loaders), timeout=WAIT)
        self.accounts = self.together(lambda rank: RunAccounting(self.loaders[rank], partial(self.gather, rank)))

    def together(self, call: Callable[[int], Any]) -> list[Any]:
        """What all ranks return; every rank calls the same."""
        with ThreadPoolExecutor(len(self.loaders)) as pool:
            return list(pool.map(call, range(len(self.loaders))))

    def gather(self, rank: int, mine: list[Report]) -> list[Report]:
        self.num_checks += rank == 0
        self._told[rank] = json.loads(json.dumps(mine))
        self._meeting.wait()
        reports = [report for number in range(len(self.loaders)) for report in self._told[number]]
        self._meeting.wait()
        return reports

    def step(self) -> None:
        for loader in self.loaders:
            next(loader)

    def after_step(self) -> None:
        self.together(lambda rank: self.accounts[rank].after_step())

    def finish(self) -> Any:
        first, *others = self.together(lambda rank: self.accounts[rank].finish())
        assert all(totals == first for totals in others)
        return first


def ranks(settings: LoaderConfig, world_size: int) -> list[Loader]:
    return [Loader(settings, rank, world_size, encode) for rank in range(world_size)]


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_a_training_run_adds_up_at_every_pass_and_at_the_end(damaged: Path, web: Path, world_size: int) -> None:
    settings = config(("damaged", damaged), ("web", web), batch_size=4, unit="sample")
    with ExitStack() as stack:
        world = World(stack, ranks(settings, world_size))
        for _ in range(9):
            world.step()
        state = world.loaders[0].state_dict()
        world = World(stack, ranks(settings, world_size), state)
        checks = []
        for _ in range(20):
            world.step()
            world.after_step()
            checks.append(world.num_checks)
        totals = world.finish()
    assert checks[-1] == 1 + 1 + 3  # at the start; damaged came to an end at 38, web at 26, 39 and 52
    facts = totals.to_dict()
    assert (facts["planned"], facts["delivered"] + facts["failed"], facts["padded"]) == (80, 80, 0)
    assert facts["failed"] == facts["substituted"] > 0
    assert facts["quarantine"] == {"damaged": {"decode": facts["failed_attempts"]}}


def test_the_cursor_of_all_ranks_has_what_any_of_them_gave_up(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their own cursors differ by it, which is no disagreement."""
    decoder = Hanging({2, 9})
    use(monkeypatch, decoder)
    more: dict[str, Any] = {"window": 40, "streams": 1, "prefetch_batches": 5, "max_failure_rate": None}
    settings = config(("web", web), batch_size=2, decode="cpu", decode_seconds=LIMIT, **more)
    with ExitStack() as stack:
        world = World(stack, ranks(settings, 2))
        world.step()
        until(lambda: all(loader.num_ready == 5 for loader in world.loaders))
        states = world.together(lambda rank: world.accounts[rank].cursor())
        world.together(lambda rank: world.accounts[rank].check())
        own = [loader.state_dict().get("given_up", []) for loader in world.loaders]
        decoder.release.set()
    assert states[0] == states[1] and states[0]["given_up"] == sorted(own[0] + own[1])
    assert len(states[0]["given_up"]) >= 2


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
        world = World(stack, ranks(settings, world_size))
        world.step()
        with pytest.raises(AccountingError, match="the evaluation has 51 elements, the ranks planned 8"):
            world.finish()
        for _ in range(6):
            world.step()
        totals = world.finish()
    elements = totals.elements
    assert (elements.planned, elements.delivered, elements.failed, elements.padded) == (51, 46, 5, 5)
    assert totals.quarantine == {"damaged": {"decode": 5}}


def test_ranks_with_other_exclusion_lists_do_not_start(web: Path, tmp_path: Path) -> None:
    lists = []
    for rank in range(2):
        lists.append(tmp_path / f"{rank}.jsonl")
        lists[rank].write_text(f'{{"key": "000{rank}"}}\n')
    listed = [DatasetConfig(name="web", path=str(web), exclude=(str(each),)) for each in lists]
    loaders = [Loader(config(blend=(listed[rank],)), rank, 2, encode) for rank in range(2)]
    with (
        ExitStack() as stack,
        pytest.raises(
            AccountingError, match=r"rank 1 does not stand where rank 0 stands: datasets is \['web\?\w+'\], rank 0 has"
        ),
    ):
        World(stack, loaders)


Change = Callable[[Report], object]
"""Makes a wrong report of a right one."""


def add(name: str, number: int) -> Change:
    return lambda report: report["elements"].update({name: report["elements"][name] + number})


def both(*changes: Change) -> Change:
    return lambda report: [change(report) for change in changes]


def checked(damaged: Path, change: Change, of: tuple[int, ...] = (1,), mode: str = "train") -> RunAccounting:
    """Rank 0 of two after some batches, and rank 1 saying the same; the reports of ranks in `of` are changed."""
    is_begun = False

    def gather(mine: list[Report]) -> list[Report]:
        reports = [copy.deepcopy(mine[0]) | {"rank": rank} for rank in range(2)]
        for rank in of if is_begun else ():
            change(reports[rank])
        return reports

    fields: dict[str, Any] = {"batch_size": 4, "mode": mode, "streams": 1, "window": 40, "max_failure_rate": None}
    with Loader(config(("damaged", damaged), **fields), 0, 2, encode) as loader:
        account = RunAccounting(loader, gather)
        for _ in range(15 if mode == "train" else 8):
            next(loader)
        assert loader.stats.accounting.failed > 0
        is_begun = True
        account.check()
        return account


def test_ranks_that_agree_are_summed(damaged: Path) -> None:
    account = checked(damaged, lambda report: None)
    totals = account.check()
    assert totals.elements.planned == 60
    assert totals.quarantine == {"damaged": {"decode": totals.elements.failed_attempts}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda report: report.update(rank=2), r"ranks \[0, 2\] reported, expected 0 to 1"),
        (
            lambda report: report["cursor"].update(positions=[20]),
            r"rank 1 does not stand .*: positions is \[20\], rank 0 has \[60\]",
        ),
        (add("delivered", -1), r"rank 1: planned 30 must equal delivered \d+"),
        (add("substituted", -1), r"rank 1: .*substituted \d+ must equal \d+"),
        (add("padded", 1), "rank 1: 1 slots of padding, training has none"),
        (both(add("planned", -1), add("delivered", -1)), "rank 1: took 29 slots, rank 0 took 30"),
        (
            lambda report: report.update(quarantine={"damaged": {"read": 99}}),
            r"rank 1: \d+ attempts failed, its ledger counts 99",
        ),
    ],
)
def test_what_does_not_add_up_is_named_with_its_rank(damaged: Path, change: Change, message: str) -> None:
    with pytest.raises(AccountingError, match=message):
        checked(damaged, change)


def test_elements_that_no_rank_planned_are_missed(damaged: Path) -> None:
    fewer = both(add("planned", -1), add("delivered", -1))
    with pytest.raises(AccountingError, match=r"handed out 60 elements, the ranks planned 58: \[29, 29\]"):
        checked(damaged, fewer, of=(0, 1))


def test_an_evaluation_that_substitutes_is_wrong(damaged: Path) -> None:
    with pytest.raises(AccountingError, match=r"rank 1: .*substituted 1 must equal 0"):
        checked(damaged, add("substituted", 1), mode="eval")
