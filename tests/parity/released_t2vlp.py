"""T2VLP's cases of reference values: its model with the weights of one, and what each kind of case is compared with.

Frames beyond the valid ones take part in joint attention and tubes, as released (`padding: attends`), and not in the
mean of frames. `*_corrected` are with `match_norm: row`, `*_as_released` with `batch`. Logits of a case are those of
every 97th column of the vocabulary; pixels are normalised.
"""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional

from mcg.convert.account import Conversion
from mcg.convert.convert import convert
from mcg.convert.families import FAMILIES
from mcg.model.parts.clip_decoder import towers_decoder
from mcg.model.states import Fused, GenerationPlan, TextStates, VideoStates
from mcg.model.t2vlp import T2vlp
from mcg.model.t2vlp_config import T2vlpConfig
from mcg.objectives.config import (
    ContrastiveConfig,
    MaskedLMConfig,
    MatchingConfig,
    PrefixLMConfig,
    TubeAlignmentConfig,
)
from mcg.objectives.masked_lm import MaskedLM
from mcg.objectives.matching import Matching
from mcg.objectives.over_pairs.contrastive import Contrastive
from mcg.objectives.prefix_lm import PrefixLM
from mcg.objectives.states import States
from mcg.objectives.tube_alignment import TubeAlignment
from mcg.text.byte_pair_texts import BytePairTexts
from mcg.text.texts import NO_LABEL
from tests.parity.released import Case, released_state

_COLUMNS = 97


def released_t2vlp(case: Case, middle_gradient: bool = False, input_gradient: bool = True, **fields: Any) -> T2vlp:
    """Our model with the weights of a case through the converter, in evaluation mode."""
    config, conversion = conversion_of(case, middle_gradient, input_gradient, **fields)
    conversion.check(case.name)
    model = T2vlp(config, BytePairTexts())
    lacking = model.load_state_dict(conversion.state, strict=False)
    assert not lacking.unexpected_keys and set(lacking.missing_keys) <= {"words.decoder.weight"}, lacking
    return model.eval()


