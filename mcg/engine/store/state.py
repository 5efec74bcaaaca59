"""The training state by parameter name, so that any number of ranks and any ZeRO stage goes on from any other.

Every rank writes state/rank-NNNNN.safetensors: of each parameter the pieces that it holds, flat and in fp32 (the weight
and AdamW's two moments), and where each begins in the whole parameter. Whoever loads copies what it holds from the
files that have it; with the same ranks and stage that is its own file alone, to the bit. What all ranks hold alike
(without ZeRO, frozen weights, buffers) is written in equal shares. Nothing is pickled.
DeepSpeed keeps these numbers in other places for every stage; this file alone knows where.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mcg import distributed
from mcg.engine.checkpoint import CheckpointError, what_is_wrong
from mcg.engine.store.contents import Content, Contents

_MOMENTS = ("exp_avg", "exp_avg_sq")
_SCALER = ("cur_scale", "cur_iter", "last_overflow_iter", "cur_hysteresis")
"""What changes in DeepSpeed's scaler of losses, which is there in fp16."""
_FILES = "rank-*.safetensors"


@dataclass(frozen=True)
class _Piece:
    """A part of a flattened parameter: `length` numbers from `start` on, which lie in `flat` from `at` on."""

    flat: Tensor
    """What the optimiser knows: the parameter, its fp32 copy, or this rank's part of a whole group."""
    start: int
    at: int
    length: int
    shared: bool
    """Every rank has the same piece."""

    def of(self, tensor: Tensor) -> Tensor:
        """This piece of the weights or of moments of the same shape, as a view."""
        return tensor.detach().view(-1)[self.at : self.at + self.length]

    def written(self) -> tuple[int, int]:
        """The part that this rank writes: all of it, or its share of what every rank has."""
        if not self.shared:
            return 0, self.length
        rank, world = distributed.rank(), distributed.world_size()
        return self.length * rank // world, self.length * (rank + 1) // world


def state_of(engine: Any, step: int) -> Contents:
    """What this rank holds of a DeepSpeed engine, as views, by the path of its file below the checkpoint."""
    tensors: dict[str, Tensor] = {}
    starts: dict[str, int] = {}
    steps: dict[str, float] = {}
    for name, piece in _trained(engine):
        moments = engine.basic_optimizer.state.get(piece.flat, {})
        if moments:
            steps[name] = float(moments["step"])
        first, last = piece.written()
        held = {"fp32": piece.flat, **{kind: moments[kind] for kind in _MOMENTS if kind in moments}}
        for kind, tensor in held.items():
            tensors[f"{kind}:{name}"] = piece.of(tensor)[first:last]
            starts[f"{kind}:{name}"] = piece.start + first
    for name, piece in _untrained(engine):
        first, last = piece.written()
        tensors[f"value:{name}"], starts[f"value:{name}"] = piece.of(piece.flat)[first:last], piece.start + first
    layout = {"step": str(step), "starts": json.dumps(starts), "steps": json.dumps(steps)}
    if engine.fp16_enabled():
        scaler = vars(engine.optimizer.loss_scaler)
        layout["scaler"] = json.dumps({name: scaler[name] for name in _SCALER if name in scaler})
    return {f"state/rank-{distributed.rank():05d}.safetensors": Content(tensors, layout)}


def has_state(folder: Path) -> bool:
    """True if a checkpoint folder has a training state of this kind."""
    return any((folder / "state").glob(_FILES))


