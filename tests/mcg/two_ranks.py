"""What each of two gloo ranks computes on its half of a batch, and what one process computes on the whole."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from mcg import distributed
from mcg.model.states import TextStates
from mcg.objectives.batch_matching import BatchMatching
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import (
    BatchMatchingConfig,
    GenerationConfig,
    MaskedLMConfig,
    MatchingConfig,
    ObjectivesConfig,
    TokenContrastConfig,
)
from mcg.objectives.generation import Generation
from mcg.objectives.masked_lm import MaskedLM
from mcg.objectives.matching import Matching
from mcg.objectives.over_pairs.contrastive import contrastive_loss
from mcg.objectives.over_pairs.gathered_states import gathered_texts
from mcg.objectives.states import States
from mcg.objectives.token_contrast import TokenContrast
from tests.mcg.objectives.numbered_samples import find_numbered
from tests.mcg.small_model import make_inputs, make_model


def run_both(rank: int, folder: str) -> None:
    """One of two ranks; the meeting point is a file, so no port is taken."""
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=timedelta(seconds=250))
    try:
        _save(Path(folder) / f"{rank}.safetensors", slice(4 * rank, 4 * rank + 4))
        counts = ([1, 2], [1, 3]), ([3, 0], [2, 0])  # of each rank: rows sent and coming
        facts = {
            "rank": distributed.rank(),
            "world_size": distributed.world_size(),
            "objects": distributed.gather_objects([f"of {rank}"] * (rank + 1)),
            "mean": distributed.mean_over_ranks(torch.tensor([1.0 + rank, 10.0])).tolist(),
            "largest": distributed.largest(3 - rank, torch.device("cpu")),
            "any_none": distributed.any_rank(False, torch.device("cpu")),
            "any_one": distributed.any_rank(rank == 1, torch.device("cpu")),
            "swapped": distributed.swap(torch.arange(rank, 30, 10)[:, None], *counts[rank]).tolist(),
            "gathered": distributed.gather_with_gradient(torch.tensor([[rank, rank + 10.0]])).tolist(),
        }
        with patch.object(distributed, "_VALUES_AT_ONCE", 3):  # 8 and 4 values: some in several blocks
            sent = torch.arange(8.0 - 4 * rank).view(-1, 2) + 10 * rank
            facts["from_host"] = distributed.gather_from_host(sent, torch.device("cpu")).tolist()
        distributed.barrier()
        (Path(folder) / f"{rank}.json").write_text(json.dumps(facts))
    finally:
        dist.destroy_process_group()


def run_one(folder: str) -> None:
    """The whole batch in this process."""
    _save(Path(folder) / "one.safetensors", slice(0, 8))


def _save(file: Path, part: slice) -> None:
    numbered = {f"numbered {name}": tensor for name, tensor in find_numbered().items()}
    found = {**_contrastive(part), **_of_objectives(part), **_in_micro_batches(part), **numbered}
    save_file({**found, **_gathered(part), "drawn": _drawn_negatives(part)}, file)


def _gathered(part: slice) -> dict[str, Tensor]:
    """The texts of all ranks, with slots and prefixes, and the gradient of this part's own states. Those of the second
    half are shorter."""
    states = torch.arange(8 * 3 * 2.0).view(8, 3, 2)
    states[4:, 2:] = 0
    longest = 2 if part.start == 4 else 3
    own = states[part, :longest].requires_grad_()
    text = TextStates(own, own.detach()[..., 0] > 0, None, torch.arange(8)[part], torch.arange(8, 16)[part])
    whole = gathered_texts(text)
    (whole.states_BLD * torch.arange(8.0)[:, None, None]).sum().backward()
    assert whole.slot_B is not None and whole.prefix_B is not None and own.grad is not None
    found = {"states": whole.states_BLD.detach(), "mask": whole.mask_BL, "slot": whole.slot_B, "prefix": whole.prefix_B}
    return {f"gathered {name}": tensor for name, tensor in {**found, "gradient": own.grad}.items()}


def _contrastive(part: slice) -> dict[str, Tensor]:
    """Loss and gradients with respect to this part's features, weights before them, and the temperature."""
    g = torch.Generator().manual_seed(5)
    video, text = torch.randn(2, 8, 6, generator=g, dtype=torch.float32)
    layer = torch.randn(6, 6, generator=g).requires_grad_()
    temperature = torch.tensor(0.2).requires_grad_()
    loss = contrastive_loss(_unit(video[part] @ layer), _unit(text[part] @ layer.T), temperature)
    loss.backward()
    assert layer.grad is not None and temperature.grad is not None
    return {
        "contrastive": loss.detach(),
        "contrastive gradient layer": layer.grad,
        "contrastive gradient temperature": temperature.grad,
    }


