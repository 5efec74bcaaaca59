"""Rules of conversion and families of checkpoints, as data. Loads no torch.

A rule takes the keys that its regular expression matches in full, without the prefixes of wrappers. They become the
weights that it names (`\\1` stands for the first group), or, where it names none, they are dropped for the reason it
gives. Values stay as they are, but for `form`. The first rule that matches a key decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shards.base import PrintableError

Part = Literal["vision", "text", "decoder", "heads"]
"""Values of `parts:` of a source."""
Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of weights by our names."""
Form = Literal["same", "cut", "transposed"]
"""What becomes of a tensor: each of a rule's names gets all of it, or its part of the rows, cut into equal parts in the
order of the names (three projections in one), or its columns as rows."""
Resize = Literal[
    "vector", "vocabulary", "token_types", "text_positions", "frames", "patches", "kernel", "offsets", "first_rows"
]
"""Methods that make a weight of another size fit (resize.py)."""


class ConvertError(PrintableError, ValueError):
    """A checkpoint that cannot be read, is not what was expected, or does not fit the model."""


_WRAPPED = re.compile(r"^(?:(?:module|model|_orig_mod|_forward_module|_fsdp_wrapped_module)\.)+")
_COMPILED = re.compile(r"(?<=\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")


def plain_key(key: str) -> str:
    """A key without the prefixes and infixes of wrappers (DDP, Lightning, torch.compile, FSDP)."""
    return _COMPILED.sub("", _WRAPPED.sub("", key))


@dataclass(frozen=True)
class Rule:
    """A rule for some keys. source: the keys, as a regular expression; targets: our names for each of them; reason: why
    they are dropped; form: of the tensor."""

    source: str
    targets: tuple[str, ...] = ()
    reason: str = ""
    form: Form = "same"

    def apply(self, key: str) -> tuple[str, ...] | None:
        """Our names for a key, () if it is dropped, None if the rule is about other keys."""
        match = re.fullmatch(self.source, plain_key(key))
        return None if match is None else tuple(match.expand(target) for target in self.targets)

    def weights(self, key: str, tensor: Any) -> dict[str, Any]:
        """What a key that the rule is about becomes, by our names: views of the tensor. Raises ConvertError for a
        tensor that cannot take the form."""
        names = self.apply(key) or ()
        if self.form == "same" or not names:
            return dict.fromkeys(names, tensor)
        if self.form == "transposed":
            if tensor.ndim != 2:
                raise ConvertError(f"{key}: shape {tuple(tensor.shape)}, expected a matrix")
            return dict.fromkeys(names, tensor.T)
        if tensor.ndim == 0 or len(tensor) % len(names):
            raise ConvertError(
                f"{key}: shape {tuple(tensor.shape)}, expected rows that can be cut into {len(names)} equal parts"
            )
        return dict(zip(names, tensor.chunk(len(names)), strict=True))


@dataclass(frozen=True)
class Fill:
    """Weights that the family never has: target, our names as a regular expression, start at zero or stay as they are
    drawn; reason: why that is right."""

    target: str
    value: Literal["zeros", "fresh"]
    reason: str


@dataclass(frozen=True)
class Section:
    """Weights that a model has or lacks as a whole. pattern: our names, as a regular expression; absence: their absence
    in words."""

    pattern: str
    part: Part
    absence: str


@dataclass(frozen=True)
class Target:
    """One of our models as the target of conversions."""

    sign: str
    """A name that every checkpoint of ours has, and no released one."""
    sections: tuple[Section, ...]
    """Every weight of the model is in the first section that its name fits."""
    resizes: tuple[tuple[str, Resize], ...]
    """(our names as a regular expression, how their sizes are changed): those that may differ."""
    compare: Callable[[Shapes, Any], None]
    """Compares a checkpoint's shapes with a model's config; raises ConvertError naming the setting that differs."""
    of_their_task: str | None = None
    """Our names, as a regular expression, of heads that are trained for one task: where sizes differ they stay as they
    were drawn."""

    def section(self, name: str) -> Section | None:
        """The section of a weight."""
        return next((section for section in self.sections if re.fullmatch(section.pattern, name)), None)


@dataclass(frozen=True)
class Family:
    """Checkpoints of one kind."""

    name: str
    """Its name in `--kind` and `kind:`."""
    title: str
    """Its name in messages."""
    signs: tuple[str, ...]
    """Regular expressions, each of which matches a key of every such checkpoint, and not of those further down."""
    rules: tuple[Rule, ...]
    target: Target
    """The model that the weights are for."""
    derive: Callable[[Shapes], Any]
    """The config of the model that a checkpoint was made for, from the shapes that it has. Raises ConvertError."""
    needs: tuple[str, ...]
    """Beginnings of our names: a checkpoint without any of these is not whole."""
    fills: tuple[Fill, ...] = ()
    wrapper: str | None = None
    """The entry of the file that holds the weights, where that tells the kind."""
    begins: Callable[[str, Shapes], str | None] | None = None
    """(our name, shapes of the model's weights) -> the weight that this one begins as a copy of, where the family never
    has it; None for a weight that stays as it is drawn."""
    known: tuple[tuple[str, str, str], ...] = ()
    """(name, place, file): checkpoints that can be asked for by name. place: a Hugging Face repository, or a URL."""

    def fits(self, keys: Collection[str], wrapper: str | None) -> bool:
        """True if a checkpoint with these keys is of this kind."""
        if self.wrapper is not None and self.wrapper != (wrapper or "").rpartition(".")[2]:
            return False
        plain = {plain_key(key) for key in keys}
        return all(any(re.fullmatch(sign, key) for key in plain) for sign in self.signs)


POSITION_IDS = "numbers 0, 1, 2, ...: not a weight"
