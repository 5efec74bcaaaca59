"""The commands and examples of a page, so that a test runs what is written there."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise


def commands(text: str) -> list[str]:
    """The lines of its fences of sh, continued lines joined."""
    fences = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for fence in fences for line in fence.replace("\\\n", " ").splitlines() if line.strip()]


def python_lines(text: str, module: str) -> str:
    """The fence of python that imports a module."""
    (found,) = (
        fence for fence in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) if f"from {module} " in fence
    )
    return found


def options(command: str) -> dict[str, str]:
    """Its options with a value: {"out": "data/webvid"}."""
    words = shlex.split(command, comments=True)
    return {word[2:].replace("-", "_"): value for word, value in pairwise(words) if word.startswith("--")}
