"""docs/config.md is what the config classes say, and leaves nothing out."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel

from mcg.config import RunConfig
from mcg.config.reference import reference
from shards.base.frozen import Frozen

ROOT = Path(__file__).resolve().parents[3]


def _classes(found: type[BaseModel], seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """A config class with those that its settings are of, found in the annotations and not in the schema."""
    if found not in seen:
        seen.add(found)
        for field in found.model_fields.values():
            pending = [field.annotation]
            while pending:
                kind = pending.pop()
                pending += getattr(kind, "__args__", ())
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    _classes(kind, seen)
    return seen


def test_the_page_is_what_the_classes_say() -> None:
    assert (ROOT / "docs" / "config.md").read_text() == reference(), "python -m mcg.config reference > docs/config.md"


def test_every_setting_of_every_class_stands_on_it_with_what_it_does() -> None:
    page = reference()
    classes = _classes(RunConfig, set())
    assert len(classes) >= 25 and any(issubclass(found, Frozen) for found in classes)
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    for found in classes:
        for name, field in found.model_fields.items():
            told = re.sub(r"\s+", " ", field.description or "")
            assert told, f"{found.__name__}.{name} has no docstring"
            wanted = told.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
            assert any(line.startswith(f"| `{name}` |") and wanted in line for line in lines), (found, name)


def test_every_link_leads_to_a_section() -> None:
    page = reference()
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert len(anchors) == len(headings)
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) == anchors - {"the-sections-of-a-file"}


def test_values_and_defaults_are_told_in_words() -> None:
    page = reference()
    assert "| `zero_stage` | `0` or `1` or `2` or `3` | `1` |" in page
    assert "| `batch_size` | whole number (≥ 1) | **needed** |" in page
    assert "| `betas` | \\[number, number] | `[0.9, 0.98]` |" in page
    assert "| `blend` | list of [`data.train.blend[]`](#datatrainblend) (≥ 1) | **needed** |" in page
