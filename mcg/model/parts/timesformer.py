"""TimeSformer with divided space-time attention: clips in, one [CLS] and time-averaged patch states out.

Follows Bertasius et al. 2021 as ALPRO and MCG use it (docs/facts/mcg_alpro.md 1): per block temporal attention over the
frames of each patch position (without [CLS]), a linear layer `temporal_fc` that starts at zero, spatial attention
over [CLS] and the patches of each frame with the [CLS] updates averaged over frames, then the MLP; pre-norm throughout.
Parameter names are those of the public TimeSformer, so that released weights map one to one. The attention weights that
token-grained contrast needs are computed for the one [CLS] query row only; everything else is SDPA.
"""

from __future__ import annotations

import torch
from timm.layers import DropPath, Mlp, PatchEmbed
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from mcg.model.parts.configs import TimeSformerConfig
from mcg.model.states import VideoStates


class _Attention(nn.Module):
    """Multi-head self-attention with one fused qkv projection, by SDPA."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x_NLD: Tensor, with_row: bool = False) -> tuple[Tensor, Tensor | None]:
        """The attended x; and, with_row, the attention weights of token 0 to all tokens, averaged over heads, detached:
        (N, L)."""
        N, L, D = x_NLD.shape
        q, k, v = self.qkv(x_NLD).view(N, L, 3, self.num_heads, D // self.num_heads).permute(2, 0, 3, 1, 4)
        out_NHLd = functional.scaled_dot_product_attention(q, k, v)
        row_NL = None
        if with_row:
            with torch.no_grad():
                logits_NHL = (k @ q[:, :, 0, :, None]).squeeze(3) * (D // self.num_heads) ** -0.5
                row_NL = logits_NHL.softmax(-1).mean(1)
        return self.proj(out_NHLd.transpose(1, 2).reshape(N, L, D)), row_NL


class _Block(nn.Module):
    """Temporal attention, spatial attention, MLP."""

    def __init__(self, config: TimeSformerConfig, drop_path: float) -> None:
        super().__init__()
        D = config.width
        self.norm1 = nn.LayerNorm(D, eps=1e-6)
        self.attn = _Attention(D, config.num_heads)
        self.temporal_norm1 = nn.LayerNorm(D, eps=1e-6)
        self.temporal_attn = _Attention(D, config.num_heads)
        self.temporal_fc = nn.Linear(D, D)
        self.norm2 = nn.LayerNorm(D, eps=1e-6)
        self.mlp = Mlp(D, int(D * config.mlp_ratio))
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def temporal(self, patches_BPTD: Tensor) -> Tensor:
        B, P, T, D = patches_BPTD.shape
        attended, _ = self.temporal_attn(self.temporal_norm1(patches_BPTD.reshape(B * P, T, D)))
        # stochastic depth sits before temporal_fc, as in the public code
        return patches_BPTD + self.temporal_fc(self.drop_path(attended)).view(B, P, T, D)

    def spatial_input(self, cls_BD: Tensor, patches_BPTD: Tensor) -> Tensor:
        """One sequence [CLS, patches] per frame: (B * T, 1 + P, D)."""
        B, P, T, D = patches_BPTD.shape
        cls = cls_BD[:, None, None].expand(B, T, 1, D)
        return torch.cat([cls, patches_BPTD.transpose(1, 2)], 2).reshape(B * T, 1 + P, D)

    def forward(
        self, cls_BD: Tensor, patches_BPTD: Tensor, with_attention: bool = False
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """[CLS], patches, and the spatial attention of [CLS] to the patches, mean over heads: (B, T, P)."""
        B, P, T, D = patches_BPTD.shape
        patches_BPTD = self.temporal(patches_BPTD)
        frames = self.spatial_input(cls_BD, patches_BPTD)
        attended, row = self.attn(self.norm1(frames), with_attention)
        update = self.drop_path(attended).view(B, T, 1 + P, D)
        cls_BD = cls_BD + update[:, :, 0].mean(1)
        patches_BPTD = patches_BPTD + update[:, :, 1:].transpose(1, 2)
        tokens = torch.cat([cls_BD[:, None], patches_BPTD.reshape(B, P * T, D)], 1)
        tokens = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        attention = None if row is None else row[:, 1:].reshape(B, T, P)
        return tokens[:, 0], tokens[:, 1:].view(B, P, T, D), attention


class TimeSformer(nn.Module):
    """Clip encoder. Raises ValueError at construction for sizes that do not fit, at run time for another clip shape."""

    def __init__(self, config: TimeSformerConfig) -> None:
        super().__init__()
        if config.image_size % config.patch_size or config.width % config.num_heads:
            raise ValueError(
                f"vision: patch_size {config.patch_size} must divide image_size {config.image_size} and "
                f"num_heads {config.num_heads} must divide width {config.width}"
            )
        self.config = config
        self.activation_checkpointing = False
        D = config.width
        self.patch_embed = PatchEmbed(config.image_size, config.patch_size, 3, D)
        num_patches = (config.image_size // config.patch_size) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, D))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + num_patches, D))
        self.time_embed = nn.Parameter(torch.zeros(1, config.num_frames, D))
        rates = [config.drop_path * number / max(1, config.depth - 1) for number in range(config.depth)]
        self.blocks = nn.ModuleList(_Block(config, rate) for rate in rates)
        self.norm = nn.LayerNorm(D, eps=1e-6)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Truncated normal; see the config for time embeddings and temporal_fc."""
        config = self.config
        _draw(self.cls_token, config.position_std)
        _draw(self.pos_embed, config.position_std)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                _draw(module.weight, config.init_std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if not config.temporal_identity:
            _draw(self.time_embed, config.position_std)
            return
        for name, parameter in self.named_parameters():
            if name.endswith("temporal_fc.weight"):
                nn.init.zeros_(parameter)

    def forward(self, pixels_BTCHW: Tensor, with_attention: bool = False) -> VideoStates:
        """pixels_BTCHW: normalised floats, T frames or a multiple: clips one after the other, whose states are averaged
        token by token."""
        B, frames = pixels_BTCHW.shape[:2]
        T, size = self.config.num_frames, self.config.image_size
        if not frames or frames % T or tuple(pixels_BTCHW.shape[2:]) != (3, size, size):
            raise ValueError(
                f"the visual encoder expects clips of (frames, 3, height, width) = {(T, 3, size, size)}, "
                f"found {tuple(pixels_BTCHW.shape[1:])}; set task.clip and model.vision to the same sizes (several "
                "clips in a row have a multiple of the frames)"
            )
        if frames > T:
            clips = self(pixels_BTCHW.reshape(-1, T, 3, size, size), with_attention)
            attention = clips.attention_BTP
            return _states(
                clips.tokens_BVD.unflatten(0, (B, -1)).mean(1),
                None if attention is None else attention.reshape(B, frames, -1),
            )
        patches = self.patch_embed(pixels_BTCHW.flatten(0, 1)) + self.pos_embed[:, 1:]
        D = patches.shape[-1]
        patches_BPTD = patches.view(B, T, -1, D).transpose(1, 2) + self.time_embed[:, None]
        cls_BD = (self.cls_token[:, 0] + self.pos_embed[:, 0]).expand(B, D)
        attention = None
        for block in self.blocks:
            asked = with_attention and block is self.blocks[-1]
            if self.activation_checkpointing and self.training:
                cls_BD, patches_BPTD, attention = checkpoint(block, cls_BD, patches_BPTD, asked, use_reentrant=False)
            else:
                cls_BD, patches_BPTD, attention = block(cls_BD, patches_BPTD, asked)
        # the final norm acts on every token before the mean over time, as released
        tokens = torch.cat([self.norm(cls_BD)[:, None], self.norm(patches_BPTD).mean(2)], 1)
        return _states(tokens, attention)


def _states(tokens_BVD: Tensor, attention_BTP: Tensor | None) -> VideoStates:
    """States of clips none of whose tokens is padding."""
    mask_BV = torch.ones(tokens_BVD.shape[:2], dtype=torch.bool, device=tokens_BVD.device)
    return VideoStates(tokens_BVD, mask_BV, attention_BTP)


def _draw(parameter: Tensor, std: float) -> None:
    """Normal, cut at two standard deviations (the library's default cut is at the values -2 and 2)."""
    nn.init.trunc_normal_(parameter, std=std, a=-2 * std, b=2 * std)
