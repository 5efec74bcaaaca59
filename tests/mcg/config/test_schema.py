"""docs/config.schema.json is what the config classes say: it takes our configs and finds what an editor should mark."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mcg.config.schema import schema

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    """Made once: it takes a second."""
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def _faults(tree: dict[str, Any]) -> list[str]:
    return [error.json_path for error in _validator().iter_errors(tree)]


def _read(path: str) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return tree


def test_the_file_is_what_the_classes_say() -> None:
    kept = json.loads((ROOT / "docs" / "config.schema.json").read_text())
    assert kept == schema(), "python -m mcg.config schema > docs/config.schema.json"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_our_configs_have_no_fault(config: Path) -> None:
    assert CONFIGS and not _faults(yaml.safe_load(config.read_text()))


def test_an_expression_stands_for_any_value() -> None:
    tree = _read("configs/demo/pt.yaml")
    tree["optim"] = {"lr": "${vars.lr}", "betas": ["${vars.beta}", 0.98]}
    tree["data"]["train"]["batch_size"] = "${oc.env:BATCH}"
    tree["engine"] = "${vars.engine}"
    assert not _faults(tree)


@pytest.mark.parametrize(
    ("section", "name", "value", "place"),
    [
        ("optim", "lrr", 1e-4, "$.optim"),
        ("optim", "lr", "fast", "$.optim.lr"),
        ("engine", "zero_stage", 4, "$.engine"),
        ("data", "train", {"batch_size": 8}, "$.data.train"),
        ("log", "every_steps", 0, "$.log"),
    ],
)
def test_a_fault_is_found_at_its_place(section: str, name: str, value: Any, place: str) -> None:
    tree = _read("configs/demo/pt.yaml")
    tree.setdefault(section, {})[name] = value
    assert any(found.startswith(place) or place.startswith(found) for found in _faults(tree))
