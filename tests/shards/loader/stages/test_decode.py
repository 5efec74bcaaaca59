"""Decode: a slot depends on its element alone; bad data becomes a failure, in training with a substitute."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.shards.one_window import opened, singles, told


def test_a_slot_is_a_function_of_its_element(folder: Path) -> None:
    """Whatever was made before it, beside it, or by which thread."""
    expected = [told(batch) for batch in singles(folder)]
    with opened(folder, batch_size=1) as loader:
        states = []
        for _ in range(12):
            states.append(loader.state_dict())
            next(loader)
    for position in reversed(range(12)):
        with opened(folder, batch_size=1) as loader:
            loader.load_state_dict(states[position])
            assert told(next(loader)) == expected[position]
    with opened(folder, batch_size=12, threads=4) as loader:
        whole = next(loader)
    for number, (meta, origins, failures, frames, _) in enumerate(expected):
        assert [whole.meta[number], whole.origins[number]] == [*meta, *origins]
        assert (list(whole.slot_failures[number]), np.asarray(whole.frames[number]).tobytes()) == (failures, frames)


def test_a_substitute_has_draws_of_its_own_and_reports_what_failed(folder: Path) -> None:
    batches = singles(folder)
    [bad] = [batch for batch in batches if batch.failures]
    assert bad.valid.all() and bad.origins[0].key != "0002"
    first = bad.failures[0]
    assert first.origin.key == "0002" and first.row == 2 and not first.lasting
    [own] = [batch for batch in batches if batch.origins == bad.origins and not batch.failures]
    assert own.meta[0]["caption"] == bad.meta[0]["caption"] and own.meta[0]["drawn"] != bad.meta[0]["drawn"]


def test_evaluation_leaves_a_bad_slot_bad_but_keeps_its_meta(folder: Path) -> None:
    with opened(folder, batch_size=4, mode="eval") as loader:
        batch = next(loader)
    assert batch.valid.tolist() == [True, True, False, True] and len(batch.failures) == 1
    assert batch.meta[2]["caption"] == "web-2-0"
