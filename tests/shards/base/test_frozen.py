"""Faults in configs are told in full, and in the same words wherever the config comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from shards.base.errors import ConfigError
from shards.base.frozen import explain
from shards.loader.config import DatasetConfig, LoaderConfig

CC = {"name": "cc", "path": "data/cc"}
CASES: list[tuple[type[DatasetConfig] | type[LoaderConfig], dict[str, Any], str]] = [
    (
        DatasetConfig,
        {"name": "cc", "pth": "data/cc"},
        "DatasetConfig: path: missing, and it has no default\n"
        "DatasetConfig: pth: unknown field\n  did you mean 'path'?",
    ),
    (
        LoaderConfig,
        {"blend": [CC | {"wieght": 2}], "batch_size": 8},
        "LoaderConfig: blend[0].wieght: unknown field\n  did you mean 'weight'?",
    ),
    (LoaderConfig, {"blend": [CC], "batch_size": 0}, "LoaderConfig: batch_size: Input should be greater than or equal"),
    (
        LoaderConfig,
        {"blend": [CC], "batch_size": 8, "mode": "evaluate"},
        "LoaderConfig: mode: Input should be 'train' or 'eval', found 'evaluate'",
    ),
    (LoaderConfig, {"blend": [CC, CC], "batch_size": 8}, "LoaderConfig: blend: dataset names must differ"),
    (
        DatasetConfig,
        CC | {"qqqqq": 1},
        "DatasetConfig: qqqqq: unknown field\n  known fields: batch_size, elements, exclude",
    ),
]


@pytest.mark.parametrize(
    "make", [lambda model, fields: model(**fields), lambda model, fields: model.model_validate(fields)]
)
@pytest.mark.parametrize(("model", "fields", "text"), CASES)
def test_a_fault_in_python_is_told_as_one_in_a_file(
    make: Callable[[Any, Any], Any], model: type[BaseModel], fields: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make(model, fields)
    assert str(caught.value).startswith(text)


def test_inside_another_model_the_fault_has_the_whole_path() -> None:
    class Outer(BaseModel):
        train: LoaderConfig

    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"train": {"blend": [CC | {"wieght": 2}], "batch_size": 8}})
    told = explain(caught.value, Outer, "run.yaml")
    assert told == ["run.yaml: train.blend[0].wieght: unknown field", "  did you mean 'weight'?"]


def test_a_dataset_that_was_made_before_goes_into_a_loader_config() -> None:
    dataset = DatasetConfig(**CC)
    assert LoaderConfig(blend=(dataset,), batch_size=8).blend == (dataset,)