def _in_micro_batches(part: slice) -> dict[str, Tensor]:
    """Loss and gradients of what a contrastive batch has one of: of the whole in one batch, and of its parts in two
    micro-batches, of which the first rank has the first halves."""
    objectives = {
        "contrastive": {},
        "sigmoid": {"bias": -1.0, "exchange": "ring"},
        "matching": {"negatives_from": "contrastive_batch"},
    }
    bundle = Bundle(make_model(matching_head=True), ObjectivesConfig.model_validate(objectives).build())
    first = part.start // 2
    batches = [_inputs(part)] if part == slice(0, 8) else [_inputs(slice(i, i + 2)) for i in (first, first + 4)]
    parts: list[Any] = [None]
    if len(batches) > 1:
        with torch.no_grad():
            features = [bundle(batch, 0, only_features=True) for batch in batches]
        parts = bundle.over_pairs(features, batches, seed=3)
    totals = []
    for batch, known in zip(batches, parts, strict=True):
        totals.append(bundle(batch, 3, known=known)["total"] / len(batches))
        totals[-1].backward()
    found = {f"cached {n}": p.grad for n, p in bundle.named_parameters() if p.grad is not None}
    return {**found, "cached total": torch.stack(totals).sum().detach()}


def _unit(features: Tensor) -> Tensor:
    return torch.nn.functional.normalize(features, dim=-1)


def _inputs(part: slice) -> dict[str, Tensor]:
    """The second half has more masked places than the first, shorter texts, and, as a rank's part of a batch, less
    padding."""
    inputs = make_inputs(8)
    inputs["masked_labels"][5:, 2] = inputs["text_ids"][5:, 2]
    inputs["text_mask"][4:, 6:] = 0
    own = {name: array[part] for name, array in inputs.items()}
    longest = int(own["text_mask"].sum(1).max())
    return {n: a[:, :longest] if n.startswith(("text_", "masked_")) else a for n, a in own.items()}


def _drawn_negatives(part: slice) -> Tensor:
    """Numbers (100, 2, B) of what matching draws for this part under each of 100 seeds."""
    states, objective = States(make_model(matching_head=True), _inputs(part), False), Matching(MatchingConfig())
    drawn = []
    for states.seed in range(100):
        drawn.append(torch.stack(objective._negatives(states)))
    return torch.stack(drawn)


def _of_objectives(part: slice) -> dict[str, Tensor]:
    """Loss and gradients of each objective."""
    own, model = _inputs(part), make_model(matching_head=True)
    objectives: dict[str, Any] = {
        "masked_lm": MaskedLM(MaskedLMConfig()),
        "token_contrast": TokenContrast(TokenContrastConfig()),
        "matching hardest": Matching(MatchingConfig(negatives="hardest")),
        "matching sampled": Matching(MatchingConfig(negatives="sampled")),
        "batch_matching": BatchMatching(BatchMatchingConfig(texts_per_video=3)),
        "generation": Generation(GenerationConfig()),
    }
    found: dict[str, Tensor] = {}
    for name, objective in objectives.items():
        model.zero_grad()
        loss = objective(States(model, own, "attention" in objective.config.needs, seed=3))
        loss.backward()
        trained = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        found |= {f"{name} gradient {n}": gradient.clone() for n, gradient in trained.items()}
        found[name] = loss.detach()
    return found
