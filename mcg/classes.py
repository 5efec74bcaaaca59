"""Classes that configs name, imported when they are built.

A config imports no torch, and the class that it configures does; so the config names the class as "module:Class".
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load_class(place: str) -> Any:
    """The class at "module:Class"."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