@torch.no_grad()
def read_state(engine: Any, folder: Path, step: int) -> None:
    """Put a state into a DeepSpeed engine, on all ranks together. Raises CheckpointError where it lacks anything."""
    wanted = _Wanted()
    moments: dict[Tensor, dict[str, Tensor]] = {}
    names: dict[Tensor, list[str]] = {}
    for name, piece in _trained(engine):
        wanted.add(f"fp32:{name}", piece, piece.flat)
        names.setdefault(piece.flat, []).append(name)
        own = moments.setdefault(piece.flat, {kind: torch.zeros_like(piece.flat) for kind in _MOMENTS})
        for kind in _MOMENTS:
            wanted.add(f"{kind}:{name}", piece, own[kind])
    for name, piece in _untrained(engine):
        wanted.add(f"value:{name}", piece, piece.flat)
    wanted.read(folder, step)
    known = wanted.steps
    lacking = wanted.lacking(lambda kind, name: kind in _MOMENTS and name not in known)
    if lacking is not None:
        raise CheckpointError(
            f"{folder / 'state'}: lacks {lacking} of this model; train the same parameters as the run that saved it "
            "(model.*, objectives.*, optim.groups), or start a new run with init_from"
        )
    for flat, own in moments.items():
        steps = [known[name] for name in names[flat] if name in known]
        if steps:
            count = torch.tensor(max(steps), dtype=torch.float32, device=flat.device)
            engine.basic_optimizer.state[flat] = {"step": count, **own}
    if engine.fp16_enabled():
        scaler = engine.optimizer.loss_scaler
        for name, value in wanted.scaler.items() if scaler.dynamic else ():  # a fixed scale is the config's
            setattr(scaler, name, value)
    _spread(engine)
    engine.global_steps = step


class _Wanted:
    """The pieces that this rank needs, and what of them is still to be read."""

    def __init__(self) -> None:
        self._into: dict[str, tuple[int, Tensor]] = {}
        self._open: dict[str, list[tuple[int, int]]] = {}
        self.steps: dict[str, float] = {}
        """Updates that the optimiser had made to each parameter."""
        self.scaler: dict[str, float] = {}
        """The state of the scaler of losses, if the run that saved had one."""

    def add(self, key: str, piece: _Piece, tensor: Tensor) -> None:
        """Ask for a piece of a tensor."""
        if piece.length:
            self._into[key] = piece.start, piece.of(tensor)
            self._open[key] = [(piece.start, piece.start + piece.length)]

    def read(self, folder: Path, step: int) -> None:
        """Read from the files of a state until nothing is open: this rank's own first."""
        own = folder / "state" / f"rank-{distributed.rank():05d}.safetensors"
        for file in sorted((folder / "state").glob(_FILES), key=lambda file: (file != own, file.name)):
            if not self._open:
                return
            try:
                self._read_file(file, step)
            except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
                if isinstance(error, CheckpointError):
                    raise
                raise CheckpointError(f"{file}: not readable: {what_is_wrong(file, error)}") from error

    def lacking(self, optional: Any) -> str | None:
        """The first piece that no file had, in words; optional: (kind, name) -> True for what may be absent."""
        for key, parts in self._open.items():
            kind, _, name = key.partition(":")
            if not optional(kind, name):
                return f"{kind} of {name}, numbers {parts[0][0]} to {parts[0][1]},"
        return None

    def _read_file(self, file: Path, step: int) -> None:
        with safe_open(file, "pt") as opened:
            told = opened.metadata()
            if int(told["step"]) != step:
                raise CheckpointError(
                    f"{file}: is of step {told['step']}, and the checkpoint of step {step}; copy the checkpoint again"
                )
            self.steps.update(json.loads(told["steps"]))
            scaler = json.loads(told.get("scaler", "{}"))
            self.scaler = {name: scaler[name] for name in _SCALER if name in scaler}
            for key, begin in json.loads(told["starts"]).items():
                if key not in self._open:
                    continue
                stored = opened.get_slice(key)
                end = begin + stored.get_shape()[0]
                start, into = self._into[key]
                left: list[tuple[int, int]] = []
                for first, last in self._open[key]:
                    low, high = max(first, begin), min(last, end)
                    if low >= high:
                        left.append((first, last))
                        continue
                    into[low - start : high - start].copy_(stored[low - begin : high - begin])
                    left += [part for part in ((first, low), (high, last)) if part[0] < part[1]]
                if left:
                    self._open[key] = left
                else:
                    del self._open[key]


