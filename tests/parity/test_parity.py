"""`make parity`: with released weights our models give the released outputs, losses, gradients and answers.

Every case in tests/parity/golden, and in the folder that $GOLDEN names, is a test. Each of its output tensors is
compared: max |a - b| <= 1e-4 max |b|, token ids equal. A case of a kind that is not built yet is skipped with that
reason, never passed; a case of an unknown kind fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from mcg.convert.families import FAMILIES
from mcg.convert.rules import Family
from mcg.model.mcg import MCG
from mcg.model.parts.prompter import Prompter, prompt_features
from mcg.model.states import GenerationPlan
from mcg.objectives.classification import Classification
from mcg.objectives.config import (
    ClassificationConfig,
    ContrastiveConfig,
    EntityPromptingConfig,
    GenerationConfig,
    MaskedLMConfig,
    MatchingConfig,
    TokenContrastConfig,
)
from mcg.objectives.entity_prompting import EntityPrompting
from mcg.objectives.generation import Generation
from mcg.objectives.masked_lm import MaskedLM
from mcg.objectives.matching import Matching
from mcg.objectives.over_pairs.contrastive import Contrastive
from mcg.objectives.states import States
from mcg.objectives.token_contrast import TokenContrast, merge_words
from mcg.text import open_texts
from mcg.text.wordpiece import WordPieces
from tests.parity import released_t2vlp
from tests.parity.released import GOLDEN, Case, case_files, compare, read_case, released_mcg, released_model
from tests.parity.released_lavender import Compared, caption, choices, one_word, pretrain, retrieval
from tests.parity.released_swin import swin_maps

SEP = 102


def _pretrain(case: Case) -> None:
    given, facts = case.given, case.facts
    model, codec = released_mcg(case), WordPieces()
    labels, ids = given["mlm_labels"], given["input_ids"]
    L = ids.shape[1]
    words = torch.stack([torch.from_numpy(codec.words(line.numpy())) for line in ids])
    inputs = {
        "text_ids": ids,
        "text_mask": given["attention_mask"],
        "text_words": words,
        "masked_ids": given["mlm_input_ids"],
        "masked_mask": given["attention_mask"],
        "masked_labels": labels,
    }
    states = States(model, inputs, with_attention=True)
    # the reference has normalised pixels, so the video pass is run by hand
    states.video = model.vision(given["pixel_values"], with_attention=True)
    losses = {
        "vtc_loss": Contrastive(ContrastiveConfig())(states),
        "mlm_loss": MaskedLM(MaskedLMConfig())(states),
        "mcl_loss": TokenContrast(TokenContrastConfig(padded_words=L - 1))(states),
    }
    torch.stack(list(losses.values())).sum().backward()
    assert states.text.attention_BL is not None
    merged = merge_words(states.text.states_BLD, states.text.attention_BL, words, states.text.mask_BL)
    word_states = merged.states_BWD
    masked = model.fuse(model.encode_text(given["mlm_input_ids"], given["attention_mask"].bool()), states.video)
    logits = model.token_logits(masked.text_BLD[labels != -100])
    first = given["mlm_logits_first_masked"]
    outputs = {
        **losses,
        "mcl_loss_as_released": TokenContrast(TokenContrastConfig(padded_words=L - 1), compat="released")(states),
        "video_embeds": states.video.tokens_BVD,
        "video_feat": states.video_features,
        "text_feat": states.text_features,
        "mlm_logits_first_masked": logits[: len(first)],
        "word_attention": merged.attention_BW,
        "word_embeds": torch.cat([given["word_embeds"][:, :1], word_states], 1),  # the reference keeps [CLS]
    }
    _compare_all(case, outputs, set(inputs) | {"input_ids", "attention_mask", "mlm_input_ids", "mlm_labels"})
    compare("text_feat of [CLS]", states.text.states_BLD[:, 0], given["word_embeds"][:, 0])
    _compare_gradients(facts["grad_norm"], model, FAMILIES["mcg"])


def _qa(case: Case) -> None:
    given = case.given
    model = released_mcg(case, compat="released")  # the released decoder attends to the padding of questions
    with torch.no_grad():
        video = model.vision(given["pixel_values"])
        text = model.encode_text(given["question_ids"], given["question_mask"].bool())
        memory = model.fuse(text, video)
        plan = GenerationPlan(start_id=30522, end_id=SEP, pad_id=0, num_beams=3, max_tokens=10)
        found = model.generate(memory, plan)
        states = States(model, {"answer_ids": given["answer_ids"], "answer_mask": given["answer_mask"]}, False)
        states.fused = memory
        loss = Generation(GenerationConfig(label_smoothing=0.1))(states)
    outputs = {
        "video_embeds": video.tokens_BVD,
        "fused": torch.cat([memory.text_BLD, memory.video_BVD], 1),
        "generated": found.ids_BA,
        "generated_scores": _released_scores(found.ids_BA, found.scores_B),
        "loss": loss,
    }
    _compare_all(case, outputs, {"question_ids", "question_mask", "answer_ids", "answer_mask", "answer_targets"})
    assert [WordPieces().decode(line.numpy()) for line in found.ids_BA] == case.facts["predictions"]


def _alpro_qa(case: Case) -> None:
    given = case.given
    text = {"num_fusion_layers": case.facts["config"]["layers"] // 2, "num_decoder_layers": 0, "token_head": "none"}
    heads = {"matching_head": True, "num_classes": case.facts["config"]["num_labels"]}
    model = released_model(case, "alpro", text, vocab_size=30522, **heads)
    inputs = {"text_ids": given["input_ids"], "text_mask": given["attention_mask"], "label": given["labels"]}
    with torch.no_grad():
        states = States(model, inputs, with_attention=False)
        states.video = model.vision(given["pixel_values"])
        outputs = {
            "logits": model.classify(states.fused),
            "loss": Classification(ClassificationConfig())(states),
        }
    _compare_all(case, outputs, {"input_ids", "attention_mask", "labels"})


def _alpro(case: Case, family: str = "alpro", **fields: Any) -> MCG:
    text = {"num_fusion_layers": case.facts["config"]["layers"] // 2, "num_decoder_layers": 0, "token_head": "tied"}
    return released_model(case, family, text, vocab_size=30522, **fields)


def _alpro_retrieval(case: Case) -> None:
    given = case.given
    model = _alpro(case, matching_head=True)
    inputs = {"text_ids": given["input_ids"], "text_mask": given["attention_mask"]}
    with torch.no_grad():
        states = States(model, inputs, with_attention=False)
        states.video = model.vision(given["pixel_values"])
        count = len(given["input_ids"])
        video, text = (index.reshape(-1) for index in torch.meshgrid(*[torch.arange(count)] * 2, indexing="ij"))
        fused = model.fuse(states.text.rows(text), states.video.rows(video))
        outputs = {
            "contrastive_scores": states.video_features @ states.text_features.T / model.temperature,
            "match_logits": model.match_logits(fused).view(count, count, 2),
            "vtc_loss": Contrastive(ContrastiveConfig())(states),
            "vtm_loss": Matching(MatchingConfig(negatives="hardest"))(states),
        }
    _compare_all(case, outputs, {"input_ids", "attention_mask"})


def _alpro_pretrain(case: Case) -> None:
    """Regions and crops are given, no sample is dropped; the reference has normalised pixels, so the video passes are
    run by hand."""
    given, facts = case.given, case.facts
    entities, templates = facts["entities"], [facts["video_templates"], facts["image_templates"]]
    model, teacher = _alpro(case, matching_head=True, num_entities=len(entities)), _alpro(case, "alpro_prompter")
    features = [prompt_features(teacher, open_texts(teacher.config), entities, t, CPU) for t in templates]
    prompter = Prompter(teacher, *features)
    settings = {"prompter": "", "entities": "", "num_entities": len(entities), "min_confidence": 0.0}
    objective = EntityPrompting(EntityPromptingConfig.model_validate(settings))
    objective.teach_with(prompter)
    ids, pixels = given["input_ids"], given["pixel_values"]
    inputs = {
        "text_ids": ids,
        "text_mask": given["attention_mask"],
        "masked_ids": given["mlm_input_ids"],
        "masked_mask": given["attention_mask"],
        "masked_labels": given["mlm_labels"],
        "frames": torch.zeros(*pixels.permute(0, 1, 3, 4, 2).shape, dtype=torch.uint8),
    }
    states = States(model, inputs, with_attention=False)
    states.video = model.vision(pixels)
    inside = given["region_mask"].flatten(1) == 0
    is_image = torch.full((len(ids),), facts["config"]["kind"] == "image")
    labels = prompter.probabilities(teacher.video_features(teacher.vision(given["crop_pixel_values"])), is_image)
    with patch.object(objective, "_regions", lambda *_: inside), patch.object(objective, "_labels", lambda *_: labels):
        losses = {
            "vtc_loss": Contrastive(ContrastiveConfig())(states),
            "vtm_loss": Matching(MatchingConfig(negatives="hardest"))(states),
            "mlm_loss": MaskedLM(MaskedLMConfig())(states),
            "pem_loss": objective(states),
        }
    torch.stack(list(losses.values())).sum().backward()
    region = states.fused.video_BVD[:, 1:].mul(inside[..., None]).sum(1) / inside.sum(1)[:, None]
    outputs = {
        **losses,
        "video_prompt_feat": features[0],
        "image_prompt_feat": features[1],
        "crop_entity_probs": labels,
        "pem_soft_labels": labels,
        "pem_logits": model.entity_logits(region),
        "vtm_logits": _matching_logits(model, states, facts),
    }
    _compare_all(case, outputs, {*set(inputs), *ALPRO_INPUTS})
    _compare_gradients(facts["grad_norm"], model, FAMILIES["alpro"])


ALPRO_INPUTS = ("input_ids", "attention_mask", "mlm_input_ids", "mlm_labels", "region_mask", "crop_pixel_values")
CPU = torch.device("cpu")


def _matching_logits(model: MCG, states: States, facts: dict[str, Any]) -> Tensor:
    """Own pairs, own texts with the released videos, the released texts with own videos."""
    text = torch.tensor(facts["hardest_negative_text_per_video"])
    video = torch.tensor(facts["hardest_negative_video_per_text"])
    own = torch.arange(len(text))
    rows = [(own, own), (own, video), (text, own)]
    return torch.cat([model.match_logits(model.fuse(states.text.rows(t), states.video.rows(v))) for t, v in rows])


def _released_scores(ids_BA: Tensor, scores_B: Tensor) -> Tensor:
    """Ours are means over the tokens after [DEC]; the release divides by the tokens before [SEP], [DEC] counted."""
    after_end_BA = (ids_BA == SEP).cumsum(1) - (ids_BA == SEP).long() > 0
    length_B = (~after_end_BA).sum(1)
    ended_B = (ids_BA == SEP).any(1).long()
    return scores_B * (length_B - 1) / (length_B - ended_B)


def _compare_all(case: Case, outputs: dict[str, Tensor], inputs: set[str]) -> None:
    left_out = set(case.given) - set(outputs) - inputs - {"pixel_values"}
    assert not left_out, f"{case.name}: not compared: {sorted(left_out)}"
    for name, found in outputs.items():
        compare(name, found.detach(), case.given[name])


def _compare_gradients(expected: dict[str, float], model: torch.nn.Module, family: Family) -> None:
    """Norms of all gradients by released key; those that are zero but for rounding are compared with the largest."""
    largest = max(expected.values())
    for key, norm in expected.items():
        rule = next(rule for rule in family.rules if rule.apply(key) is not None)
        names = rule.apply(key) or ()
        gradients = [model.get_parameter(name).grad for name in (names if rule.form == "cut" else names[:1])]
        assert gradients and all(gradient is not None for gradient in gradients), key
        flat = torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])
        # the cases took it in float32 or float64, which are 1e-4 apart for the gradient of a whole vocabulary
        found = min((float(flat.norm()), float(flat.double().norm())), key=lambda found: abs(found - norm))
        assert abs(found - norm) <= 1e-4 * max(norm, 1e-3 * largest), f"gradient of {key}: {found}, {norm}"


def _video_swin(case: Case) -> None:
    """As released; by the corrected offsets too, where no window is cut in space."""
    _compare_all(case, swin_maps(case, "released"), set())
    corrected = swin_maps(case, "corrected")["feature_map"]
    if not case.name.startswith("video_swin_clipped"):
        compare("feature_map, corrected", corrected, case.given["feature_map"])
        return
    expected = case.given["feature_map"]
    share = float((corrected - expected).abs().max() / expected.abs().max())
    assert share == pytest.approx(0.07, abs=0.005), "true offsets give a map that differs by 7 %"


_OF_PADDING = {"input_ids", "attention_mask", "frame_mask"}
_GIVEN = {"hard_negative_text_per_video", "hard_negative_video_per_text", "mlm_positions", "plm_start", "answer_ids"}


def _t2vlp_visual(case: Case) -> None:
    _compare_all(case, released_t2vlp.visual(case), _OF_PADDING)


def _t2vlp(check: Callable[[Case], Any], case: Case) -> None:
    """Outputs, and the gradients of each loss."""
    outputs, losses = check(case)
    inputs = {*_OF_PADDING, *_GIVEN, "pair_input_ids", "pair_attention_mask"}
    inputs |= {name for name in case.given if name.startswith("grad_")}
    _compare_all(case, outputs, inputs)
    for name, (model, loss) in losses.items():
        loss.backward()
        _compare_gradients(case.facts["grad_norm"][name], model, FAMILIES["t2vlp"])
        if name.startswith("total"):
            _compare_tensors(case, model, name)


def _compare_tensors(case: Case, model: torch.nn.Module, loss: str) -> None:
    """The gradients that a case holds whole."""
    block = case.facts["config"]["joint_from_block"] - 1
    names = {
        "grad_centers": ("tubes.centres", False),
        "grad_center_projection": ("tubes.text_proj.weight", False),
        "grad_last_perframe_block_ln_1": (f"vision.blocks.{block}.layer_norm1.weight", False),
        "grad_local_proj": ("tubes.head.proj.weight", True),
        "grad_logit_scale": ("logit_scale", False),
        "grad_match_matrix": ("match.match.weight", True),
    }
    for key, expected in case.given.items():
        of_loss = key.endswith(f"_{loss}") if "_total" in key else loss == "total"
        if key.startswith("grad_") and of_loss:
            name, transposed = names[key.removesuffix(f"_{loss}")]
            found = model.get_parameter(name).grad
            assert found is not None
            compare(key, (found.T if transposed else found).reshape(expected.shape), expected)


def _lavender(check: Callable[[Case], Compared], case: Case) -> None:
    outputs, inputs, model = check(case)
    _compare_all(case, outputs, {*inputs, "input_ids", "attention_mask", "vocab_columns"})
    if "grad_norm" in case.facts:
        expected = {key: norm for key, norm in case.facts["grad_norm"].items() if not key.endswith("self.key.bias")}
        _compare_gradients(expected, model, FAMILIES["lavender"])


CHECKS: dict[str, Callable[[Case], None]] = {
    "mcg_pretrain": _pretrain,
    "mcg_qa": _qa,
    "alpro_pretrain": _alpro_pretrain,
    "alpro_qa": _alpro_qa,
    "alpro_retrieval": _alpro_retrieval,
    **dict.fromkeys(("video_swin", "video_swin_padded", "video_swin_clipped"), _video_swin),
    "t2vlp_visual": _t2vlp_visual,
    "t2vlp_stage1": partial(_t2vlp, released_t2vlp.stage1),
    "t2vlp_stage2": partial(_t2vlp, released_t2vlp.stage2),
    "t2vlp_retrieval": partial(_t2vlp, released_t2vlp.retrieval),
    "t2vlp_caption": partial(_t2vlp, released_t2vlp.caption),
    "t2vlp_qa": partial(_t2vlp, released_t2vlp.questions),
    "lavender_pretrain": partial(_lavender, pretrain),
    "lavender_retrieval": partial(_lavender, retrieval),
    "lavender_openqa": partial(_lavender, one_word),
    "lavender_openqa_prompt": partial(_lavender, one_word),
    "lavender_openqa_task_token": partial(_lavender, one_word),
    "lavender_fib": partial(_lavender, one_word),
    "lavender_multiple_choice_digit": partial(_lavender, choices),
    "lavender_multiple_choice_true_false": partial(_lavender, choices),
    **dict.fromkeys(
        ("lavender_caption", "lavender_caption_stop", "lavender_caption_prompt"), partial(_lavender, caption)
    ),
}
"""By kind: the name of a case without its last word."""

NOT_BUILT = {
    "norton": "Norton",
}
"""What the cases of kinds without a check wait for: a kind, or the first words of several kinds."""


@pytest.mark.parametrize("name", case_files())
def test_case(name: str) -> None:
    kind = re.sub(r"_[^_]+$", "", name)
    if kind in CHECKS:
        CHECKS[kind](read_case(name))
        return
    waits_for = [what for words, what in NOT_BUILT.items() if f"{kind}_".startswith(f"{words}_")]
    assert waits_for, f"{name}: no check for kind {kind}; add one to CHECKS (there are {sorted(CHECKS)})"
    pytest.skip(f"{name}: {waits_for[0]} is not built yet")


def test_every_kind_has_one_case_here() -> None:
    kinds = [re.sub(r"_[^_]+$", "", file.stem) for file in GOLDEN.glob("*.json")]
    assert len(kinds) == len(set(kinds)) and set(CHECKS) <= set(kinds)
    readme = (GOLDEN / "README.md").read_text()
    assert [kind for kind in kinds if not re.search(rf"\b{kind}\b", readme)] == []
    assert sum(file.stat().st_size for file in GOLDEN.iterdir()) <= 12_000_000
