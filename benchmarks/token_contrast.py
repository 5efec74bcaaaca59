"""How fast is the token-grained contrast, forward and backward, ours beside the released form?

    PYTHONPATH=. python benchmarks/token_contrast.py [--rounds 5] [--threads 1]

Batch 16 at base size (768 channels, texts of 30 tokens, 196 patches, 4 frames) on the CPU, in fp32. Three scopes, each
to the gradients of its inputs:

    core         from unit vectors of patches and states of word pieces: merging, projecting words, both sides, the loss
    states       the same with the projection of patches to 256 channels, which both forms have to do alike
    whole        the same with the weights of patches, from the queries and keys of the last visual layer: all rows of
                 the attention of the 4 frames in the released form (which therefore cannot use SDPA), ours one row

The released form is written here from its description (docs/facts/mcg_alpro.md 3.3): a Python loop over samples and
tokens with `.item()`, quantiles sample by sample. Both are checked to give the same loss and gradients before anything
is timed. Texts are as long as captions are: 8 to 30 tokens, a third of the word pieces continuing a word.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import torch
from harness import compare
from torch import Tensor
from torch.nn import functional

from mcg.objectives.token_contrast import clipped_weights, merge_words, padded, token_contrast_loss

B, L, P, T, D, E, H = 16, 30, 196, 4, 768, 256, 12
TAU = 0.1
REPEATS = 20


def inputs() -> dict[str, Tensor]:
    """States of a batch and what attention is made of, from a seed."""
    g = torch.Generator().manual_seed(0)
    lengths = torch.randint(8, L + 1, (B,), generator=g)
    mask = torch.arange(L)[None] < lengths[:, None]
    continues = torch.rand((B, L), generator=g) < 1 / 3
    continues[:, :2] = False
    continues[torch.arange(B), lengths - 1] = False
    return {
        "text": torch.randn(B, L, D, generator=g).requires_grad_(),
        "patches": torch.randn(B, P, D, generator=g).requires_grad_(),
        "text_layer": torch.randn(E, D, generator=g).mul(D**-0.5).requires_grad_(),
        "video_layer": torch.randn(E, D, generator=g).mul(D**-0.5).requires_grad_(),
        "bias": torch.randn(E, generator=g).mul(0.1).requires_grad_(),
        "mask": mask,
        "words": ((~continues).long().cumsum(1) - 1) * mask,
        "text_attention": (torch.rand(B, L, generator=g) * mask),
        "patch_attention": torch.rand(B, P, generator=g),
        "unit": functional.normalize(torch.randn(B, P, E, generator=g), dim=-1).requires_grad_(),
        "queries": torch.randn(B * T, H, 1 + P, D // H, generator=g),
        "keys": torch.randn(B * T, H, 1 + P, D // H, generator=g),
    }


def ours(x: dict[str, Tensor], scope: str) -> Tensor:
    """As mcg/objectives/token_contrast.py calls it; padded words count, so that the losses are comparable."""
    patch_attention = _one_row(x) if scope == "whole" else x["patch_attention"]
    words = padded(merge_words(x["text"], x["text_attention"], x["words"], x["mask"]), L - 1)
    return token_contrast_loss(
        functional.normalize(functional.linear(words.states_BWD, x["text_layer"], x["bias"]), dim=-1),
        words.mask_BW,
        clipped_weights(words.attention_BW, words.attention_BW > 0),
        _patches(x, scope),
        clipped_weights(patch_attention, torch.ones_like(patch_attention, dtype=torch.bool)),
        TAU,
        padding_counts=True,
    )


def _patches(x: dict[str, Tensor], scope: str) -> Tensor:
    if scope == "core":
        return x["unit"]
    return functional.normalize(functional.linear(x["patches"], x["video_layer"], x["bias"]), dim=-1)


@torch.no_grad()
def _one_row(x: dict[str, Tensor]) -> Tensor:
    rows = ((x["keys"] @ x["queries"][:, :, 0, :, None]).squeeze(3) * (D // H) ** -0.5).softmax(-1)
    return rows[..., 1:].mean(1).view(B, T, P).mean(1)


def released(x: dict[str, Tensor], scope: str) -> Tensor:
    """The released form: loops over samples and tokens, cross-entropies over flattened rows."""
    patch_attention = _all_rows(x) if scope == "whole" else x["patch_attention"]
    states, weights, masks = [], [], []
    for b in range(B):
        merged: list[list[Tensor]] = []
        attentions: list[list[Tensor]] = []
        seen = -1
        for place in range(L):
            if not x["mask"][b, place].item():
                break
            word = int(x["words"][b, place].item())
            if word != seen:
                merged.append([])
                attentions.append([])
                seen = word
            merged[-1].append(x["text"][b, place])
            attentions[-1].append(x["text_attention"][b, place])
        sums = torch.stack([torch.stack(pieces).sum(0) for pieces in merged])[1:]
        parts = torch.stack([torch.stack(pieces).sum(0) for pieces in attentions])[1:]
        missing = L - 1 - len(sums)
        states.append(torch.cat([sums, torch.zeros(missing, D)]))
        weights.append(torch.cat([parts, torch.zeros(missing)]))
        masks.append(torch.arange(L - 1) >= len(sums))
    word_weights, pads = torch.stack(weights), torch.stack(masks)
    words = functional.normalize(functional.linear(torch.stack(states), x["text_layer"], x["bias"]), dim=-1)
    patches = _patches(x, scope)
    scores = functional.softmax(torch.bmm(words, patches.permute(0, 2, 1)) / TAU, dim=-1)
    attended = functional.normalize(torch.bmm(scores, patches), dim=-1)
    loss = _both_ways(torch.bmm(words, attended.permute(0, 2, 1)) / TAU, _clip_in_a_loop(word_weights))
    logits = torch.bmm(patches, words.permute(0, 2, 1)) / TAU
    logits = logits.masked_fill(pads[:, None].repeat(1, P, 1), float("-inf"))
    attended = torch.bmm(functional.softmax(logits, dim=-1), words)
    return loss + _both_ways(torch.bmm(patches, attended.permute(0, 2, 1)) / TAU, _clip_in_a_loop(patch_attention))


@torch.no_grad()
def _all_rows(x: dict[str, Tensor]) -> Tensor:
    maps = (x["queries"] @ x["keys"].transpose(2, 3) * (D // H) ** -0.5).softmax(-1)
    return maps[:, :, 0, 1:].mean(1).view(B, T, P).mean(1)


@torch.no_grad()
def _clip_in_a_loop(attention: Tensor) -> Tensor:
    rows = []
    for row in attention.detach().clone():
        chosen = row.nonzero().squeeze(1)
        low, high = torch.quantile(row[chosen], 0.1), torch.quantile(row[chosen], 0.9)
        row[chosen] = row[chosen].clip(low, high)
        rows.append(row / row.sum())
    return torch.stack(rows)


def _both_ways(logits: Tensor, weights: Tensor) -> Tensor:
    n = logits.shape[1]
    truth = torch.arange(n).repeat(B)
    total = torch.zeros(())
    for side in (logits, logits.permute(0, 2, 1)):
        losses = functional.cross_entropy(side.reshape(B * n, n), truth, reduction="none")
        total = total + (losses * weights.reshape(-1)).sum() / B
    return total / 2


SCOPES = ("core", "states", "whole")
FORMS: dict[str, Any] = {"ours": ours, "released": released}


def check() -> None:
    """Both forms give one loss and the same gradients."""
    for scope in SCOPES:
        results = []
        for form in FORMS.values():
            x = inputs()
            loss = form(x, scope)
            loss.backward()
            results.append([loss.detach(), *(t.grad for t in x.values() if t.grad is not None)])
        for a, b in zip(*results, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def time_form(form: str, scope: str) -> dict[str, float]:
    """Milliseconds of a forward and backward pass, median of REPEATS after two that are not counted."""
    x = inputs()
    wall, cpu = [], []
    for number in range(REPEATS + 2):
        for tensor in x.values():
            tensor.grad = None
        started, burnt = time.perf_counter(), time.process_time()
        FORMS[form](x, scope).backward()
        if number >= 2:
            wall.append(time.perf_counter() - started)
            cpu.append(time.process_time() - burnt)
    return {"ms": 1e3 * sorted(wall)[REPEATS // 2], "cpu_ms": 1e3 * sorted(cpu)[REPEATS // 2]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--case", nargs=3, metavar=("FORM", "SCOPE", "THREADS"), help="one measurement, as JSON")
    chosen = parser.parse_args()
    if chosen.case:
        form, scope, threads = chosen.case
        torch.set_num_threads(int(threads))
        print(json.dumps(time_form(form, scope)))
        return
    torch.set_num_threads(chosen.threads)
    check()
    cases = {f"{form}, {scope}": [form, scope, str(chosen.threads)] for scope in SCOPES for form in FORMS}
    found = compare("token contrast, batch 16, base", __file__, cases, chosen.rounds)["cases"]
    for scope in SCOPES:
        ratios = [found[f"released, {scope}"][name]["median"] / found[f"ours, {scope}"][name]["median"] for name in _MS]
        print(f"{scope}: {ratios[0]:.1f} times as fast as the released form ({ratios[1]:.1f} in CPU time)")


_MS = ("ms", "cpu_ms")


if __name__ == "__main__":
    main()
