"""Token-grained contrast: words against patches within a sample (MCG's token loss, a port of MGCA's; facts 3.3).

Word side: a word attends over the patches (temperature 0.1), and must tell its own attended vector from those of the
other words. Patch side: the same with the roles swapped. Words and patches count by how much [CLS] attends to them.

Bugs of the release that are corrected: a word is weighed by its own attention, not by its neighbour's; patch weights
are those of the sample itself, averaged over its frames (tests/parity/golden/README.md); and padded words stand in no
softmax, so that a sample's loss does not depend on how long the others of its batch are (`padded_words` puts them
back). Word pieces are merged into words by one scatter-add instead of a Python loop with `.item()` per token.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mcg.objectives.config import TokenContrastConfig
from mcg.objectives.objective import Objective
from mcg.objectives.states import States


class TokenContrast(Objective):
    """Scalar, mean over the samples of this rank; no sample sees another. `compat: released` weighs
    words and patches by the attention of others, as released (docs/facts/mcg_alpro.md 3.3, bugs i and ii)."""

    config: TokenContrastConfig

    def forward(self, states: States) -> Tensor:
        text, video = states.contrastive_text, states.video
        assert text.attention_BL is not None and video.attention_BTP is not None
        word_attention, patch_attention = text.attention_BL, video.attention_BTP.mean(1)
        if self.compat == "released":
            word_attention = functional.pad(word_attention[:, 1:], (0, 1))
            patch_attention = video.attention_BTP.flatten(0, 1)[: len(patch_attention)]
        words = merge_words(text.states_BLD, word_attention, states["text_words"], text.mask_BL)
        num_words = self.config.padded_words
        if num_words is not None:
            words = padded(words, num_words)
        return token_contrast_loss(
            states.model.word_features(words.states_BWD),
            words.mask_BW,
            clipped_weights(words.attention_BW, words.attention_BW > 0),
            states.model.patch_features(video),
            clipped_weights(patch_attention, torch.ones_like(patch_attention, dtype=torch.bool)),
            self.config.temperature,
            padding_counts=num_words is not None,
        )


class Words(NamedTuple):
    """states_BWD: sums of the word pieces' states, zeros at padding; attention_BW: sums too; mask_BW: real words."""

    states_BWD: Tensor
    attention_BW: Tensor
    mask_BW: Tensor


def merge_words(states_BLD: Tensor, attention_BL: Tensor, words_BL: Tensor, mask_BL: Tensor) -> Words:
    """Sum word pieces of a word; W = L - 1, since [CLS] (word 0) is dropped while [SEP] stays.

    words_BL: int64 number of the word of each piece, rising from 0; mask_BL: True at real tokens.
    """
    B, L, D = states_BLD.shape
    slot_BL = words_BL.masked_fill(~mask_BL, 0)  # pads fall on [CLS]'s slot, which is dropped
    real_BL = mask_BL.to(states_BLD.dtype)
    states = states_BLD.new_zeros(B, L, D)
    states = states.scatter_add(1, slot_BL[..., None].expand(B, L, D), states_BLD * real_BL[..., None])
    attention = attention_BL.new_zeros(B, L).scatter_add(1, slot_BL, attention_BL * real_BL)
    count = real_BL.new_zeros(B, L).scatter_add(1, slot_BL, real_BL)
    return Words(states[:, 1:], attention[:, 1:], count[:, 1:] > 0)


def padded(words: Words, num_words: int) -> Words:
    """The same words among exactly num_words, padding included. Raises ValueError where a text has more."""
    W = words.mask_BW.shape[1]
    if words.mask_BW[:, num_words:].any():
        raise ValueError(
            f"objectives.token_contrast.padded_words is {num_words}, and a text has {int(words.mask_BW.sum(1).max())} "
            "words; set it to task.max_text_tokens - 1"
        )
    more = max(0, num_words - W)
    return Words(
        functional.pad(words.states_BWD, (0, 0, 0, more))[:, :num_words],
        functional.pad(words.attention_BW, (0, more))[:, :num_words],
        functional.pad(words.mask_BW, (0, more))[:, :num_words],
    )


def clipped_weights(attention_BN: Tensor, counts_BN: Tensor) -> Tensor:
    """Clip each row's entries where counts_BN to their 10 % and 90 % quantiles, and divide by the row's sum."""
    attention_BN = attention_BN.detach().float()
    chosen = attention_BN.masked_fill(~counts_BN, float("nan"))
    low = torch.nanquantile(chosen, 0.1, dim=1, keepdim=True)
    high = torch.nanquantile(chosen, 0.9, dim=1, keepdim=True)
    clipped = torch.where(counts_BN, attention_BN.clamp(low, high), 0)
    return clipped / clipped.sum(1, keepdim=True).clamp(min=1e-12)  # all zero stays so


def token_contrast_loss(
    words_BWE: Tensor,
    word_mask_BW: Tensor,
    word_weights_BW: Tensor,
    patches_BPE: Tensor,
    patch_weights_BP: Tensor,
    temperature: float,
    padding_counts: bool = False,
) -> Tensor:
    """words_BWE, patches_BPE: unit vectors; weights sum to 1 per sample. Padded words are masked out of the patch
    side's attention, and of the word side's softmax denominators unless padding_counts."""
    words_BWE, patches_BPE = words_BWE.float(), patches_BPE.float()
    similar_BWP = words_BWE @ patches_BPE.transpose(1, 2) / temperature
    # the products of words and attended patches are taken over what is alike already, P or W wide instead of E
    share_BWP = similar_BWP.softmax(-1)
    length_BW = (share_BWP @ patches_BPE).norm(dim=-1).clamp(min=1e-12)  # the attended vector is normalised
    word_logits = similar_BWP @ share_BWP.transpose(1, 2) / length_BW[:, None]
    if not padding_counts:
        # a padded word keeps itself, so that its loss is 0 and not nan
        itself = torch.eye(word_mask_BW.shape[1], dtype=torch.bool, device=word_mask_BW.device)
        counts_BWW = (word_mask_BW[:, :, None] & word_mask_BW[:, None]) | itself
        word_logits = word_logits.masked_fill(~counts_BWW, float("-inf"))
    masked_BPW = similar_BWP.transpose(1, 2).masked_fill(~word_mask_BW[:, None], float("-inf"))
    # the attended vector is not normalised here, as in the reference values (docs/facts/mcg_alpro.md 6.2 M4)
    patch_logits = (masked_BPW.softmax(-1) @ similar_BWP).transpose(1, 2)
    return _matched(word_logits, word_weights_BW) + _matched(patch_logits, patch_weights_BP)


def _matched(logits_BNN: Tensor, weights_BN: Tensor) -> Tensor:
    """Weighted two-way cross-entropy with the diagonal as the truth, mean over the batch."""
    truth_B1N = logits_BNN.diagonal(dim1=1, dim2=2)
    rows = logits_BNN.logsumexp(2) - truth_B1N
    columns = logits_BNN.logsumexp(1) - truth_B1N
    return (weights_BN * (rows + columns)).sum(1).mean() / 2
