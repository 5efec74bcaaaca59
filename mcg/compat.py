"""One key, `compat: released`, brings back the bugs of a system's release, all together; by default they are corrected.

The key stands at the top of a config and reaches the model, the objectives and the task, as the seed reaches the
loaders. What follows from it is the system's own (`released` of a model's config) and is listed in a table of
docs/<system>.md. It fills in what the config does not say: what is written there stands. It is for reproducing
published numbers and for continuing runs of released code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

Compat = Literal["corrected", "released"]


def spread_compat(values: dict[str, Any], released: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """A config tree in which `compat` has reached the sections that have such a key, and what follows from it is filled
    in.

    released: of the model's config; takes such a tree, and adds what the user did not write. Sections that are not
    mappings are left for the validator to refuse.
    """
    values = dict(values)
    if "compat" in values:
        for name in ("model", "objectives", "task"):
            section = values.get(name, {})
            if isinstance(section, dict):
                values[name] = {"compat": values["compat"], **section}
    return released(values)
