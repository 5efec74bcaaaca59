"""Whole weights from a checkpoint folder of DeepSpeed, as any program of DeepSpeed writes it.

Without ZeRO 3 the weights lie whole in mp_rank_00_model_states.pt. With it every rank holds an equal part of each
weight, in fp32, one weight behind the other, in zero_pp_rank_N_mp_rank_00_optim_states.pt (DeepSpeed's own
zero_to_fp32.py says the layout; it unpickles freely, so it is not used). Not here: tensor and pipeline parallelism.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mcg.convert.rules import ConvertError
from mcg.convert.torch_file import read_file

_WHOLE = "mp_rank_00_model_states.pt"
_MODEL, _OPTIM = "zero_pp_rank_{}_mp_rank_00_model_states.pt", "*zero_pp_rank_{}_mp_rank_00_optim_states.pt"


def read_deepspeed(place: Path) -> tuple[Any, tuple[Path, ...]] | None:
    """The content of a checkpoint like that of one file, with whole weights under "module", and the files read for it.

    place: the folder of one checkpoint, or the one above it with `latest`; None for any other. Raises ConvertError.
    """
    folder = _named_by_latest(place) or place
    if not any(folder.glob("*mp_rank_*_model_states.pt")):
        return None
    more = sorted(path.name for path in folder.glob("*mp_rank_*_model_states.pt") if "mp_rank_00" not in path.name)
    if more:
        raise ConvertError(
            f"{folder}: is split by tensor parallelism ({more[0]}); merge it with the program that wrote it, and give "
            "the merged file"
        )
    if (folder / _WHOLE).is_file():
        return read_file(folder / _WHOLE), (folder / _WHOLE,)
    files = [folder / _MODEL.format(0)]
    content = read_file(files[0])
    _need(isinstance(content, Mapping), files[0], "holds no model states of DeepSpeed")
    shapes = _shapes(content.get("param_shapes"), files[0])
    flats: list[Tensor] = []
    world: int | None = None
    while world is None or len(flats) < world:
        found = sorted(folder.glob(_OPTIM.format(len(flats))))
        if not found:
            of = "unknown" if world is None else str(world)
            raise ConvertError(
                f"{folder}: the file of rank {len(flats)} of {of} is missing "
                f"({_OPTIM.format(len(flats))[1:]}): ZeRO 3 spreads every weight over all of them; copy the rest too"
            )
        held = read_file(found[0])
        state = held.get("optimizer_state_dict") if isinstance(held, Mapping) else None
        if not isinstance(state, Mapping) or "fp32_flat_groups" not in state:
            raise _not_deepspeed(found[0], "holds no weights of ZeRO 3")
        world = _partition_count(state.get("partition_count"), found[0])
        groups = state["fp32_flat_groups"]
        is_flat = isinstance(groups, list | tuple) and all(isinstance(g, Tensor) and g.dim() == 1 for g in groups)
        _need(is_flat and len(groups) > 0, found[0], "has weights of another form")
        flats.append(torch.cat(list(groups)))
        files.append(found[0])
    whole = _join(shapes, flats, folder)
    frozen = content.get("frozen_param_shapes")
    if frozen:
        raise ConvertError(
            f"{folder}: has frozen parameters spread by ZeRO 3 (e.g. {next(iter(frozen))}), which are not read here; "
            "save whole weights with stage3_gather_16bit_weights_on_model_save"
        )
    for other, first in _pairs(content.get("shared_params")):
        if first in whole:
            whole[other] = whole[first]
    return {**content, "module": whole}, tuple(files)


def _named_by_latest(folder: Path) -> Path | None:
    """The folder that DeepSpeed's file `latest` names; None where there is no such file. Raises ConvertError."""
    latest = folder / "latest"
    if not latest.is_file():
        return None
    name = latest.read_bytes()[:256].decode("utf-8", "replace").strip()
    if not name or "/" in name or "\\" in name or name.startswith("."):
        raise ConvertError(f"{latest}: names {name[:80]!r}, which is not a folder beside it; write the folder's name")
    if not (folder / name).is_dir():
        raise ConvertError(f"{latest}: names {name!r}, and there is no such folder beside it; give the folder itself")
    return folder / name


def _partition_count(count: Any, file: Path) -> int:
    """The number of ranks; newer versions write one for each group."""
    largest = max(count) if isinstance(count, list) and count and all(isinstance(n, int) for n in count) else count
    if not isinstance(largest, int) or not 1 <= largest <= 1 << 16:
        raise _not_deepspeed(file, f"has partition_count {str(count)[:80]}")
    return largest


def _shapes(groups: Any, file: Path) -> dict[str, tuple[int, ...]]:
    _need(isinstance(groups, list) and all(isinstance(g, Mapping) for g in groups), file, "says no param_shapes")
    found = {str(name): shape for group in groups for name, shape in group.items()}
    are_shapes = all(
        isinstance(shape, list | tuple) and all(isinstance(n, int) and n >= 0 for n in shape)
        for shape in found.values()
    )
    _need(are_shapes, file, "has param_shapes that are no shapes")
    return {name: tuple(shape) for name, shape in found.items()}


def _join(shapes: Mapping[str, tuple[int, ...]], flats: Sequence[Tensor], folder: Path) -> dict[str, Tensor]:
    """Whole weights from the ranks' parts, each of which holds an equal share of every weight, rounded up."""
    world, at = len(flats), 0
    shares = {name: math.ceil(math.prod(shape) / world) for name, shape in shapes.items()}
    needed = sum(shares.values())
    if any(flat.numel() < needed for flat in flats):
        found = min(flat.numel() for flat in flats)
        raise ConvertError(
            f"{folder}: its {world} ranks hold {found} numbers each, and its param_shapes need {needed}: the files are "
            "not of one checkpoint; copy the folder again"
        )
    whole = {}
    for name, shape in shapes.items():
        parts = [flat[at : at + shares[name]] for flat in flats]
        whole[name] = torch.cat(parts)[: math.prod(shape)].view(shape)
        at += shares[name]
    return whole


def _pairs(shared: Any) -> list[tuple[str, str]]:
    found = shared.items() if isinstance(shared, Mapping) else shared or ()
    return [(str(pair[0]), str(pair[1])) for pair in found if isinstance(pair, list | tuple) and len(pair) == 2]


def _need(good: bool, file: Path, what: str) -> None:
    if not good:
        raise _not_deepspeed(file, what)


def _not_deepspeed(file: Path, what: str) -> ConvertError:
    return ConvertError(f"{file}: {what}; give a folder that DeepSpeed's save_checkpoint wrote")
