"""Video Swin: clips in, the patch states of every frame out, from attention within windows of space and time.

Liu et al. 2022 as LAVENDER uses it (docs/facts/lavender.md 1): the patches of 2 x 4 x 4 pixels start at every frame,
and one frame of zeros follows the last, so that T frames stay T. Blocks, merging of patches and window attention are
torchvision's, and so are the names of parameters. Where a window is larger than the map it is cut to it; the biases of
its places are then those of their true offsets (as released, those of other offsets: torchvision has that from
the release). Without gradients attention is SDPA, which is faster there and not in training (docs/results.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from torchvision.models.swin_transformer import SwinTransformerBlock
from torchvision.models.video.swin_transformer import (
    PatchEmbed3d,
    ShiftedWindowAttention3d,
    SwinTransformer3d,
    _compute_attention_mask_3d,
    _compute_pad_size_3d,
    _get_window_and_shift_size,
)

from mcg.compat import Compat
from mcg.model.parts.configs import VideoSwinConfig

_PATCH = (2, 4, 4)
"""Frames, height and width of a patch in pixels."""


class _PatchEmbed(PatchEmbed3d):
    """torchvision's with a patch at every frame; height and width are padded to whole patches."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.proj.stride = (1, *_PATCH[1:])

    def forward(self, pixels_BCTHW: Tensor) -> Tensor:
        height, width = (-size % patch for size, patch in zip(pixels_BCTHW.shape[3:], _PATCH[1:], strict=True))
        padded = functional.pad(pixels_BCTHW, (0, width, 0, height, 0, _PATCH[0] - 1))
        return self.norm(self.proj(padded).permute(0, 2, 3, 4, 1))


class _ReleasedAttention(ShiftedWindowAttention3d):
    """torchvision's, by SDPA where no gradient is asked for. x is (B, T, height, width, D)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if torch.is_grad_enabled() else self.by_sdpa(x)

    def by_sdpa(self, x: Tensor) -> Tensor:
        """The same, with a gradient too, if that is asked for."""
        (B, *size, D), H = x.shape, self.num_heads
        window, shift = _get_window_and_shift_size([*self.shift_size], size, [*self.window_size])
        time, height, width = _compute_pad_size_3d(tuple(size), tuple(window))
        x = functional.pad(x, (0, 0, 0, width, 0, height, 0, time))
        padded = x.shape[1:4]
        x = x.roll([-places for places in shift], (1, 2, 3)) if any(shift) else x
        grid = [places // own for places, own in zip(padded, window, strict=True)]
        x = x.view(B, grid[0], window[0], grid[1], window[1], grid[2], window[2], D).permute(0, 1, 3, 5, 2, 4, 6, 7)
        cut = x.shape
        N, W = window[0] * window[1] * window[2], grid[0] * grid[1] * grid[2]
        x = x.reshape(B * W, N, D)
        bias = self.get_relative_position_bias(window)  # (1, H, N, N)
        q, k, v = self.qkv(x).view(B * W, N, 3, H, D // H).permute(2, 0, 3, 1, 4)
        if any(shift):
            # places that the roll brought together do not see each other; windows count as heads, so that the biases
            # of all samples are one tensor
            apart = _compute_attention_mask_3d(x, tuple(padded), tuple(window), tuple(shift))
            bias = (bias + apart[:, None]).reshape(1, W * H, N, N)
            q, k, v = (part.reshape(B, W * H, N, D // H) for part in (q, k, v))
        x = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype)).view(B * W, H, N, D // H)
        x = self.proj(x.transpose(1, 2).reshape(B * W, N, D))
        x = x.view(cut).permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(B, *padded, D)
        x = x.roll(shift, (1, 2, 3)) if any(shift) else x
        return x[:, : size[0], : size[1], : size[2]].contiguous()


class _Attention(_ReleasedAttention):
    """With the true offsets in a window that was cut."""

    def get_relative_position_bias(self, window_size: list[int]) -> Tensor:
        places = [slice(size) for size in window_size]
        index = self.relative_position_index.view(*self.window_size, *self.window_size)[*places, *places]
        size = window_size[0] * window_size[1] * window_size[2]
        return self.relative_position_bias_table[index.reshape(-1)].view(size, size, -1).permute(2, 0, 1)[None]


class VideoSwin(nn.Module):
    """Clip encoder. compat: `released` keeps the offsets that cut windows have in the release."""

    def __init__(self, config: VideoSwinConfig, compat: Compat = "corrected") -> None:
        super().__init__()
        self.config = config
        self.activation_checkpointing = False
        attention = _ReleasedAttention if compat == "released" else _Attention

        def block(*sizes: int, attn_layer: Any, **given: Any) -> nn.Module:
            return SwinTransformerBlock(*sizes, attn_layer=attention, **given)

        whole = SwinTransformer3d(
            patch_size=[*_PATCH],
            embed_dim=config.width,
            depths=[*config.depths],
            num_heads=[*config.num_heads],
            window_size=[*config.window],
            stochastic_depth_prob=config.drop_path,
            num_classes=1,
            norm_layer=partial(nn.LayerNorm, eps=1e-5),
            block=block,
            patch_embed=_PatchEmbed,
        )
        self.patch_embed, self.features, self.norm = whole.patch_embed, whole.features, whole.norm
        for module in self.features.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=config.init_std, a=-2 * config.init_std, b=2 * config.init_std)
            if isinstance(module, ShiftedWindowAttention3d):
                # indices that the sizes give: no weight, so not in a checkpoint
                module.register_buffer("relative_position_index", module.relative_position_index, persistent=False)

    @property
    def blocks(self) -> list[nn.Module]:
        """Of all stages."""
        return [block for block in self._steps() if isinstance(block, SwinTransformerBlock)]

    def forward(self, pixels_BTCHW: Tensor) -> Tensor:
        """pixels_BTCHW: normalised floats, any number of frames of any size. Returns (B, T, P, D): states of the
        patches of every frame, row by row, each of which stands for 32 x 32 pixels where there are four stages.

        Raises ValueError for clips that are empty or not of three colours.
        """
        if pixels_BTCHW.ndim != 5 or pixels_BTCHW.shape[2] != 3 or not pixels_BTCHW.numel():
            raise ValueError(
                "the visual encoder expects clips (samples, frames, 3, height, width), none of them 0, found "
                f"{tuple(pixels_BTCHW.shape)}"
            )
        x = self.patch_embed(pixels_BTCHW.transpose(1, 2))
        for step in self._steps():
            if self.activation_checkpointing and self.training and isinstance(step, SwinTransformerBlock):
                x = checkpoint(step, x, use_reentrant=False)
            else:
                x = step(x)
        return self.norm(x).flatten(2, 3)

    def _steps(self) -> Iterator[nn.Module]:
        """Blocks, and between stages the merging of patches."""
        for stage in self.features:
            if isinstance(stage, nn.Sequential):
                yield from stage
            else:
                yield stage
