"""The uses of a run put together: one encode, one bundle, scores by use, weights by size, and one look-up a step."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from mcg.config import RunConfig
from mcg.tasks.task import Scores
from mcg.text import open_texts
from mcg.uses import Uses
from tests.mcg.config.test_uses import make, use
from tests.mcg.small_checkpoint import run_config

RETRIEVAL = {"name": "retrieval", "clip": {"num_frames": 2, "size": 32}, "max_text_tokens": 9}


def of(config: RunConfig) -> Uses:
    return Uses(config, open_texts(config.model))


def two(**fields: Any) -> Uses:
    retrieval = use("b", 6, task=RETRIEVAL, objectives={"sigmoid": {"weight": 0.5}})
    retrieval["val"]["blend"][0]["elements"] = "sample"
    return of(make({"qa": use("a", 4), "ret": retrieval}, **fields))


def test_a_run_without_uses_is_one_of_its_own(tmp_path: Path) -> None:
    config = run_config(tmp_path)
    uses = of(config)
    assert uses.train is config.data.train and uses.encode == uses.tasks[""].encode
    assert uses.of_datasets() is None and uses.use_of("gray") is None and not uses.weighs
    model = config.model.build(open_texts(config.model))
    assert list(uses.bundle(model).objectives) == ["generation"]
    assert not uses.has_val and uses.evaluate(model, torch.device("cpu")) == {} and not uses.lacks_scores(tmp_path)
    assert uses.name == "open_qa" and uses.unscored == []


def test_each_use_has_its_task_its_objectives_and_its_contrast() -> None:
    uses = two(engine={"contrastive_batch": 12, "accumulation_steps": 2})
    assert uses.of_datasets() == {"a": ("qa", 1), "b": ("ret", 2)}
    assert [uses.use_of(name) for name in ("a", "b")] == ["qa", "ret"]
    config = uses._config
    bundle = uses.bundle(config.model.build(open_texts(config.model)))
    assert list(bundle.objectives) == ["qa:generation", "ret:sigmoid"]
    assert "objectives.ret:sigmoid.bias" in dict(bundle.named_parameters())
    assert uses.name == "qa: open_qa, ret: retrieval"
    with (
        patch.object(uses.tasks["qa"], "example", return_value="qa"),
        patch.object(uses.tasks["ret"], "example", return_value="ret"),
    ):
        for dataset, name in (("a", "qa"), ("b", "ret")):
            sample: Any = type("S", (), {"origin": type("O", (), {"dataset": dataset})})
            assert uses.encode(sample, lambda purpose: np.random.default_rng(0)) == name


def test_a_use_without_objectives_is_refused() -> None:
    config = make({"a": use("a"), "b": use("b", objectives={"generation": {"weight": 0}})})
    with pytest.raises(
        ValueError, match=r"uses\.b\.objectives: none has a weight above 0, so there is nothing to train"
    ):
        of(config).bundle(config.model.build(open_texts(config.model)))


def test_ranks_that_do_not_divide_a_batch_are_told_where() -> None:
    two().check_world_size(2)
    with pytest.raises(
        ValueError, match=r"^uses\.ret\.train: batch_size 6 .global. does not divide among world_size 4"
    ):
        two().check_world_size(4)


def test_weights_follow_from_the_steps_of_a_pass() -> None:
    """4,000 elements in batches of 4 are 1,000 steps, 600 in batches of 6 are 100."""
    assert two(sampling="size").weigh([4000, 600]) == pytest.approx([10 / 11, 1 / 11])
    assert two(sampling="temperature", temperature=2).weigh([4000, 600]) == pytest.approx([0.7597, 0.2403], abs=1e-4)
    assert two(sampling="temperature", temperature=1).weigh([4000, 600]) == pytest.approx([10 / 11, 1 / 11])
    assert two(sampling="size").weigh([4_000_000, 6])[1] == 0.002
    assert two(sampling="size").weighs and not two(sampling="uniform").weighs


def scores(value: float, name: str = "accuracy") -> Scores:
    return Scores({"x": value}, headline=(name, value))


def test_the_headline_is_the_mean_or_that_of_one_use() -> None:
    found = {"qa": scores(0.25), "ret": scores(0.75, "R1"), "none": Scores({})}
    assert two().headline(found) == ("mean of qa: accuracy; ret: R1", 0.5)
    assert two(best_by="ret").headline(found) == ("ret: R1", 0.75)
    assert two().headline({"none": Scores({})}) is None


def test_scores_are_kept_by_use_and_the_last_ones_are_written(tmp_path: Path) -> None:
    uses = two()
    found = {"ret": scores(1.0)}
    uses.write(found, tmp_path, 0, last=False)
    uses.write(found, tmp_path, 1)
    assert uses.lacks_scores(tmp_path) and not (tmp_path / "evaluation").exists()
    uses.write(found, tmp_path, 0)
    assert (tmp_path / "evaluation/val/ret/metrics.json").is_file()
    assert uses.lacks_scores(tmp_path)  # those of qa
