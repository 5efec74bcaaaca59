"""Losses over tiles of pairs: the direct form's values and gradients, in memory that is linear in the batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mcg.objectives.over_pairs import tiles
from mcg.objectives.over_pairs.tiles import each_tile, full_precision, row_products
from tests.mcg.objectives.pair_losses import LOSSES, features, run


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("num_pairs", [1, 257, 1_025, 2_500])
def test_tiles_give_the_direct_forms_values_and_gradients(name: str, num_pairs: int) -> None:
    tiled, direct = LOSSES[name]
    given = features(num_pairs)
    wanted = run(direct, given)
    for dtype, bound in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        for a, b in zip(run(tiled, [tensor.to(dtype) for tensor in given]), wanted, strict=True):
            assert a.dtype == dtype and (a - b).norm() <= bound * b.norm()


@pytest.mark.parametrize("name", LOSSES)
def test_no_tensor_of_a_loss_is_larger_than_the_features_or_a_tile(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "SIDE", 64)
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            made = func(*args, **(kwargs or {}))
            if isinstance(made, Tensor):
                largest = max(largest, made.untyped_storage().nbytes())
            return made

    given = [tensor.float() for tensor in features(1_000, width=8)]
    with Watch():
        run(LOSSES[name][0], given)
    assert largest == 1_000 * 8 * 4


@pytest.mark.parametrize("name", LOSSES)
def test_logits_of_bf16_features_are_fp32_also_under_autocast(name: str) -> None:
    tiled, direct = LOSSES[name]
    rounded = [tensor.bfloat16() for tensor in features(300)]
    rounded[2] = features(300)[2].float()
    wanted = run(direct, [tensor.float() for tensor in rounded])
    with torch.autocast("cpu", torch.bfloat16):
        found = run(tiled, rounded)
    assert found[0].dtype == torch.float32 and found[1].dtype == torch.bfloat16
    assert found[0].item() == pytest.approx(wanted[0].item(), rel=1e-6)
    for a, b in zip(found[1:], wanted[1:], strict=True):
        torch.testing.assert_close(a.float(), b, rtol=1e-2, atol=1e-5)


def test_tiles_cover_every_pair_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "SIDE", 4)
    video, text = torch.randn(2, 10, 3, generator=torch.manual_seed(0)).unbind()
    found = torch.zeros(10, 10)
    for logits, rows, columns in each_tile(video, text[:7], torch.tensor(3.0)):
        assert max(logits.shape) <= 4
        found[rows, columns] += logits
    torch.testing.assert_close(found[:, :7], 3 * video @ text[:7].T)
    assert not found[:, 7:].any()
    torch.testing.assert_close(row_products(video, text), (video * text).sum(1))


def test_double_precision_stays() -> None:
    kinds = {torch.float64: torch.float64, torch.float32: torch.float32, torch.bfloat16: torch.float32}
    assert {kind: full_precision(torch.ones(1, dtype=kind)).dtype for kind in kinds} == kinds
