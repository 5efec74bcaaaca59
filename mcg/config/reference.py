"""docs/config.md: every setting with its type, its default and what it does, made from the config classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from mcg.config.schema import plain_schema

_HEAD = """# Every setting

Made from the config classes by `python -m mcg.config reference`; a test keeps it true. A config is a YAML file of these
sections; `a.b=c` on the command line overrides a setting, `${vars.name}` takes one of your own names, and
`${oc.env:NAME}` a variable of the environment, which is never written to a file. Editors complete and check a file that
begins with `# yaml-language-server: $schema=config.schema.json` (the path to [config.schema.json](config.schema.json)).

    python -m mcg.config ls                                   the configs, and what each is for
    python -m mcg.config show configs/demo/pt.yaml optim.lr=1e-4     all settings of a run, also those left out
    python -m mcg.config validate configs/*.yaml              what is wrong with each
"""
_MARKUP = str.maketrans({"|": "\\|", "<": "&lt;", "*": "\\*"})


@dataclass(frozen=True)
class _Section:
    """A class of settings, and where it stands: `data.train.blend[]`, or `task` with a name."""

    path: str
    name: str
    chosen: str | None = None
    """The value of `name` that chooses it, where there are several for the place."""
    within: str = ""
    """The choice that it is a part of, where parts of several choices stand at one place."""

    @property
    def title(self) -> str:
        return f"`{self.path}`" + (f" with `name: {self.chosen}`" if self.chosen else self.within)


def reference() -> str:
    """The page."""
    whole = plain_schema()
    seen: dict[str, _Section] = {}
    parts = [_HEAD]
    pending = [_Section("", "")]
    while pending:
        section = pending.pop(0)
        fields = whole if not section.name else whole["$defs"][section.name]
        if section.name:
            parts.append(f"\n## {section.title}\n\n{_text(fields.get('description', ''))}\n")
        else:
            parts.append("\n## The sections of a file\n")
        parts.append("\n| setting | values | default | |\n| --- | --- | --- | --- |\n")
        within: list[_Section] = []
        for name, value in fields["properties"].items():
            path = f"{section.path}.{name}".removeprefix(".")
            found = [made for made in _sections(value, path) if made.name not in seen]
            titles = {made.title for made in seen.values()}
            of = f" of {section.title}"
            found = [replace(made, within=of) if made.title in titles else made for made in found]
            seen |= {made.name: made for made in found}
            within += found
            required = name in fields.get("required", ())
            parts.append(
                f"| `{name}` | {_values(value, seen)} | {_default(value, required)} "
                f"| {_text(_described(value, whole['$defs']))} |\n"
            )
        pending = within + pending
    return "".join(parts)


def _sections(value: dict[str, Any], path: str) -> Iterator[_Section]:
    """The classes of settings that a value may be."""
    if "$ref" in value:
        yield _Section(path, value["$ref"].rpartition("/")[2])
    names = {target: chosen for chosen, target in value.get("discriminator", {}).get("mapping", {}).items()}
    for key in ("anyOf", "oneOf", "prefixItems"):
        for item in value.get(key, ()):
            if item.get("$ref") in names:
                yield _Section(path, item["$ref"].rpartition("/")[2], names[item["$ref"]])
            else:
                yield from _sections(item, path)
    for key, mark in (("items", "[]"), ("additionalProperties", ".NAME")):
        if isinstance(value.get(key), dict):
            yield from _sections(value[key], path + mark)


def _values(value: dict[str, Any], seen: dict[str, _Section]) -> str:
    """What a setting may be, in words."""
    if "$ref" in value:
        section = seen[value["$ref"].rpartition("/")[2]]
        return f"[{section.title}](#{_anchor(section)})"
    for key in ("anyOf", "oneOf"):
        if key in value:
            return " or ".join(dict.fromkeys(_values(item, seen) for item in value[key]))
    if "const" in value or "enum" in value:
        choices = value["enum"] if "enum" in value else [value["const"]]
        return " or ".join(f"`{_yaml(choice)}`" for choice in choices)
    kind = value.get("type")
    if kind == "array":
        if "prefixItems" in value:
            return f"\\[{', '.join(_values(item, seen) for item in value['prefixItems'])}]"
        return f"list of {_values(value['items'], seen)}" + _bounds(value, "minItems", "maxItems")
    if kind == "object":
        within = value.get("additionalProperties")
        return f"names, each with {_values(within, seen)}" if isinstance(within, dict) else "names with values"
    words = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "null": "`null`"}
    return words.get(str(kind), "text") + _bounds(value, "minimum", "maximum")


def _bounds(value: dict[str, Any], least: str, most: str) -> str:
    told = []
    for key, sign in (
        (least, "≥"),
        (f"exclusive{least.title()}", ">"),
        (most, "≤"),
        (f"exclusive{most.title()}", "<"),
    ):
        if key in value:
            told.append(f"{sign} {value[key]}")
    return f" ({', '.join(told)})".replace("<", "&lt;") if told else ""


def _default(value: dict[str, Any], required: bool) -> str:
    if required:
        return "**needed**"
    default = value.get("default")
    if isinstance(default, dict) and default:
        return "its defaults"
    return f"`{_yaml(default)}`" if "default" in value else "`{}`"


def _described(value: dict[str, Any], classes: dict[str, Any]) -> str:
    """What a setting does; pydantic leaves it out where its class says the same words."""
    named = classes.get(value.get("$ref", "").rpartition("/")[2], {})
    return str(value.get("description", named.get("description", "")))


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _anchor(section: _Section) -> str:
    """As GitHub makes it of a heading."""
    kept = (char for char in section.title.lower() if char.isalnum() or char in " -_")
    return "".join(kept).replace(" ", "-")


def _text(told: str) -> str:
    return told.translate(_MARKUP)
