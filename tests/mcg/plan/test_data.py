"""Facts of the data are read from it, or are what was told where it is not there."""

from __future__ import annotations

from pathlib import Path

from mcg.plan.data import DataFacts, read_some
from mcg.plan.trial import build
from tests.mcg.plan.small_plan import small_config


def test_data_that_is_not_there_is_what_was_told(tmp_path: Path) -> None:
    config = small_config("configs/pt.yaml", f"vars.data={tmp_path}")
    _, task = build(config)
    assert read_some(config, task, 1, 100, 5.0) == DataFacts(100, 5.0, None, None, None)
    assert read_some(config, task, 1, None, None) == DataFacts(None, None, None, None, None)


def test_data_that_is_there_is_counted_and_a_batch_of_it_read(captions: Path) -> None:
    config = small_config("configs/demo/pt.yaml", f"data.train.blend=[{{name: a, path: {captions}}}]")
    _, task = build(config)
    found = read_some(config, task, 2, None, None)
    assert found.elements == 12 and found.batch is not None and len(found.batch.valid) == 2
    files = sum(file.stat().st_size for file in captions.glob("*.tar"))
    assert found.sample_bytes is not None and 0.5 * files / 12 < found.sample_bytes <= files / 12
    assert found.cpu_seconds is not None and 0 < found.cpu_seconds < 1
    assert read_some(config, task, 1, 7, None).elements == 7
