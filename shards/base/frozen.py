"""Frozen: the base of config models, with no unknown fields, whose faults are explained in full.

Promises: a fault names the dotted path, the value, what is allowed, and for a misspelt name the nearest known one, in
the same words for a config made in Python and for a section of a file.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from shards.base.errors import ConfigError
from shards.base.redact import shown


class Frozen(BaseModel):
    """A config model. Making one raises ConfigError."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(*explain(error, type(self), type(self).__name__)) from error

    # pydantic's own mark for an __init__ that only validates: inside another model it is not called, so that the outer
    # one reports the fault with the whole path.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise ConfigError(*explain(error, cls, cls.__name__)) from error


def explain(
    error: ValidationError, model: type[BaseModel], place: str, expressions: Mapping[str, str] | None = None
) -> list[str]:
    """The faults of a config of this model, a line for each (a misspelt name has a second line with the hint).

    place: what each line begins with, a file or the name of the model. expressions: what to show in place of the values
    at these dotted paths and below.
    """
    faults = error.errors()
    inner = {fault["loc"][:length] for fault in faults for length in range(len(fault["loc"]))}
    # pydantic counts a list whose entries are at fault as too short as well, which is no fault of its own
    told = [fault for fault in faults if fault["type"] != "too_short" or fault["loc"] not in inner]
    return [line for fault in told for line in _explain(fault, model, place, expressions or {})]


def _explain(fault: Any, root: type[BaseModel], place: str, expressions: Mapping[str, str]) -> list[str]:
    where, model = _walk(fault["loc"], root)
    at = f"{place}: {where}" if where else place
    tag = f"{where}.name" if fault["type"] == "union_tag_invalid" else where
    written = next((path for path in expressions if tag == path or tag.startswith((f"{path}.", f"{path}["))), None)
    if written is not None:
        # Messages of pydantic itself do not hold the value; those of our own checks may quote it.
        is_own = fault["type"] in ("value_error", "extra_forbidden", "union_tag_invalid", "missing")
        what = "cannot be used; its value is not shown" if is_own else fault["msg"]
        return [f"{place}: {written}: {what}, found {expressions[written]!r}"]
    if fault["type"] == "extra_forbidden":
        known = sorted(model.model_fields) if model else []
        near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"known fields: {', '.join(known)}"
        return [f"{at}: unknown field", f"  {hint}"]
    if fault["type"] == "missing":
        return [f"{at}: missing, and it has no default"]
    if fault["type"] == "union_tag_invalid":
        known, tag = fault["ctx"]["expected_tags"], fault["ctx"]["tag"]
        return [f"{at}.name: {tag!r} is unknown; choose one of {known}"]
    if fault["type"] == "union_tag_not_found":
        return [f"{at}.name: missing, and it has no default"]
    message = str(fault["msg"]).removeprefix("Value error, ")
    found = shown(fault["input"]) if isinstance(fault["input"], str) else fault["input"]
    ending = "" if isinstance(found, dict | list | BaseModel) else f", found {found!r}"
    return [f"{at}: {message}{ending}"]


def _walk(loc: Sequence[str | int], root: type[BaseModel]) -> tuple[str, Any]:
    """(dotted path, model that the last name belongs to); tags of unions are not in the path."""
    kind: Any = root
    path = ""
    model: Any = root
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
            kind = _models_in(kind)
            continue
        if get_origin(kind) is dict:
            path += f".{step}" if step.isidentifier() else f"[{step!r}]"
            kind = get_args(kind)[1]
            continue
        models = _models_in(kind)
        tagged = [m for m in models if "name" in m.model_fields and step in get_args(m.model_fields["name"].annotation)]
        if len(models) > 1 and tagged:
            kind = tagged
            continue
        model = models[0] if models else None
        path += ("." if path else "") + step
        kind = model.model_fields[step].annotation if model and step in model.model_fields else []
    return path, model


def _models_in(kind: Any) -> list[Any]:
    """The pydantic models inside an annotation."""
    if isinstance(kind, list):
        return kind
    return list(_flatten(kind))


def _flatten(kind: Any) -> Iterator[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    elif get_origin(kind) in (Union, UnionType, Annotated, tuple, list, dict):
        for inner in get_args(kind):
            yield from _flatten(inner)
