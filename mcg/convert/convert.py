"""From a released state dict to ours, with an account of every key.

Each key of the source ends as used, dropped (with the reason) or unexpected; each weight of our model that nothing
gives ends as missing, with the reason where that is right (the source has no such part, or the family never had it).
What is unexpected, or missing without a reason, stops a strict conversion. Values are checked: floating point, finite,
and equal where two keys are one weight.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from mcg.convert import FAMILIES
from mcg.convert.derive import Shapes, compare_sizes, derive_config
from mcg.convert.reading import Released
from mcg.convert.resize import ADDED, WORDS, fit
from mcg.convert.rules import ConvertError, Family
from mcg.model.config import MCGConfig
from mcg.model.mcg import MCG

Status = Literal["used", "dropped", "missing", "unexpected"]
Part = Literal["vision", "text", "decoder", "heads"]
_PARTS: tuple[tuple[str, Part, str], ...] = (
    (r"vision\..+", "vision", "no visual encoder"),
    (r"vision_proj\..+", "vision", "no projection of videos"),
    (r"text\.predictions\..+", "text", "no head for masked words (model.text.token_head)"),
    (
        r"text\.bert\.encoder\.layer\.\d+\.crossattention\..+",
        "text",
        "no cross-attention in its fusion (model.text.fusion)",
    ),
    (r"text\..+", "text", "no text encoder"),
    (r"text_proj\..+", "text", "no projection of texts"),
    (r"decoder\..+", "decoder", "no decoder (model.text.num_decoder_layers)"),
    (r"itm_head\..+", "heads", "no head for matching (model.matching_head)"),
    (r"classifier\..+", "heads", "no classifier (model.num_classes)"),
    (r"temp", "heads", "no temperature"),
)
"""Parts of a model by our names: what they belong to, and how their absence is told. The first match counts."""


@dataclass(frozen=True)
class Entry:
    """One line of the account. key: theirs, or ours where it is missing; shape as it came; ours: names it became."""

    key: str
    status: Status
    shape: tuple[int, ...]
    ours: tuple[str, ...] = ()
    note: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether it stops a strict conversion."""
        return self.status == "unexpected" or (self.status == "missing" and not self.note)


@dataclass(frozen=True)
class Conversion:
    """state: our weights by name, those alone that the source gave or a rule fills; config: the model they are for."""

    family: Family
    config: MCGConfig
    vocab_size: int
    state: dict[str, Tensor]
    entries: tuple[Entry, ...]

    def counts(self) -> dict[str, int]:
        """Keys by status."""
        found = Counter(entry.status for entry in self.entries)
        return {status: found[status] for status in ("used", "dropped", "missing", "unexpected")}

    def noting(self, beside: Mapping[str, str]) -> Conversion:
        """The same with what stood among the weights and is none, by name: it is dropped."""
        noted = (Entry(key, "dropped", (), note=f"no weight: {kind}") for key, kind in beside.items())
        return dataclasses.replace(self, entries=(*self.entries, *noted))

    def check(self, where: str) -> None:
        """Raises ConvertError if a key is unexpected or missing without a reason."""
        faults = [entry for entry in self.entries if entry.is_fault]
        if faults:
            told = "; ".join(f"{entry.key} is {entry.status}" for entry in faults[:3])
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            raise ConvertError(
                f"{where}: read as {self.family.title}, {len(faults)} keys are not accounted for: {told}{more}. Name "
                "another kind, or be lenient (--lenient, lenient: true) to go on without them"
            )


def detect(released: Released) -> Family:
    """The family of a checkpoint, by its keys. Raises ConvertError."""
    for family in FAMILIES.values():
        if family.fits(released.state, released.wrapper):
            return family
    some = ", ".join(list(released.state)[:3])
    ours = "vision.cls_token" in released.state
    remedy = " It looks like one of ours: give its folder to init_from." if ours else ""
    raise ConvertError(
        f"{released.file}: of no known kind ({len(released.state)} keys, e.g. {some}); known kinds: "
        f"{', '.join(FAMILIES)}.{remedy}"
    )


