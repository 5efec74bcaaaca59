"""Converts a released state dict to the weights of one of our models, with an account of every key.

Values are checked: floating point, finite, and equal where two keys are one weight. What a system's weights are called
and how they are resized is data of its families (rules.py); no model is named here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from mcg.convert.account import Conversion, Entry, Status
from mcg.convert.families import FAMILIES, TARGETS
from mcg.convert.reading import Released
from mcg.convert.resize import fit
from mcg.convert.rules import ConvertError, Family, Part, Section, Shapes, Target


def detect(released: Released, target: Target | None = None) -> Family:
    """The family of a checkpoint, by its keys; of those that become `target` where one is given. Raises
    ConvertError."""
    fitting = [family for family in FAMILIES.values() if family.fits(released.state, released.wrapper)]
    for family in fitting:
        if target in (None, family.target):
            return family
    if fitting:
        raise ConvertError(f"{released.file}: {_other_model(fitting[0])}")
    some = ", ".join(list(released.state)[:3])
    ours = any(target.sign in released.state for target in TARGETS.values())
    remedy = " It looks like one of ours: give its folder to init_from." if ours else ""
    raise ConvertError(
        f"{released.file}: of no known kind ({len(released.state)} keys, e.g. {some}); known kinds: "
        f"{', '.join(FAMILIES)}.{remedy}"
    )


def convert(
    state: dict[str, Tensor],
    family: Family,
    build: Callable[[Any], nn.Module],
    config: Any = None,
    parts: Collection[Part] | None = None,
) -> Conversion:
    """Our weights from a released state dict, with the account of every key.

    build: makes the model of a config; it is asked for names and shapes alone, on the meta device. config: of the model
    to convert for; None: of the one that the checkpoint was made for. parts: those that are wanted; None is all. Raises
    ConvertError for sizes and values that do not fit.
    """
    target = family.target
    if config is not None and TARGETS[config.name] is not target:
        raise ConvertError(_other_model(family))
    named = {key: _named(family, key, tensor) for key, tensor in state.items()}
    found = {name: part for names in named.values() for name, part in (names or {}).items()}
    shapes = {name: tuple(part.shape) for name, part in found.items()}
    if config is None:
        config = _derived(family, shapes)
    else:
        target.compare({n: s for n, s in shapes.items() if _is_wanted(target, n, parts)}, config)
    own, same = _own_weights(build, config)
    sources: dict[str, str] = {}
    given: dict[str, Tensor] = {}
    entries = []
    for key in sorted(state):
        names = named[key]
        shape = tuple(state[key].shape)
        if names is None:
            entries.append(Entry(key, "unexpected", shape))
            continue
        if not names:
            entries.append(Entry(key, "dropped", shape, note=_reason(family, key)))
            continue
        wanted = [name for name in names if _is_wanted(target, name, parts)]
        kept = [name for name in wanted if name in same]
        if not kept:
            lacking = _absent(target, wanted, own) if wanted else "not asked for"
            entries.append(Entry(key, "dropped" if lacking else "unexpected", shape, note=lacking))
            continue
        notes: list[str] = []
        became = []
        for name in kept:
            weight = same[name]
            there = tuple(names[name].shape)
            if there != own[weight] and target.of_their_task and re.fullmatch(target.of_their_task, weight):
                notes.append(f"{weight} stays as it was drawn: {there} there, {own[weight]} here")
                continue
            made, note = fit(weight, _checked(key, names[name]), own[weight], target.resizes)
            if sources.get(weight) == key:
                continue  # two of its names are one weight in this model
            if weight in sources:
                _compare(key, sources[weight], made, given[weight])
                notes.append(f"the same weight as {sources[weight]}")
            else:
                sources[weight], given[weight] = key, made
                became.append(weight)
                notes += [note] if note else []
        status: Status = "used" if became else "dropped"
        entries.append(Entry(key, status, shape, tuple(became), "; ".join(dict.fromkeys(notes))))
    entries += _fill(family, own, given, found, parts)
    return Conversion(family, config, given, tuple(entries))


def _other_model(family: Family) -> str:
    names = [name for name, target in TARGETS.items() if target is family.target]
    return f"{family.title} is for a model of model.name {', '.join(names)}, which this config's is not"


def _named(family: Family, key: str, tensor: Tensor) -> dict[str, Tensor] | None:
    """What a key becomes, by our names; None where no rule is about it."""
    rule = next((rule for rule in family.rules if rule.apply(key) is not None), None)
    return None if rule is None else rule.weights(key, tensor)


def _reason(family: Family, key: str) -> str:
    return next(rule.reason for rule in family.rules if rule.apply(key) is not None)


def _derived(family: Family, shapes: Shapes) -> Any:
    try:
        return family.derive(shapes)
    except ConvertError as error:
        raise ConvertError(f"{family.title}: {error}") from error


def _is_wanted(target: Target, name: str, parts: Collection[Part] | None) -> bool:
    return parts is None or _section(target, name).part in parts


def _section(target: Target, name: str) -> Section:
    section = target.section(name)
    assert section is not None, f"{name} is in no section of the model"
    return section


def _absent(target: Target, names: Iterable[str], own: Shapes) -> str:
    """The reason for which the model has none of these weights; "" if it has the section of one of them."""
    section = None
    for name in names:
        section = target.section(name)
        if section is None or any(target.section(other) is section for other in own):
            return ""
    return "" if section is None else f"the model has {section.absence}"


def _own_weights(build: Callable[[Any], nn.Module], config: Any) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """(shapes of the model's weights, each once; every name of a weight -> the name that it is kept under)."""
    with torch.device("meta"):
        model = build(config)
    first: dict[int, str] = {}
    same = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        same[name] = first.setdefault(id(parameter), name)
    return {name: tuple(model.get_parameter(name).shape) for name in first.values()}, same


def _checked(key: str, tensor: Tensor) -> Tensor:
    """The tensor in fp32, a copy of its own. Raises ConvertError for values that are no weights."""
    if not tensor.is_floating_point():
        raise ConvertError(f"{key}: holds {tensor.dtype}, expected floating point")
    made = tensor.detach().to(torch.float32, copy=True).contiguous()
    if not made.is_meta and not bool(made.isfinite().all()):
        broken = int((~made.isfinite()).sum())
        raise ConvertError(f"{key}: {broken} of its {made.numel()} values are nan or infinite")
    return made


def _compare(key: str, other: str, made: Tensor, given: Tensor) -> None:
    if not made.is_meta and not torch.equal(made, given):
        raise ConvertError(
            f"{key} and {other} are one weight in this model, and their values differ; for a head for masked words "
            "with weights of its own set model.text.token_head: untied"
        )


def _fill(
    family: Family,
    own: dict[str, tuple[int, ...]],
    given: dict[str, Tensor],
    found: dict[str, Tensor],
    parts: Collection[Part] | None,
) -> list[Entry]:
    """Account for our weights that no key gave, and set those that begin at zero or as a copy."""
    target = family.target
    present = [section for name in found if (section := target.section(name)) is not None]
    entries = []
    for name, shape in own.items():
        if name in given or not _is_wanted(target, name, parts):
            continue
        fill = next((fill for fill in family.fills if re.fullmatch(fill.target, name)), None)
        is_present = _section(target, name) in present
        if fill is not None and (fill.value == "fresh" or is_present):
            if fill.value == "zeros":
                device = next(iter(given.values())).device if given else None
                given[name] = torch.zeros(shape, device=device)
            entries.append(Entry(name, "missing", shape, note=f"{fill.value}: {fill.reason}"))
        elif not is_present and (source := _beginning(family, name, own, found)) is not None:
            given[name], note = fit(name, _checked(source, found[source]), shape, target.resizes)
            entries.append(Entry(name, "missing", shape, note="; ".join(filter(None, (f"begins as {source}", note)))))
        elif not is_present and not name.startswith(family.needs):
            entries.append(Entry(name, "missing", shape, note=f"fresh: {family.title} has none"))
        else:
            entries.append(Entry(name, "missing", shape))
    return entries


def _beginning(family: Family, name: str, own: Shapes, found: dict[str, Tensor]) -> str | None:
    """The weight that this one begins as a copy of: one of the same widths, of more or fewer rows."""
    source = None if family.begins is None else family.begins(name, own)
    if source is None or source not in found:
        return None
    there, shape = tuple(found[source].shape), own[name]
    return source if there == shape or (len(shape) > 1 and there[1:] == shape[1:]) else None
