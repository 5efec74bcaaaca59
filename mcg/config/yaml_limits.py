"""Limits of config files: a file that would expand far beyond a page is refused before it is expanded.

An alias of YAML stands for all that its anchor holds, and `${a}${a}` for twice the text of a: thirty lines of either
fill any memory. Promises: a file that passes has at most MAX_BYTES, MAX_NODES nodes with its aliases expanded,
MAX_DEPTH levels, and MAX_TEXT characters with its interpolations resolved. Knows nothing of what the keys mean.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_NODES = 100_000
MAX_DEPTH = 50
MAX_TEXT = 10_000_000
_NESTED = 8
"""Interpolations inside interpolations that a config may have: where they lead is known only when they are resolved."""
_PATH = re.compile(r"[\w.\[\]-]+")


def check_yaml(text: str) -> None:
    """Raise ValueError for a text that expands too far when it is loaded, yaml.YAMLError for one that is no YAML."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"has {len(text)} characters, a config has at most {MAX_BYTES}")
    sizes: dict[str, int] = {}
    open_nodes: list[list[Any]] = []  # [anchor, nodes inside]

    def add(nodes: int) -> None:
        if open_nodes:
            open_nodes[-1][1] += nodes
        if nodes > MAX_NODES or (open_nodes and open_nodes[-1][1] > MAX_NODES):
            raise ValueError(f"stands for more than {MAX_NODES} values (aliases of aliases)")

    for event in yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append([event.anchor, 1])
            if len(open_nodes) > MAX_DEPTH:
                raise ValueError(f"is nested more than {MAX_DEPTH} deep (line {event.start_mark.line + 1})")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, nodes = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = nodes
            add(nodes)
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise ValueError(f"holds itself (alias *{event.anchor}, line {event.start_mark.line + 1})")
            add(sizes.get(event.anchor, 1))
        elif isinstance(event, yaml.ScalarEvent):
            if event.anchor is not None:
                sizes[event.anchor] = 1
            add(1)


def check_interpolations(tree: Any) -> None:
    """Raise ValueError for a tree whose resolved interpolations would be too long."""
    texts: dict[str, str] = {}
    below: dict[str, list[str]] = {}
    _collect("", tree, texts, below)
    nested = sum(len(re.findall(r"\$\{[^}]*\$\{", text)) for text in texts.values())
    if nested > _NESTED:
        raise ValueError(f"has {nested} interpolations inside interpolations, at most {_NESTED} are allowed")
    sizes: dict[str, int] = {}
    for path in below:
        if _size(path, texts, below, sizes, 0) > MAX_TEXT:
            raise ValueError(f"{path or 'the config'} stands for more than {MAX_TEXT} characters (interpolations)")


def _collect(path: str, node: Any, texts: dict[str, str], below: dict[str, list[str]]) -> None:
    below[path] = []
    if isinstance(node, dict | list):
        for name, value in node.items() if isinstance(node, dict) else enumerate(node):
            inner = f"{path}.{name}" if path else str(name)
            below[path].append(inner)
            _collect(inner, value, texts, below)
    else:
        texts[path] = str(node)


def _size(path: str, texts: dict[str, str], below: dict[str, list[str]], sizes: dict[str, int], depth: int) -> int:
    """Characters of a resolved node; a reference to itself is counted once, and is refused by OmegaConf later."""
    if path in sizes or depth > 200:
        return sizes.get(path, 0)
    sizes[path] = 0
    text = texts.get(path, "")
    size = len(text)
    for expression in re.findall(r"\$\{([^{}]*)", text):
        for name in _PATH.findall(expression):
            target = _absolute(name, path)
            if target in below:
                size += _size(target, texts, below, sizes, depth + 1)
    size += sum(_size(inner, texts, below, sizes, depth + 1) for inner in below[path])
    sizes[path] = min(size, 2 * MAX_TEXT)
    return sizes[path]


def _absolute(name: str, path: str) -> str:
    """The path that an interpolation names; each leading dot goes one level up."""
    place = path
    relative = name.startswith(".")
    while name.startswith("."):
        name, place = name[1:], place.rpartition(".")[0]
    name = re.sub(r"\[(\w+)\]", r".\1", name)
    return f"{place}.{name}" if relative and place else name
