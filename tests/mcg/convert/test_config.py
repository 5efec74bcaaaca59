"""The init: section names sources, the families of released weights and the parts that are taken."""

from __future__ import annotations

import pytest

from mcg.config import load_config
from mcg.convert.config import InitSource
from mcg.convert.families import FAMILIES
from shards.base.errors import ConfigError

DEMO = "configs/demo/pt.yaml"


def test_configs_name_sources_and_kinds() -> None:
    config = load_config(DEMO, ["init=[{path: bert-base-uncased, kind: bert, parts: [text]}]"])
    assert config.init == (InitSource(path="bert-base-uncased", kind="bert", parts=("text",)),)


@pytest.mark.parametrize("kind", ["auto", *FAMILIES])
def test_every_family_is_a_kind(kind: str) -> None:
    assert InitSource(path="a.pt", kind=kind).kind == kind


def test_another_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"init\[0\]\.kind: Input should be 'auto', 'mcg', .* or '\w+', found 'brt'"):
        load_config(DEMO, ["init=[{path: a.pt, kind: brt}]"])
