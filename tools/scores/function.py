"""A Python function of the user as a scorer: `--scorer module:function`.

The function gets frames (uint8 (T, H, W, 3), RGB), the text records of the sample (a list of dicts) and its MediaFacts,
and returns a number, a text, None, or a dict of them by column. A lone value has the column of the function's name.
What it raises is the reason why its sample has nulls. The module is found as `import` finds it, and in the folder where
the command runs. It is code that the user names; nothing from data is ever imported.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

from tools.rows import OptionError


def find_function(name: str) -> Callable[..., Any]:
    """The function `module:function`. Raises OptionError."""
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise OptionError(f"--scorer {name}: a function is given as module:function")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise OptionError(
            f"--scorer {name}: the module {module_name} cannot be imported ({what}); check its name and its own "
            "imports, and run the command in its folder or set PYTHONPATH"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = ", ".join(sorted(name for name, value in vars(found).items() if _is_public(name, value))[:8])
            hint = f"; it has {known}" if known else ""
            raise OptionError(f"--scorer {name}: {module_name} has no {attribute}{hint}")
        found = getattr(found, part)
    if not callable(found):
        raise OptionError(f"--scorer {name}: is a {type(found).__name__}, not a function")
    _check_parameters(name, found)
    return found


def source_digest(function: Callable[..., Any]) -> str:
    """16 hexadecimal digits over the file that holds the function, so that no run goes on with another version of it;
    empty where there is no file."""
    try:
        path = inspect.getsourcefile(function)
        if path is None:
            return ""
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()[:16]
    except (TypeError, OSError):
        return ""


def _is_public(name: str, value: Any) -> bool:
    return not name.startswith("_") and inspect.isfunction(value)


def _check_parameters(name: str, function: Callable[..., Any]) -> None:
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError as error:
        raise OptionError(
            f"--scorer {name}: takes other parameters ({error}); it is called with frames, records, facts"
        ) from error
    except ValueError:
        pass  # a function of C without a signature