def conversion_of(
    case: Case, middle_gradient: bool = False, input_gradient: bool = True, **fields: Any
) -> tuple[T2vlpConfig, Conversion]:
    """Our config of a case, and its weights converted."""
    sizes, state = case.facts["config"], released_state(case)
    E = sizes["embed_dim"]
    vision = {name: sizes[f"vision_{name}"] for name in ("width", "layers", "heads")}
    text = {name: sizes[f"text_{name}"] for name in ("width", "layers", "heads")}
    config: dict[str, Any] = {
        "name": "t2vlp",
        "max_frames": sizes["frames"],
        "padding": "attends",
        "vision": {
            **_numbered(vision),
            "image_size": sizes["image_size"],
            "patch_size": sizes["patch_size"],
            "contrastive_width": E,
            "joint_from": sizes["joint_from_block"],
        },
        "text": {**_numbered(text), "max_positions": sizes["context_length"], "contrastive_width": E},
        "tubes": {
            "num_centres": sizes["centers"],
            "num_layers": sizes["local_layers"],
            "middle_gradient": middle_gradient,
        },
        "fusion": None,
        **fields,
    }
    if "clip.fusion_logit_bias" in state:
        layers = {"width": E, "layers": sizes["fusion_layers_run"], "heads": E // 64}
        places = {"max_positions": sizes["context_length"], "dropout": 0.0, "input_gradient": input_gradient}
        config["fusion"] = {**_numbered(layers), **places}
    for key, entries in case.facts.get("set_after_rule", {}).items():
        for place, value in entries.items():
            state[key][int(place)] = value
    checked, texts = T2vlpConfig.model_validate(config), BytePairTexts()
    return checked, convert(state, FAMILIES["t2vlp"], lambda model: T2vlp(model, texts), checked)


def _numbered(sizes: dict[str, int]) -> dict[str, int]:
    return {"width": sizes["width"], "num_layers": sizes["layers"], "num_heads": sizes["heads"]}


def _states(model: T2vlp, case: Case, **more: Tensor) -> States:
    """The states of a case, whose clips have frames of padding."""
    given = case.given
    inputs = {"text_ids": given["input_ids"], "text_mask": given["attention_mask"], **more}
    states = States(model, inputs, with_attention=False)
    states.video = model.encode_pixels(given["pixel_values"], given["frame_mask"].bool())
    return states


def _similarity(states: States) -> Tensor:
    """Rows are texts."""
    return states.text_features @ states.video_features.T / states.model.temperature


def _centres_in_words(states: States) -> Tensor:
    text = states.text
    assert states.video.parts is not None
    logits = states.video.parts["centres_BKE"] @ text.states_BLD.transpose(1, 2)
    return logits.masked_fill(~text.mask_BL[:, None], float("-inf")).softmax(-1) @ text.states_BLD


@torch.no_grad()
def visual(case: Case) -> dict[str, Tensor]:
    """What a case of both towers holds, by its names."""
    model, given = released_t2vlp(case), case.given
    assert model.tubes is not None
    steps = {
        "patch_embeddings_after_ln_pre": model.vision.norm_pre,
        "block_first": model.vision.blocks[0],
        "first_joint_block_output": model.vision.blocks[case.facts["config"]["joint_from_block"]],
        "local_transformer_output": model.tubes.blocks,
    }
    found: dict[str, Tensor] = {}
    for name, step in steps.items():
        shape = given[name].shape
        step.register_forward_hook(lambda *call, name=name, shape=shape: found.update({name: call[2].view(shape)}))
    sequences = given["tube_sequences"].shape
    model.tubes.blocks.register_forward_pre_hook(
        lambda _, inputs: found.update({"tube_sequences": inputs[0].view(sequences)})
    )
    model.vision.register_forward_hook(
        lambda *call: found.update({"middle_features": call[2].middle_BTVD, "last_block_output": call[2].last_BTVD})
    )
    model.tubes.register_forward_hook(
        lambda *call: found.update(
            {"tube_patch_attention": call[2].attention_BKTP, "centers_in_text_space": call[2].centres_KE}
        )
    )
    states = _states(model, case)
    tubes = states.video.tokens_BVD.shape[1] - case.facts["config"]["centers"]
    words = states.text.states_BLD
    last_B = given["attention_mask"].sum(1) - 1
    return found | {
        "frame_tokens": states.video.tokens_BVD[:, 1:tubes],
        "tube_tokens": states.video.tokens_BVD[:, tubes:],
        "word_tokens": words,
        "text_embedding": words[torch.arange(len(last_B)), last_B],
        "video_embedding": states.video_features,
        "similarity": _similarity(states),
    }


def stage1(case: Case) -> tuple[dict[str, Tensor], dict[str, tuple[T2vlp, Tensor]]]:
    """Outputs by name; and by name of gradient norms the model and the loss they are of."""
    outputs, losses = {}, {}
    for name in case.facts["grad_norm"]:
        model = released_t2vlp(case, middle_gradient=True)
        states = _states(model, case)
        contrast, align = Contrastive(ContrastiveConfig())(states), TubeAlignment(TubeAlignmentConfig())(states)
        losses[name] = (model, {"contrastive": contrast, "align": align, "total": contrast + align}[name])
        assert states.video.parts is not None
        outputs = {
            "contrastive_loss": contrast,
            "align_loss": align,
            "total_loss": contrast + align,
            "similarity": _similarity(states),
            "tube_tokens": states.video.parts["tubes_BKE"],
            "text_centers": _centres_in_words(states),
        }
    return outputs, losses


class _Fused(nn.Module):
    """The three pairs of each sample of a case, in its order: the own one, hard video, hard text."""

    def __init__(self, model: T2vlp, states: States, case: Case) -> None:
        super().__init__()
        hard_text_B = case.given["hard_negative_text_per_video"]
        hard_video_B = case.given["hard_negative_video_per_text"]
        own_B = torch.arange(len(hard_text_B))
        text_P = torch.stack([own_B, own_B, hard_text_B], 1).flatten()
        video_P = torch.stack([own_B, hard_video_B, own_B], 1).flatten()
        self.fused = model.fuse(states.text.rows(text_P), states.video.rows(video_P))


def _matching(model: T2vlp, states: States, case: Case) -> Tensor:
    negatives = case.given["hard_negative_text_per_video"], case.given["hard_negative_video_per_text"]
    with patch.object(Matching, "_negatives", lambda *_: negatives):
        return Matching(MatchingConfig())(states)


def _masked(case: Case, empty_id: int) -> dict[str, Tensor]:
    ids, masked = case.given["input_ids"], case.given["mlm_positions"].bool()
    return {
        "masked_ids": ids.masked_fill(masked, empty_id),
        "masked_mask": case.given["attention_mask"],
        "masked_labels": ids.masked_fill(~masked, NO_LABEL),
    }


def _prefix_labels(case: Case, start_B: Tensor) -> Tensor:
    """The next token from a place on, up to the end."""
    ids, mask = case.given["input_ids"], case.given["attention_mask"].bool()
    labels = torch.full_like(ids, NO_LABEL)
    asked = mask[:, 1:] & (torch.arange(ids.shape[1] - 1) >= start_B[:, None])
    labels[:, :-1][asked] = ids[:, 1:][asked]
    return labels


def stage2(case: Case) -> tuple[dict[str, Tensor], dict[str, tuple[T2vlp, Tensor]]]:
    """As stage1."""
    outputs: dict[str, Tensor] = {}
    losses = {}
    for name in case.facts["grad_norm"]:
        released = name in ("vtm", "total")
        model = released_t2vlp(case, tower_gradient=False, match_norm="batch" if released else "row")
        arrays = _masked(case, model._empty_id) | {"prefix_labels": _prefix_labels(case, case.given["plm_start"])}
        states = _states(model, case, **arrays)
        mlm, plm = MaskedLM(MaskedLMConfig())(states), PrefixLM(PrefixLMConfig())(states)
        vtm, align = _matching(model, states, case), TubeAlignment(TubeAlignmentConfig())(states)
        total = mlm + plm + vtm + align
        of_match = {"vtm": vtm, "vtm_corrected": vtm, "total": total, "total_corrected": total}
        losses[name] = (model, {"mlm": mlm, "plm": plm, "align": align, **of_match}[name])
        with torch.no_grad():
            fused = _Fused(model, states, case).fused
            version = "as_released" if released else "corrected"
            outputs |= {
                f"vtm_logits_{version}": model.match_logits(fused),
                f"vtm_loss_{version}": vtm,
                f"total_{version}": total,
            }
            if released:
                continue
            assert states.video.parts is not None
            masked = model.fuse(states.masked_text, states.video)
            causal = model.fuse(states.text, states.video, causal=True)
            asked = arrays["prefix_labels"] != NO_LABEL
            outputs |= {
                "mlm_loss": mlm,
                "plm_loss": plm,
                "align_loss": align,
                "mlm_logits_every_97th": model.token_logits(masked.text_BLD[case.given["mlm_positions"].bool()]),
                "plm_logits_every_97th": model.token_logits(causal.text_BLD[asked]),
                "mlm_target_ids": arrays["masked_labels"][arrays["masked_labels"] != NO_LABEL],
                "plm_target_ids": arrays["prefix_labels"][asked],
                "mlm_fusion_output": _real(case, masked, "mlm_fusion_output"),
                "plm_fusion_output": _real(case, causal, "plm_fusion_output"),
                "vtm_video_state": fused.video_BVD[:, 0],
                "vtm_text_state": fused.at_slot(),
                "similarity": _similarity(states),
                "tube_tokens": states.video.parts["tubes_BKE"],
                "text_centers": _centres_in_words(states),
            }
    outputs = {name: found[:, ::_COLUMNS] if name.endswith("97th") else found for name, found in outputs.items()}
    targets = torch.tensor([1, 0, 0]).repeat(len(case.given["input_ids"]))
    return outputs | {"vtm_targets": targets}, losses


def _real(case: Case, fused: Fused, name: str) -> Tensor:
    """Outputs of a fusion, those of padding as the case has them: nothing reads them."""
    real_BF = torch.cat([fused.video_mask_BV, fused.text_mask_BL], 1)
    return torch.where(real_BF[..., None], torch.cat([fused.video_BVD, fused.text_BLD], 1), case.given[name])


def retrieval(case: Case) -> tuple[dict[str, Tensor], dict[str, tuple[T2vlp, Tensor]]]:
    """As stage1."""
    outputs: dict[str, Tensor] = {}
    losses = {}
    for name in case.facts["grad_norm"]:
        released = name.endswith("as_released")
        model = released_t2vlp(case, input_gradient=False, match_norm="batch" if released else "row")
        states = _states(model, case)
        vtm = _matching(model, states, case)
        contrast, align = Contrastive(ContrastiveConfig())(states), TubeAlignment(TubeAlignmentConfig())(states)
        of_match = {"vtm_as_released": vtm, "vtm_corrected": vtm, "total_corrected": vtm + contrast + align}
        losses[name] = (model, {"contrastive": contrast, "align": align, **of_match}[name])
        version = "as_released" if released else "corrected"
        with torch.no_grad():
            outputs |= {
                f"vtm_loss_{version}": vtm,
                f"vtm_logits_{version}": model.match_logits(_Fused(model, states, case).fused),
                "contrastive_loss": contrast,
                "align_loss": align,
                "similarity": _similarity(states),
                **_reranked(model, states, case.facts["rerank_depth"], version),
            }
    targets = torch.tensor([1, 0, 0]).repeat(len(case.given["input_ids"]))
    return outputs | {"vtm_targets": targets}, losses


def _reranked(model: T2vlp, states: States, depth: int, version: str) -> dict[str, Tensor]:
    """The matrices of a case, whose rows are queries, by the release's own formula."""
    similarity, found = _similarity(states), {}
    for name, matrix in (("t2v", similarity), ("v2t", similarity.T)):
        best = matrix.topk(depth, 1)
        reranked = matrix.clone()
        for query, others in enumerate(best.indices):
            own = torch.full_like(others, query)
            text_N, video_N = (own, others) if name == "t2v" else (others, own)
            logits = model.match_logits(model.fuse(states.text.rows(text_N), states.video.rows(video_N)))
            reranked[query, others] = best.values[query].softmax(0) * logits.softmax(-1)[:, 1] * 1000 + 1000
        found |= {f"reranked_{name}_{version}": reranked, f"rerank_candidates_{name}": best.indices}
    return found


def caption(case: Case) -> tuple[dict[str, Tensor], dict[str, tuple[T2vlp, Tensor]]]:
    """As stage1; ids and log-probabilities up to the end of each caption."""
    outputs: dict[str, Tensor] = {}
    losses = {}
    labels = _prefix_labels(case, torch.zeros(len(case.given["input_ids"]), dtype=torch.int64))
    for name in case.facts["grad_norm"]:
        model = released_t2vlp(case)
        states = _states(model, case, prefix_labels=labels)
        words = PrefixLM(PrefixLMConfig())(states)
        contrast, align = Contrastive(ContrastiveConfig())(states), TubeAlignment(TubeAlignmentConfig())(states)
        total = words + contrast + align
        losses[name] = (model, {"caption": words, "contrastive": contrast, "align": align, "total": total}[name])
        outputs = {"caption_loss": words, "contrastive_loss": contrast, "align_loss": align}
        outputs["similarity"] = _similarity(states)
    with torch.no_grad():
        fused = model.fuse(states.text, states.video, causal=True)
        logits = model.token_logits(fused.text_BLD[labels != NO_LABEL])
        outputs |= {
            "caption_logits_every_97th": logits[:, ::_COLUMNS],
            "caption_target_ids": labels[labels != NO_LABEL],
            **_greedy(model, states.video, case),
        }
    return outputs, losses


def _greedy(model: T2vlp, video: VideoStates, case: Case) -> dict[str, Tensor]:
    """Ids and log-probabilities of the likeliest words by the cached decoder; behind the end those of the case."""
    facts, given = case.facts, case.given
    num_steps = given["greedy_ids"].shape[1]
    plan = GenerationPlan(facts["sot_id"], facts["eot_id"], 0, 1, num_steps + 1)
    ids_BA = model.caption(_no_words(model, len(video.mask_BV)), video, plan).ids_BA[:, 1:]
    assert model.fusion is not None
    sentences = towers_decoder(model.text, model.fusion, model.words, video.tokens_BVD, video.mask_BV, plan)
    word_B1 = torch.full_like(ids_BA[:, :1], plan.start_id)
    best, log_probs = [], []
    for _ in range(num_steps):
        log_probs.append(sentences.add(word_B1, torch.zeros_like(word_B1))[:, 0].log_softmax(-1))
        best.append(log_probs[-1].topk(2, -1))
        word_B1 = best[-1].indices[:, :1]
    ids, log_prob, second = (
        torch.stack([found[:, place] for found in parts], 1)
        for parts, place in (
            ([top.indices for top in best], 0),
            ([top.values for top in best], 0),
            ([top.values for top in best], 1),
        )
    )
    written = (ids == plan.end_id).cumsum(1) <= (ids == plan.end_id).int()  # the end itself, and what is before it
    assert torch.equal(ids_BA[written], ids[written]), "beam search of one beam writes the likeliest words"
    for found, expected in zip(ids, facts["greedy_until_eot"], strict=True):
        assert found[: len(expected)].tolist() == expected
    return {
        "greedy_ids": torch.where(written, ids, given["greedy_ids"]),
        "greedy_log_prob": torch.where(written, log_prob, given["greedy_log_prob"]),
        "greedy_second_log_prob": torch.where(written, second, given["greedy_second_log_prob"]),
        "greedy_step0_log_probs_every_97th": log_probs[0][:, ::_COLUMNS],
    }


def _no_words(model: T2vlp, count: int) -> TextStates:
    none = torch.zeros(count, 0, dtype=torch.int64)
    return model.encode_text(none, none.bool())


def questions(case: Case) -> tuple[dict[str, Tensor], dict[str, tuple[T2vlp, Tensor]]]:
    """As stage1; the slot stands behind the padded question."""
    model, given = released_t2vlp(case), case.given
    pair = {"text_ids": given["pair_input_ids"], "text_mask": given["pair_attention_mask"]}
    states = _states(model, case)
    slot_B1 = torch.full_like(given["input_ids"][:, :1], model._empty_id)
    ids = torch.cat([given["input_ids"], slot_B1], 1)
    mask = torch.cat([given["attention_mask"], torch.ones_like(slot_B1)], 1).bool()
    logits = model.token_logits(model.fuse(model.encode_text(ids, mask), states.video).at_slot())
    answer = functional.cross_entropy(logits, given["answer_ids"])
    pairs = States(model, pair, with_attention=False)
    pairs.video = states.video
    contrast = Contrastive(ContrastiveConfig())(pairs)
    outputs = {
        "answer_logits_every_97th": logits[:, ::_COLUMNS],
        "answer_logsumexp": logits.logsumexp(-1),
        "answer_logit_of_target": logits.gather(1, given["answer_ids"][:, None])[:, 0],
        "answer_argmax": logits.argmax(-1),
        "answer_top2": logits.topk(2).values if given["answer_top2"].is_floating_point() else logits.topk(2).indices,
        "answer_loss": answer,
        "contrastive_loss": contrast,
        "total_loss": answer + contrast,
        "similarity": _similarity(pairs),
    }
    return outputs, {"total": (model, answer + contrast)}
