"""Every letter that a tensor's name in mcg/ ends in is in the legend."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import mcg.shapes

MCG = Path(mcg.shapes.__file__).parent


def test_the_legend_knows_every_letter_in_use() -> None:
    legend = set(re.findall(r"(?:^|   )(\w)  \w", mcg.shapes.__doc__ or "", flags=re.MULTILINE))
    assert {"B", "T", "P", "L", "D"} <= legend
    unknown = []
    for file in sorted(MCG.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            name = node.arg if isinstance(node, ast.arg) else node.id if isinstance(node, ast.Name) else ""
            match = re.fullmatch(r"[a-z]\w*_([A-Z][A-Zdx1]*|x[A-Z]+)", name)
            if match and set(match[1]) - legend:
                unknown.append(f"{file.name}: {name}")
    assert not unknown, unknown
