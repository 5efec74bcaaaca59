"""A config that would grow beyond a page is refused before it grows, and every config of ours passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mcg.config import read_yaml
from mcg.config.yaml_limits import check_interpolations, check_yaml
from shards.base.errors import ConfigError
from tests.shards.test_safety import little_memory

ROOT = Path(__file__).resolve().parents[3]
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
DOUBLING = "a0: xxxxxxxxxxxxxxxx\n" + "".join(f"a{n}: ${{a{n - 1}}}${{a{n - 1}}}\n" for n in range(1, 40))
BACKWARDS = "".join(f"a{n}: ${{a{n - 1}}}${{.a{n - 1}}}\n" for n in range(40, 0, -1)) + "a0: xxxxxxxxxxxxxxxx\n"
LISTS = "a0: [x, x]\n" + "".join(f"a{n}: [ '${{a{n - 1}}}', '${{a{n - 1}}}' ]\n" for n in range(1, 40))
NESTED = "n: {a: b}\n" + "".join(f"a{n}: ${{n.${{n.a}}}}\n" for n in range(20))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LAUGHS, "stands for more than 100000 values"),
        (DOUBLING, "stands for more than 10000000 characters"),
        (BACKWARDS, "stands for more than 10000000 characters"),
        (LISTS, "stands for more than 10000000 characters"),
        (NESTED, "20 interpolations inside interpolations"),
        ("a: " + "[" * 3000 + "]" * 3000, "is nested more than 50 deep (line 1)"),
        ("".join("  " * n + "a:\n" for n in range(300)), "is nested more than 50 deep"),
        ("a: &a [*a]", "holds itself (alias *a, line 1)"),
        ("a: [" + "1, " * 120_000 + "1]", "stands for more than 100000 values"),
        ("a: " + "x" * (1 << 20), "has 1048579 characters"),
        ("a: [1", "not valid YAML"),
    ],
    ids=["laughs", "doubling", "backwards", "lists", "nested", "deep", "deep-blocks", "self", "many", "long", "broken"],
)
def test_what_grows_is_refused_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with little_memory(), pytest.raises(ConfigError) as caught:
        read_yaml(file)
    assert str(caught.value).startswith(f"{file}: ") and reason in str(caught.value)
    assert len(str(caught.value)) < 2100 and str(caught.value).isprintable()


def test_an_override_is_bound_likewise() -> None:
    with pytest.raises(ConfigError, match="is nested more than 50 deep"):
        read_yaml(ROOT / "configs/demo/pt.yaml", ["vars.data=" + "[" * 3000 + "]" * 3000])


@pytest.mark.parametrize("file", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda file: str(file.name))
def test_configs_of_ours_pass(file: Path) -> None:
    check_yaml(file.read_text())
    check_interpolations(OmegaConf.to_container(OmegaConf.load(file)))
