"""Loader configs: unknown fields, doubled names and impossible values are refused; every field says its unit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shards.base.errors import ConfigError
from shards.loader.config import DatasetConfig, LoaderConfig

CC = {"name": "cc", "path": "data/cc"}


def test_defaults_make_a_training_loader() -> None:
    config = LoaderConfig.model_validate({"blend": [CC], "batch_size": 8})
    assert (config.mode, config.unit, config.streams, config.window, config.prefetch_batches) == (
        "train",
        "step",
        None,
        None,
        2,
    )
    assert config.decode_seconds == 30
    assert config.blend == (DatasetConfig(name="cc", path="data/cc"),)


@pytest.mark.parametrize("model", [DatasetConfig, LoaderConfig])
def test_every_field_says_what_it_means(model: type[DatasetConfig] | type[LoaderConfig]) -> None:
    assert not [name for name, field in model.model_fields.items() if not field.description]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"thread": 1}, "LoaderConfig: thread: unknown field\\n  did you mean 'threads'?"),
        ({"blend": []}, "at least 1 item"),
        ({"blend": [CC, CC]}, r"dataset names must differ, found twice: \['cc'\]"),
        (
            {"blend": [CC | {"repeat": 2}], "mode": "eval"},
            r"evaluation reads every element once; remove repeat from \['cc'\]",
        ),
        ({"blend": [CC | {"weight": 0}]}, "greater than 0"),
        ({"blend": [CC | {"weight": 0.9999}, {"name": "b", "path": "b", "weight": 0.0001}]}, "would never be read"),
        ({"blend": [CC | {"name": "a/b"}]}, "should match pattern"),
        ({"blend": [CC | {"where": "duraton > 2"}]}, "no column 'duraton'; did you mean 'duration'"),
        ({"blend": [CC | {"repeat": 0}]}, r"blend\[0\].repeat: should be a whole number from 1 to 100, or .*, found 0"),
        ({"blend": [CC | {"repeat": 2.5}]}, r"repeat: should be a whole number from 1 to 100, or .*, found 2.5"),
        ({"blend": [CC | {"repeat": "n"}]}, "repeat 'n' is the name of a column, and side names no table that has it"),
        ({"blend": [CC | {"repeat": "n", "side": ["a"]}], "mode": "eval"}, r"remove repeat from \['cc'\]"),
        (
            {"blend": [CC | {"side": ["ftp://host/a.parquet"]}]},
            "side: ftp://host/a.parquet: no kind of URL begins with",
        ),
        ({"blend": [CC | {"texts": "ftp://host/a.parquet:c"}]}, "texts: ftp://host/a.parquet: no kind of URL begins"),
        ({"blend": [CC | {"missing_texts": "no"}]}, "missing_texts: Input should be 'keep' or 'drop', found 'no'"),
        ({"blend": [CC | {"source": "ffcv", "side": ["a"]}]}, "side and texts are about shards; export-ffcv writes"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        (
            {"blend": [CC | {"batch_size": 4}], "unit": "sample"},
            r"only training with unit: step has batches of one dataset; remove batch_size from \['cc'\]",
        ),
        ({"batches_per_turn": 2, "mode": "eval"}, "batches of one dataset; remove batches_per_turn"),
        ({"seed": 2**32}, "less than 4294967296"),
        ({"unit": "batch"}, "'step' or 'sample'"),
        ({"decode_seconds": 0}, "greater than or equal to 0.001"),
        ({"decode_seconds": float("nan")}, "decode_seconds"),
        ({"decode": "gpu"}, "'auto', 'cpu', 'dali' or 'torchcodec'"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LoaderConfig.model_validate({"blend": [CC], "batch_size": 8} | fields)


def test_repeat_is_a_number_or_a_column_and_where_may_name_what_only_an_open_table_has() -> None:
    for given, copies in ((3, 3), ("3", 3), (3.0, 3)):
        config = DatasetConfig.model_validate(CC | {"repeat": given})
        assert config.copies == copies and config.label == "cc*3" and config.side_settings.repeat is None
    config = DatasetConfig.model_validate(CC | {"side": ["a"], "repeat": "n", "where": "motion > 1", "texts": "a:b"})
    assert config.copies == 1 and config.label == "cc"
    assert config.side_settings == (("a",), "a:b", "keep", "n")


def test_configs_are_frozen() -> None:
    config = LoaderConfig.model_validate({"blend": [CC], "batch_size": 8})
    with pytest.raises(ValidationError, match="frozen"):
        config.batch_size = 4


def test_the_label_shows_what_changes_the_elements() -> None:
    assert DatasetConfig(name="cc", path="x").label == "cc"
    assert DatasetConfig(name="cc", path="x", elements="sample", repeat=3).label == "cc/sample*3"


def test_the_batch_must_divide_among_the_ranks() -> None:
    config = LoaderConfig.model_validate({"blend": [CC], "batch_size": 8})
    config.check_world_size(4)
    with pytest.raises(
        ValueError, match=r"batch_size 8 .* world_size 3 ranks; choose a batch_size that is a multiple of 3"
    ):
        config.check_world_size(3)
