"""Commands with options that are known only when the program runs: those of a dataset, and those of a media profile."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any


def with_options(command: Callable[..., None], **groups: Sequence[inspect.Parameter]) -> Callable[..., None]:
    """A command in which each named parameter, a dict, stands for several options.

    typer sees the options in its place; the dict holds those that were given.
    """
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        parameters += groups.get(parameter.name, [parameter])

    def spread(**values: Any) -> None:
        taken = {
            name: {option.name: value for option in options if (value := values.pop(option.name)) is not None}
            for name, options in groups.items()
        }
        command(**taken, **values)

    keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    spread.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
    spread.__annotations__ = {parameter.name: parameter.annotation for parameter in keyword_only}
    spread.__doc__ = inspect.getdoc(command)
    return spread
