"""A loss far above the usual is found at its step, with the origins of its batch; the usual wobble is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mcg.engine.config import SpikeConfig
from mcg.engine.record.spikes import Spike, Spikes
from tests.mcg.engine.small_engine import make_batch

BATCH = make_batch()
NOWHERE = Path("/nowhere")


def _look(spikes: Spikes, losses: list[float], dataset: str | None = "shapes") -> list[Spike | None]:
    batch = replace(BATCH, dataset=dataset)
    return [spikes.look({"total": loss, "lr": 0.1}, [batch]) for loss in losses]


def test_a_spike_is_told_with_the_origins_of_its_batch() -> None:
    spikes = Spikes(SpikeConfig(window=8), NOWHERE, 0)
    found = _look(spikes, [2.0, 2.1, 1.9, 2.0, 5.0, 2.0])
    assert [one is not None for one in found] == [False, False, False, False, True, False]
    spike = found[4]
    assert spike is not None and (spike.loss, spike.usual, spike.dataset) == (5.0, 2.0, "shapes")
    assert spike.origins == [f"shapes/000002.tar:clip{i}" for i in range(4)]
    assert str(spike) == f"the loss is 5, usual are 2; its batch: {', '.join(spike.origins)}"


def test_a_row_of_spikes_does_not_become_the_usual() -> None:
    found = _look(Spikes(SpikeConfig(window=8), NOWHERE, 0), [2.0, 2.1, 1.9, 2.0] + [9.0] * 20)
    assert all(one is not None for one in found[4:])


def test_each_dataset_has_its_own_usual() -> None:
    spikes = Spikes(SpikeConfig(window=8), NOWHERE, 0)
    assert not any(_look(spikes, [1.0, 1.1, 0.9, 1.0], "pictures"))
    assert not any(_look(spikes, [5.0, 5.1, 4.9, 5.0], "clips"))
    assert not any(_look(spikes, [5.05], "clips"))
    assert all(_look(spikes, [5.05], "pictures"))


def test_nobody_looks_without_a_factor() -> None:
    assert not any(_look(Spikes(SpikeConfig(factor=None, window=8), NOWHERE, 0), [1.0] * 8 + [100.0]))


def test_a_resumed_run_knows_the_steps_before(tmp_path: Path) -> None:
    lines = [{"step": 0, "started": {}}]
    lines += [{"step": n, "dataset": "shapes", "losses": {"total": 2.0 + n / 100}} for n in range(1, 7)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 7, "los')
    assert all(_look(Spikes(SpikeConfig(window=8), tmp_path, 5), [4.0]))
    assert not any(_look(Spikes(SpikeConfig(window=8), tmp_path, 3), [4.0]))  # three steps are too few to judge by


@given(base=st.floats(0.1, 100), wobble=st.lists(st.floats(-0.1, 0.1), min_size=20, max_size=60))
def test_a_wobble_below_a_tenth_is_no_spike_and_ten_times_the_loss_is(base: float, wobble: list[float]) -> None:
    spikes = Spikes(SpikeConfig(window=20, factor=11), NOWHERE, 0)
    assert not any(_look(spikes, [base * (1 + part) for part in wobble]))
    assert all(_look(spikes, [base * 10]))
