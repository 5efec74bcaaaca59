"""Optimiser groups: AdamW, each parameter in exactly one group, weight decay on matrices only.

`optim.groups` gives the parameters of a pattern a rate and a decay of their own, or freezes them. Biases, norms,
embeddings of position and the temperature are not decayed unless a group says so. (The releases configure a weight
decay of 1e-3 and never pass it on: docs/facts/mcg_alpro.md 0.6.)

T2VLP's release (docs/facts/t2vlp.md) has an Adam without bias correction, eps 1e-6 and a decay of 0.2 that is added to
the update and so decoupled as here. `betas`, `eps` and `weight_decay` give its numbers, and what remains is this: its
update is (1 - beta1^t) / sqrt(1 - beta2^t) times ours at step t, with 0.9 and 0.98 that is 0.71 at the first step, 1.55
at the 14th, and below 1.01 from the 195th on; it clips each tensor's gradient by its own norm
besides; and it decays CLIP's norms, which `optim.groups` can do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from mcg.engine.config import OptimConfig, ParameterGroup

_NOT_DECAYED = (
    *("pos_embed", "time_embed", "patch_embed", "frame_embed", "cls_token", "relative_position_bias_table"),
    *("position_embeddings.weight", "token_type_embeddings.weight"),
)
"""Ends of the names of parameters that have two axes or more and are no matrices."""


def build_optimizer(module: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW over the trained parameters; those of frozen groups are frozen in the module.

    A group's "lr" is its peak. Raises ValueError naming the pattern that no parameter or several patterns fit.
    """
    return torch.optim.AdamW(_groups(module, config), lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def _groups(module: nn.Module, config: OptimConfig) -> list[dict[str, Any]]:
    """The parameters that fit no pattern, decayed and not, then those of each pattern in the order of the config."""
    pattern_of = _assign(module, config)
    for name, parameter in module.named_parameters():
        pattern = pattern_of.get(name)
        if pattern is not None and config.groups[pattern].frozen:
            parameter.requires_grad_(False)
    trained = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    if not trained:
        raise ValueError("optim.groups: every parameter is frozen, so there is nothing to train; leave some out")
    made = list(_by_decay([(n, p) for n, p in trained if n not in pattern_of], None, config))
    for pattern, group in config.groups.items():
        made += _by_decay([(n, p) for n, p in trained if pattern_of.get(n) == pattern], group, config)
    return made


def _assign(module: nn.Module, config: OptimConfig) -> dict[str, str]:
    """Name of a parameter -> the one pattern that it fits. Raises ValueError."""
    names: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    found: dict[str, str] = {}
    for name, parameter in module.named_parameters():
        told = [_shown(other) for other in names[id(parameter)]]  # a tied parameter has several names
        fitting = [pattern for pattern in config.groups if any(re.fullmatch(pattern, other) for other in told)]
        if len(fitting) > 1:
            raise ValueError(
                f"optim.groups: {fitting[0]!r} and {fitting[1]!r} both match {told[0]}; write patterns of which one "
                "alone does"
            )
        if fitting:
            found[name] = fitting[0]
    lonely = [pattern for pattern in config.groups if pattern not in found.values()]
    if lonely:
        some = ", ".join(_shown(name) for name, _ in list(module.named_parameters())[:3])
        raise ValueError(
            f"optim.groups: {lonely[0]!r} matches the whole name of no parameter; names are such as {some}"
        )
    return found


def _shown(name: str) -> str:
    """A parameter's name in configs: as checkpoints have it, without the bundle's `model.`."""
    return name.removeprefix("model.")


def _by_decay(
    parameters: list[tuple[str, nn.Parameter]], group: ParameterGroup | None, config: OptimConfig
) -> Iterator[dict[str, Any]]:
    """Groups of the optimiser, none of them empty."""
    rate = {} if group is None else {"lr": config.lr * group.lr_factor}
    if group is not None and group.weight_decay is not None:
        parts = [([p for _, p in parameters], group.weight_decay)]
    else:
        decayed = {id(p) for name, p in parameters if p.ndim >= 2 and not name.endswith(_NOT_DECAYED)}
        parts = [
            ([p for _, p in parameters if id(p) in decayed], config.weight_decay),
            ([p for _, p in parameters if id(p) not in decayed], 0.0),
        ]
    for members, weight_decay in parts:
        if members:
            yield {"params": members, "weight_decay": weight_decay, **rate}
