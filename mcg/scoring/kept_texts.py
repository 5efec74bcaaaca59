"""States of texts that wait on the host until they are fused with videos, each up to its last token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mcg import distributed
from mcg.model.states import TextStates

_AT_ONCE = 128
"""Texts of each rank that travel together."""


class KeptText(NamedTuple):
    """The states of one text."""

    states_LD: Tensor
    mask_L: Tensor
    slot: int | None
    """As in TextStates."""


def keep(text: TextStates) -> list[KeptText]:
    """Each text of a batch by itself, on the host."""
    whole, masks = text.states_BLD.cpu(), text.mask_BL.cpu()
    slots = [None] * len(whole) if text.slot_B is None else text.slot_B.tolist()
    ends = [int(row.nonzero().max()) + 1 for row in masks]
    return [
        KeptText(states[:end].clone(), row[:end].clone(), slot)
        for states, row, slot, end in zip(whole, masks, slots, ends, strict=True)
    ]


def together(texts: Sequence[KeptText], device: torch.device) -> TextStates:
    """These texts as a batch on a device, padded to the longest."""
    states, masks = (
        nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
        for rows in ([text.states_LD for text in texts], [text.mask_L for text in texts])
    )
    slots = [text.slot for text in texts if text.slot is not None]
    return TextStates(states, masks, None, torch.tensor(slots, device=device) if slots else None)


def of_all_ranks(own: list[KeptText], dtype: torch.dtype, device: torch.device) -> list[KeptText]:
    """The texts of all ranks, in rank order; they pass the device a block at a time, so that little of it is in use.
    dtype: of the states, for a rank that has none."""
    if distributed.world_size() == 1:
        return own
    D = distributed.largest(own[0].states_LD.shape[1] if own else 0, device)
    parts: list[list[KeptText]] = [[] for _ in range(distributed.world_size())]
    for begin in range(0, distributed.largest(len(own), device), _AT_ONCE):
        block = own[begin : begin + _AT_ONCE]
        states = torch.cat([text.states_LD for text in block]) if block else torch.zeros(0, D, dtype=dtype)
        masks = torch.cat([text.mask_L for text in block]) if block else torch.zeros(0, dtype=torch.bool)
        facts = distributed.gather_objects([[(len(text.mask_L), text.slot) for text in block]])
        states = distributed.gather_rows(states.to(device)).cpu()
        masks = distributed.gather_rows(masks.to(device, torch.uint8)).cpu().bool()
        sizes = [size for part in facts for size, _ in part]
        cut = list(zip(states.split(sizes), masks.split(sizes), strict=True))
        for rank, (part, told) in enumerate(zip(parts, facts, strict=True)):
            theirs, cut = cut[: len(told)], cut[len(told) :]
            if rank == distributed.rank():
                part += block  # it has them already
            else:
                part += [KeptText(t.clone(), m.clone(), slot) for (t, m), (_, slot) in zip(theirs, told, strict=True)]
    return [text for part in parts for text in part]
