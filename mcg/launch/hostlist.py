"""The lists of hosts that Slurm writes, such as node[01-04,7],gpu3: expanded without asking scontrol.

Promises: the hosts in Slurm's order, leading zeros kept, several brackets in a name multiplied out from the left.
"""

from __future__ import annotations

import re

MOST_HOSTS = 100_000
"""A longer list is taken for a mistake."""
_NAME = re.compile(r"(?:[^\[\],\s]|\[[^\[\]]*\])+")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


def expand_hosts(text: str) -> list[str]:
    """The hosts of a list. Raises ValueError for text that is none."""
    hosts: list[str] = []
    end = 0
    for name in _NAME.finditer(text):
        if text[end : name.start()] != ("," if hosts else ""):
            break
        hosts += _expand_name(name[0], text)
        end = name.end()
    if not hosts or end != len(text):
        raise ValueError(f"{text!r} is no list of hosts such as node[01-04,7],gpu3")
    return hosts


def _expand_name(name: str, text: str) -> list[str]:
    head, *rest = _BRACKET.split(name)  # text, inside of a bracket, text, inside of a bracket, ...
    hosts = [head]
    for inside, after in zip(rest[::2], rest[1::2], strict=True):
        numbers = [number for part in inside.split(",") for number in _expand_range(part, text)]
        if len(hosts) * len(numbers) > MOST_HOSTS:
            raise ValueError(f"{text!r} names more than {MOST_HOSTS} hosts")
        hosts = [f"{host}{number}{after}" for host in hosts for number in numbers]
    return hosts


def _expand_range(part: str, text: str) -> list[str]:
    found = _RANGE.fullmatch(part)
    if found is None:
        raise ValueError(f"{text!r}: [{part}] is no number and no range such as 01-04")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 0 <= last - first < MOST_HOSTS:
        raise ValueError(f"{text!r}: {part} is no range from a smaller number to a larger one")
    return [str(number).zfill(len(found[1])) for number in range(first, last + 1)]
