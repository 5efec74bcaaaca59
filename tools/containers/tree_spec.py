"""Names for the leaves of an item of LitData, from the tree that its index describes.

The tree is json, as torch.utils._pytree writes it: [1, {"type", "context", "children_spec"}], where the context of a
dict is the json of its keys. Nested names are joined by dots; entries of lists are named by their numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shards.base import load_json
from tools.rows import AnnotationError


def leaf_names(spec: Any, count: int, index: Path) -> list[str]:
    """The names of `count` leaves. spec: the text of the tree; None: leaves are numbered. index: for messages.

    Raises AnnotationError.
    """
    if spec is None:
        return [str(number) for number in range(count)]
    try:
        version, tree = load_json(spec) if isinstance(spec, str) else spec
        names = list(_leaves(tree, ""))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise AnnotationError(
            f"{index}: data_spec cannot be read ({type(error).__name__}: {error}); write the index again"
        ) from error
    if len(names) != count or len(set(names)) != count or version != 1:
        raise AnnotationError(
            f"{index}: data_spec names {len(names)} leaves ({', '.join(names)[:200]}), data_format {count}; write the "
            "index again"
        )
    return names


def _leaves(node: dict[str, Any], path: str) -> Iterator[str]:
    if node["type"] is None:
        yield path or "0"
        return
    context, children = node["context"], node["children_spec"]
    keys = json.loads(context) if isinstance(context, str) else context
    if not isinstance(keys, list) or len(keys) != len(children):
        keys = range(len(children))
    for key, child in zip(keys, children, strict=True):
        yield from _leaves(child, f"{path}.{key}" if path else str(key))
