"""What a config says once for several of its sections, in all of them, and what follows from the model."""

from __future__ import annotations

from typing import Any

from mcg.compat import spread_compat
from mcg.model import MODELS
from mcg.model.config import ModelConfig


def spread(tree: dict[str, Any], use: str | None = None) -> dict[str, Any]:
    """A tree of one use: task and objectives follow the model, sections have `compat`, loaders seed and mode,
    wherever the user wrote none. use: its name, of several. Sections that are no mappings are left for the validator to
    refuse."""
    section = tree.get("model")
    tree = _model_of(tree).adapted(section if isinstance(section, dict) else {}, tree, use)
    tree = spread_compat(tree, _model_of(tree).released)
    if not isinstance(data := tree.get("data"), dict):
        return tree
    spread = {
        split: {
            **({"seed": tree["seed"]} if "seed" in tree else {}),
            **({"mode": "eval"} if split in ("val", "test") else {}),
            **loader,
        }
        if isinstance(loader, dict)
        else loader
        for split, loader in data.items()
    }
    return {**tree, "data": spread}


def _model_of(tree: dict[str, Any]) -> type[ModelConfig]:
    """The class of the config that a tree has under `model`; without a known name it is the first of MODELS."""
    section = tree.get("model")
    name = section.get("name") if isinstance(section, dict) else None
    return MODELS.get(str(name), next(iter(MODELS.values())))
