"""One loss over the pairs of several micro-batches, in the memory of one (gradient caching, arXiv 2101.06983).

The features of all micro-batches are computed without graph, and the loss over their pairs gives the features'
gradients. Each micro-batch, encoded a second time with the same random numbers, then carries its share of them into the
weights. The step's gradient is exactly that of the loss over all pairs at once. The price is a second forward pass of
the encoders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


class PairFeatures(NamedTuple):
    """All that a loss over pairs reads of a batch: videos and texts (B, E), and the model's temperature."""

    video_BE: Tensor
    text_BE: Tensor
    temperature: Tensor


@dataclass(frozen=True)
class CachedLoss:
    """What one micro-batch takes from a loss over the pairs of several."""

    loss: Tensor
    """A scalar, without graph."""
    features: PairFeatures
    """Gradients of this micro-batch's features, and of the temperature; where micro-batches are averaged."""
    parameters: dict[str, Tensor]
    """Gradients of the parameters that the objective owns, by name."""

    def carried_by(self, features: PairFeatures, objective: nn.Module) -> Tensor:
        """The loss, with a graph that gives its gradients to features and parameters."""
        carriers = [*zip(features, self.features, strict=True)]
        carriers += [(objective.get_parameter(name), gradient) for name, gradient in self.parameters.items()]
        products = torch.stack([(tensor.float() * gradient).sum() for tensor, gradient in carriers]).sum()
        return self.loss + (products - products.detach())


def joined(batches: Sequence[PairFeatures]) -> PairFeatures:
    """The features of several micro-batches as the leaves of a graph, fp32."""
    video, text = (torch.cat([batch[i] for batch in batches]) for i in (0, 1))
    leaves = (tensor.detach().float().requires_grad_() for tensor in (video, text, batches[0].temperature))
    return PairFeatures(*leaves)


def cached(loss: Tensor, features: PairFeatures, objective: nn.Module, sizes: Sequence[int]) -> list[CachedLoss]:
    """The parts of micro-batches of these sizes in a loss of `joined` features."""
    owned = {name: parameter for name, parameter in objective.named_parameters() if parameter.requires_grad}
    leaves = [*features, *owned.values()]
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    video, text, temperature, *of_owned = (gradient.float() for gradient in gradients)
    # A step averages its micro-batches: a feature is in one of them, the temperature and parameters are in all.
    shares = zip((video * len(sizes)).split(list(sizes)), (text * len(sizes)).split(list(sizes)), strict=True)
    parameters = dict(zip(owned, of_owned, strict=True))
    return [CachedLoss(loss.detach(), PairFeatures(*share, temperature), parameters) for share in shares]
