"""The base of configs that build a class: a model, a task, an objective.

A config imports no torch, and the class that it configures does; so the config names the class as "module:Class", and
the module is imported when the class is built.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from shards.base import no_garbage_collection


class ClassConfig(BaseModel):
    """A config that names the class which it configures. A subclass says in `build` what else the class is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    builds: ClassVar[str]
    """The class, as "module:Class"."""

    @classmethod
    def load_class(cls) -> Any:
        """The class that `builds` names."""
        module, _, name = cls.builds.partition(":")
        with no_garbage_collection():
            return getattr(import_module(module), name)
