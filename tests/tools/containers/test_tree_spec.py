"""Leaves of a tree are named by their paths, and trees that do not fit are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.containers.tree_spec import leaf_names
from tools.rows import AnnotationError

LEAF = {"type": None, "context": None, "children_spec": []}


def tree(kind: str, context: str | None, *children: object) -> dict[str, object]:
    return {"type": kind, "context": context, "children_spec": list(children)}


def test_names_are_paths() -> None:
    inner = tree("builtins.list", None, LEAF, LEAF)
    spec = json.dumps([1, tree("builtins.dict", '["a", "b"]', LEAF, inner)])
    assert leaf_names(spec, 3, Path("i")) == ["a", "b.0", "b.1"]
    assert leaf_names(None, 2, Path("i")) == ["0", "1"]
    assert leaf_names(json.dumps([1, LEAF]), 1, Path("i")) == ["0"]


@pytest.mark.parametrize(
    "spec",
    [
        "{",
        "[1]",
        "[1, 3]",
        '[1, {"type": "x"}]',
        json.dumps([2, LEAF]),
        json.dumps([1, tree("d", '["a", "a"]', LEAF, LEAF)]),
    ],
)
def test_trees_that_do_not_fit_are_refused(spec: str) -> None:
    with pytest.raises(AnnotationError, match=r"i: data_spec .*write the\s+index again"):
        leaf_names(spec, 1, Path("i"))
