"""CLIP's two towers in any size, built on the blocks of `transformers`: frames and words in, states and features out.

Radford et al. 2021: pre-norm blocks, a visual tower that is read at [CLS], a causal text tower that is read at its last
token. From block `joint_from` the visual tower attends over all frames of a clip together (T2VLP; docs/facts/t2vlp.md
1). There are no positions in time, so the order of frames changes no state. Attention is SDPA.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, CLIPTextConfig, CLIPVisionConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.clip.modeling_clip import CLIPEncoderLayer, CLIPTextEmbeddings, CLIPVisionEmbeddings

from mcg.model.parts.configs import ClipBlocksConfig, ClipTextConfig, ClipVisionConfig
from mcg.model.parts.prefix_decoder import KeyCache

_EPSILON = 1e-5
"""Of every norm."""
_ATTENTION = "sdpa_with_cache"


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **given: Any
) -> tuple[Tensor, Tensor | None]:
    """SDPA, over the keys of a cache too, of which CLIP's layers in `transformers` know nothing. given: cache and
    number of the layer, or neither, and what SDPA takes."""
    cache, layer = given.pop("cache", None), given.pop("layer", None)
    if cache is not None:
        key, value = cache.update(key, value, layer)
    return sdpa_attention_forward(module, query, key, value, mask, **given)


AttentionInterface.register(_ATTENTION, _attention)


def _common(config: ClipBlocksConfig) -> dict[str, Any]:
    """What the configs of `transformers` have for both towers."""
    return {
        "hidden_size": config.width,
        "intermediate_size": 4 * config.width,
        "num_attention_heads": config.num_heads,
        "hidden_act": config.activation,
        "layer_norm_eps": _EPSILON,
        "attn_implementation": _ATTENTION,
    }


class ClipBlocks(nn.ModuleList):
    """Blocks one after the other."""

    def __init__(self, config: ClipBlocksConfig) -> None:
        sizes = CLIPVisionConfig(**_common(config))
        super().__init__(CLIPEncoderLayer(sizes) for _ in range(config.num_layers))
        self.activation_checkpointing = False
        # as OpenAI draws them: the more blocks there are, the less each of them adds at first
        std, depth = config.width**-0.5, (2 * config.num_layers) ** -0.5
        stds = {"q_proj": std, "k_proj": std, "v_proj": std, "fc1": std * 2**-0.5, "out_proj": std * depth}
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=stds.get(name.rpartition(".")[2], std * depth))
                nn.init.zeros_(module.bias)

    def forward(
        self,
        states_NLD: Tensor,
        seen: Tensor | None = None,
        causal: bool = False,
        first: int = 0,
        end: int | None = None,
        cache: KeyCache | None = None,
    ) -> Tensor:
        """The states after the blocks from `first` to before `end`. seen: bool (N, L), True at tokens that all see, or
        (N, L, L), True where the token of a row sees that of a column; None: all see all, or, if causal, themselves and
        those before them. cache: of tokens that stand before these, which have columns too."""
        if seen is not None:
            seen = seen[:, None, None] if seen.ndim == 2 else seen[:, None]
        given: Any = {"attention_mask": seen, "is_causal": causal}
        for number, block in list(enumerate(self))[first:end]:
            if cache is not None:
                given |= {"cache": cache, "layer": number}
            if self.activation_checkpointing and self.training:
                states_NLD = checkpoint(block, states_NLD, use_reentrant=False, **given)
            else:
                states_NLD = block(states_NLD, **given)
        return states_NLD


class ClipHead(nn.Module):
    """The way into the space that frames share with texts: a norm and a projection without bias."""

    def __init__(self, width: int, contrastive_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=_EPSILON)
        self.proj = nn.Linear(width, contrastive_width, bias=False)
        nn.init.normal_(self.proj.weight, std=width**-0.5)

    def forward(self, states: Tensor) -> Tensor:
        """(..., D) to (..., E)."""
        return self.proj(self.norm(states))


class FrameStates(NamedTuple):
    """States of the tokens of every frame, [CLS] first, then the patches row by row."""

    middle_BTVD: Tensor
    """Before the blocks that see all frames; the last ones where there are no such blocks."""
    last_BTVD: Tensor


class ClipVision(nn.Module):
    """Visual tower."""

    def __init__(self, config: ClipVisionConfig) -> None:
        super().__init__()
        self.config = config
        sizes = {"image_size": config.image_size, "patch_size": config.patch_size}
        self.embeddings: Any = CLIPVisionEmbeddings(CLIPVisionConfig(**_common(config), **sizes))
        std = config.width**-0.5
        for parameter in (self.embeddings.class_embedding, self.embeddings.position_embedding.weight):
            nn.init.normal_(parameter, std=std)
        self.norm_pre = nn.LayerNorm(config.width, eps=_EPSILON)
        self.blocks = ClipBlocks(config)
        self.head = ClipHead(config.width, config.contrastive_width)

    def forward(self, pixels_BTCHW: Tensor, mask_BT: Tensor | None = None) -> FrameStates:
        """pixels_BTCHW: normalised floats, any number of frames. mask_BT: bool, True at frames that others see; None:
        they see all. Raises ValueError for frames of another size."""
        size = self.config.image_size
        if pixels_BTCHW.ndim != 5 or pixels_BTCHW.shape[2:] != (3, size, size) or not pixels_BTCHW.numel():
            raise ValueError(
                f"the visual tower expects clips (samples, frames, 3, {size}, {size}), none of them 0, found "
                f"{tuple(pixels_BTCHW.shape)}"
            )
        B, T = pixels_BTCHW.shape[:2]
        states_NVD = self.norm_pre(self.embeddings(pixels_BTCHW.flatten(0, 1)))
        joint_from = len(self.blocks) if self.config.joint_from is None else self.config.joint_from
        middle_NVD = self.blocks(states_NVD, end=joint_from)
        V = middle_NVD.shape[1]
        seen = None if mask_BT is None else mask_BT.repeat_interleave(V, 1)
        last_BLD = self.blocks(middle_NVD.reshape(B, T * V, -1), seen, first=joint_from)
        return FrameStates(middle_NVD.view(B, T, V, -1), last_BLD.view(B, T, V, -1))

    def frames(self, states: FrameStates) -> Tensor:
        """A vector for each frame, (B, T, E), not of unit length."""
        return self.head(states.last_BTVD[:, :, 0])


def plain_mean(states_BTE: Tensor, mask_BT: Tensor | None = None) -> Tensor:
    """Means (B, E) over real frames, where mask_BT is True."""
    if mask_BT is None:
        return states_BTE.mean(1)
    return states_BTE.masked_fill(~mask_BT[..., None], 0).sum(1) / mask_BT.sum(1, keepdim=True)


def mean_of_frames(frames_BTE: Tensor, mask_BT: Tensor | None = None) -> Tensor:
    """Unit vectors (B, E): means of the unit vectors of real frames, where mask_BT is True."""
    return functional.normalize(plain_mean(functional.normalize(frames_BTE, dim=-1), mask_BT), dim=-1)


class ClipText(nn.Module):
    """Text tower. A token sees itself and those before it, so padding, which stands behind, needs no mask."""

    def __init__(self, config: ClipTextConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        sizes = {"vocab_size": vocab_size, "max_position_embeddings": config.max_positions}
        self.embeddings: Any = CLIPTextEmbeddings(CLIPTextConfig(**_common(config), **sizes))
        nn.init.normal_(self.embeddings.token_embedding.weight, std=0.02)
        nn.init.normal_(self.embeddings.position_embedding.weight, std=0.01)
        self.blocks = ClipBlocks(config)
        self.head = ClipHead(config.width, config.contrastive_width)

    def embed(self, ids_BL: Tensor, place_BL: Tensor) -> Tensor:
        """States (B, L, D) of tokens at their places in the text, int64; no token has seen another."""
        # not the forward of `transformers`, which looks at the size of a weight that ZeRO 3 has gathered for none
        return self.embeddings.token_embedding(ids_BL) + self.embeddings.position_embedding(place_BL)

    def forward(self, ids_BL: Tensor) -> Tensor:
        """A vector for each word, (B, L, E), not of unit length. ids_BL: int64. Raises ValueError for longer texts than
        there are positions."""
        if ids_BL.shape[1] > self.config.max_positions:
            raise ValueError(
                f"texts of {ids_BL.shape[1]} tokens, and model.text.max_positions is {self.config.max_positions}; "
                "cut the texts or raise it"
            )
        place_L = torch.arange(ids_BL.shape[1], device=ids_BL.device)
        return self.head(self.blocks(self.embed(ids_BL, place_L), causal=True))


def last_word(words_BLE: Tensor, mask_BL: Tensor) -> Tensor:
    """The vector (B, E) of the last token of each text where mask_BL is True, which has seen all of it."""
    place_L = torch.arange(mask_BL.shape[1], device=mask_BL.device)
    last_B = (mask_BL * place_L).amax(1)
    return words_BLE[torch.arange(len(last_B), device=last_B.device), last_B]
