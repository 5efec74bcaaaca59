"""What is not finite is named with its step and the origins of the batch, and finite numbers pass."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mcg.engine.finite import NonFiniteGradient, NonFiniteLoss, check_losses, check_norm
from tests.mcg.engine.small_engine import make_batch


@given(value=st.floats(allow_nan=True, allow_infinity=True, width=32))
def test_a_loss_passes_if_it_is_finite(value: float) -> None:
    losses = {"good": torch.tensor(1.0), "other": torch.tensor(value)}
    if torch.isfinite(losses["other"]):
        check_losses(7, losses, make_batch())
        return
    with pytest.raises(
        NonFiniteLoss, match=r"^step 7: rank 0: losses \{'other': (nan|-?inf)\}; nothing was updated\. The"
    ):
        check_losses(7, losses, make_batch())


def test_a_norm_passes_if_it_is_finite_or_not_known() -> None:
    for norm in (None, 0.0, 3.5, torch.tensor(2.0)):
        check_norm(3, norm, [make_batch()])
    for norm in (float("nan"), float("inf"), -1.0, torch.tensor(float("nan"))):
        with pytest.raises(NonFiniteGradient, match=r"^step 3: rank 0: the losses are finite and the norm .* is not"):
            check_norm(3, norm, [make_batch()])
