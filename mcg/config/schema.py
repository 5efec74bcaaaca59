"""The JSON schema of config files, for editors: docs/config.schema.json.

Beyond what pydantic makes of the classes it admits an expression, `${...}`, at the place of any value. What depends on
several settings at once is not in it; `python -m mcg.config validate` checks that as well.
"""

from __future__ import annotations

import re
from typing import Any

from mcg.config.run_config import RunConfig

_EXPRESSION = {"type": "string", "pattern": r"\$\{"}
_PYTHON_ONLY = ("title", "gt", "ge", "lt", "le")
"""A title is the name once more; the others are pydantic's for bounds that JSON schema has no word for."""


def schema() -> dict[str, Any]:
    """The schema, draft 2020-12."""
    made: dict[str, Any] = _admit_expressions(plain_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def plain_schema() -> dict[str, Any]:
    """The schema of resolved configs."""
    whole = RunConfig.model_json_schema()
    made: dict[str, Any] = _cleaned(whole)
    return made


def _cleaned(node: Any) -> Any:
    if isinstance(node, list):
        return [_cleaned(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: value for key, value in node.items() if key not in _PYTHON_ONLY or isinstance(value, dict)}
    if isinstance(told := made.get("description"), str):
        made["description"] = re.sub(r"\s+", " ", told)
    return {key: value if key == "default" else _cleaned(value) for key, value in made.items()}


def _admit_expressions(node: Any) -> Any:
    """Every value under `properties`, `items` and the like may as well be an expression."""
    if not isinstance(node, dict):
        return node
    made = dict(node)
    for key in ("properties", "$defs"):
        if isinstance(node.get(key), dict):
            within = {name: _admit_expressions(value) for name, value in node[key].items()}
            made[key] = within if key == "$defs" else {name: _or_expression(value) for name, value in within.items()}
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            made[key] = _or_expression(_admit_expressions(node[key]))
    if "prefixItems" in node:
        made["prefixItems"] = [_or_expression(item) for item in node["prefixItems"]]
    for key in ("anyOf", "oneOf"):
        if key in node:
            made[key] = [_admit_expressions(item) for item in node[key]]
    return made


def _or_expression(value: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {key: value[key] for key in ("description", "default") if key in value}
    return {**told, "anyOf": [{key: item for key, item in value.items() if key not in told}, _EXPRESSION]}