def convert(
    state: dict[str, Tensor],
    family: Family,
    config: MCGConfig | None = None,
    vocab_size: int = WORDS + ADDED,
    parts: Collection[Part] | None = None,
) -> Conversion:
    """config: the model to convert for; None: the one that the checkpoint was made for. vocab_size: entries of its
    vocabulary. parts: those that are wanted; None is all. Raises ConvertError for sizes and values that do not fit."""
    named = {key: _targets(family, key) for key in state}
    shapes = {name: tuple(state[key].shape) for key, names in named.items() for name in names or ()}
    if config is None:
        config = derive_config(family, shapes)
    else:
        compare_sizes({n: s for n, s in shapes.items() if parts is None or _part(n)[0] in parts}, config)
    own, same = _own_weights(config, vocab_size)
    sources: dict[str, str] = {}
    given: dict[str, Tensor] = {}
    entries = []
    for key in sorted(state):
        names = named[key]
        tensor = state[key]
        shape = tuple(tensor.shape)
        if names is None:
            entries.append(Entry(key, "unexpected", shape))
            continue
        if not names:
            entries.append(Entry(key, "dropped", shape, note=_reason(family, key)))
            continue
        wanted = [name for name in names if parts is None or _part(name)[0] in parts]
        kept = [name for name in wanted if name in same]
        if not kept:
            lacking = _absent(wanted, own) if wanted else "not asked for"
            entries.append(Entry(key, "dropped" if lacking else "unexpected", shape, note=lacking))
            continue
        notes: list[str] = []
        became = []
        for name in kept:
            weight = same[name]
            made, note = fit(weight, _checked(key, tensor), own[weight])
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
    entries += _fill(family, own, given, shapes, parts)
    return Conversion(family, config, vocab_size, given, tuple(entries))


def _targets(family: Family, key: str) -> tuple[str, ...] | None:
    for rule in family.rules:
        names = rule.apply(key)
        if names is not None:
            return names
    return None


def _reason(family: Family, key: str) -> str:
    return next(rule.reason for rule in family.rules if rule.apply(key) is not None)


def _part(name: str) -> tuple[Part, str]:
    return next((part, absence) for pattern, part, absence in _PARTS if re.fullmatch(pattern, name))


def _pattern(name: str) -> str:
    return next(pattern for pattern, _, _ in _PARTS if re.fullmatch(pattern, name))


def _absent(names: Iterable[str], own: Shapes) -> str:
    """Why the model has none of these weights, "" if it has the part that they belong to."""
    for name in names:
        pattern, (_, absence) = next(((p, (q, a)) for p, q, a in _PARTS if re.fullmatch(p, name)), ("", ("", "")))
        if not pattern or any(re.fullmatch(pattern, other) and _pattern(other) == pattern for other in own):
            return ""
    return f"the model has {absence}"


def _own_weights(config: MCGConfig, vocab_size: int) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """(shapes of the model's weights, each once; every name of a weight -> the name that it is kept under)."""
    with torch.device("meta"):
        model = MCG(config, vocab_size)
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
    shapes: Shapes,
    parts: Collection[Part] | None,
) -> list[Entry]:
    """Account for our weights that no key gave, and set those to zero that a rule says."""
    present = {_pattern(name) for name in shapes if any(re.fullmatch(p, name) for p, _, _ in _PARTS)}
    entries = []
    for name, shape in own.items():
        if name in given:
            continue
        part, _ = _part(name)
        if parts is not None and part not in parts:
            continue
        fill = next((fill for fill in family.fills if re.fullmatch(fill.target, name)), None)
        needed = name.startswith(family.needs)
        if fill is not None and (fill.value == "fresh" or _pattern(name) in present):
            if fill.value == "zeros":
                device = next(iter(given.values())).device if given else None
                given[name] = torch.zeros(shape, device=device)
            entries.append(Entry(name, "missing", shape, note=f"{fill.value}: {fill.reason}"))
        elif _pattern(name) not in present and not needed:
            entries.append(Entry(name, "missing", shape, note=f"fresh: {family.title} has none"))
        else:
            entries.append(Entry(name, "missing", shape))
    return entries


def summary(conversion: Conversion) -> dict[str, Any]:
    """The account as plain data: counts, and every key."""
    return {
        "kind": conversion.family.name,
        "counts": conversion.counts(),
        "keys": [
            {"key": e.key, "status": e.status, "shape": list(e.shape), "ours": list(e.ours), "note": e.note}
            for e in conversion.entries
        ],
    }