# ------------------------------------------------------------ where DeepSpeed keeps what


def _trained(engine: Any) -> Iterator[tuple[str, _Piece]]:
    """This rank's pieces of the parameters that are trained."""
    optimizer = engine.optimizer
    copies = dict(_fp32_copies(optimizer))
    for name, parameter in engine.module.named_parameters():
        if not parameter.requires_grad:
            continue
        if hasattr(parameter, "ds_id"):  # ZeRO 3: an equal part of every parameter, the last ones padded
            group, at, room = optimizer.grad_position[optimizer.get_param_id(parameter)]
            start = distributed.rank() * room
            flat = optimizer.fp32_partitioned_groups_flat[group]
            yield name, _Piece(flat, start, at, _within(room, parameter.ds_numel - start), False)
        elif hasattr(parameter, "_hp_mapping"):  # ZeRO 1 and 2: an equal part of a group of parameters
            mapping = parameter._hp_mapping
            if mapping is None:
                continue
            groups = getattr(optimizer, "single_partition_of_fp32_groups", None)
            flat = (optimizer.fp32_groups_flat_partition if groups is None else groups)[mapping.param_group_index]
            here, there = mapping.hp_fragment_address, mapping.lp_fragment_address
            yield name, _Piece(flat, there.start, here.start, here.numel, False)
        else:
            yield name, _Piece(copies.get(parameter, parameter), 0, 0, parameter.numel(), True)


def _untrained(engine: Any) -> Iterator[tuple[str, _Piece]]:
    """This rank's pieces of frozen parameters and of the buffers that belong to a model's state."""
    for name, parameter in engine.module.named_parameters():
        if parameter.requires_grad:
            continue
        if hasattr(parameter, "ds_id"):
            room = parameter.ds_tensor.numel()
            start = distributed.rank() * room
            yield name, _Piece(parameter.ds_tensor, start, 0, _within(room, parameter.ds_numel - start), False)
        else:
            yield name, _Piece(parameter, 0, 0, parameter.numel(), True)
    kept = engine.module.state_dict(keep_vars=True)
    for name, buffer in engine.module.named_buffers():
        if name in kept:
            yield name, _Piece(buffer, 0, 0, buffer.numel(), True)


def _fp32_copies(optimizer: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """A parameter in 16 bits and its fp32 copy, where an optimiser without ZeRO keeps one for each."""
    if hasattr(optimizer, "fp32_groups"):
        for group, copies in zip(optimizer.fp16_groups, optimizer.fp32_groups, strict=True):
            yield from zip(group, copies, strict=True)


def _within(room: int, left: int) -> int:
    return max(0, min(room, left))


def _spread(engine: Any) -> None:
    """Make the model's weights those of the optimiser, on all ranks."""
    optimizer = engine.optimizer
    for parameter, copy in _fp32_copies(optimizer):
        parameter.data.copy_(copy)
    if hasattr(optimizer, "fp32_partitioned_groups_flat"):  # ZeRO 3; as DeepSpeed's own loading does
        for flat, group, copy in zip(
            optimizer.fp16_partitioned_groups_flat,
            optimizer.fp16_partitioned_groups,
            optimizer.fp32_partitioned_groups_flat,
            strict=True,
        ):
            flat.data.copy_(copy)
            for part, value in zip(group, optimizer.unflatten(flat, group), strict=True):
                part.data = value.data
        if optimizer.persistent_parameters:  # small ones, which every rank keeps whole
            first = optimizer.persistent_parameters[0]
            first.partition(optimizer.persistent_parameters)
            first.all_gather(optimizer.persistent_parameters)
    elif hasattr(optimizer, "update_lp_params"):  # ZeRO 1 and 2
        optimizer._hp_optimizer_states_linked = False
        optimizer.update_lp_params()
