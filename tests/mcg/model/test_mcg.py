"""MCG as a whole: pixels, projections, temperature, widths, and activation checkpointing over all losses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mcg.model.mcg import MCG, PIXEL_MEAN, PIXEL_STD
from mcg.model.mcg_config import MCGConfig
from mcg.model.parts.configs import TimeSformerConfig
from mcg.model.states import Fused, GenerationPlan
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from tests.mcg.small_model import OBJECTIVES, make_inputs, make_model, text_config, vision_config

INPUTS = make_inputs()
PLAN = GenerationPlan(start_id=3, end_id=2, pad_id=0, num_beams=2, max_tokens=5)


def test_the_verbs_fit_together() -> None:
    model = make_model().eval()
    video = model.encode_video(INPUTS["frames"])
    text = model.encode_text(INPUTS["text_ids"], INPUTS["text_mask"].bool())
    fused = model.fuse(text, video)
    assert fused.text_BLD.shape == (4, 8, 16) and fused.video_BVD.shape == (4, 5, 16)
    answers = model.decode(INPUTS["answer_ids"], INPUTS["answer_mask"].bool(), fused)
    assert model.answer_logits(answers).shape == (4, 8, 50)
    assert model.token_logits(fused.text_BLD[:, 0]).shape == (4, 50)
    ids, scores = model.generate(fused, PLAN)
    assert torch.equal(model.caption(text, video, PLAN).ids_BA, ids)
    assert scores.shape == (4,) and (scores < 0).all()
    assert ids.shape[0] == 4 and ids.shape[1] <= 5 and (ids[:, 0] == 3).all()


def _fused(states: torch.Tensor, mask: torch.Tensor) -> Fused:
    """Fused texts of these states, with videos of five tokens."""
    B = len(states)
    video = torch.randn(B, 5, 16, generator=torch.Generator().manual_seed(2))
    return Fused(states, mask, video, torch.ones(B, 5, dtype=torch.bool))


def test_heads_read_the_fused_cls() -> None:
    model = make_model(matching_head=True, num_classes=7).eval()
    fused = _fused(torch.randn(3, 4, 16), torch.ones(3, 4, dtype=torch.bool))
    other = _fused(torch.cat([fused.text_BLD[:, :1], torch.zeros(3, 3, 16)], 1), fused.text_mask_BL)
    assert model.match_logits(fused).shape == (3, 2) and model.classify(fused).shape == (3, 7)
    torch.testing.assert_close(model.match_logits(fused), model.match_logits(other))
    torch.testing.assert_close(model.classify(fused), model.classify(other))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model, states: model.match_logits(states), r"no head for matching; set model\.matching_head: true"),
        (lambda model, states: model.classify(states), r"no classifier; set model\.num_classes to the length of the"),
        (lambda model, states: model.generate(states, PLAN), r"no decoder; set model\.text\.num_decoder_lay"),
    ],
)
def test_a_part_that_the_model_does_not_have_is_named(call: Callable[[MCG, Fused], object], message: str) -> None:
    model = make_model(text=text_config(num_decoder_layers=0))
    with pytest.raises(ValueError, match=message):
        call(model, _fused(torch.zeros(1, 1, 16), torch.ones(1, 1, dtype=torch.bool)))


def test_pixels_are_normalised_as_by_clip() -> None:
    model = make_model()
    seen: list[torch.Tensor] = []
    model.vision.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model.encode_video(INPUTS["frames"])
    expected = (INPUTS["frames"].double() / 255 - torch.tensor(PIXEL_MEAN)) / torch.tensor(PIXEL_STD)
    torch.testing.assert_close(seen[0].double(), expected.permute(0, 1, 4, 2, 3), rtol=1e-5, atol=1e-5)


def test_features_are_unit_vectors_of_the_first_token_and_of_patches_and_words() -> None:
    model = make_model().eval()
    video = model.encode_video(INPUTS["frames"])
    text = model.encode_text(INPUTS["text_ids"], INPUTS["text_mask"].bool())
    features = (model.video_features(video), model.text_features(text), model.patch_features(video))
    for found, shape in zip(
        (*features, model.word_features(text.states_BLD)), [(4,), (4,), (4, 4), (4, 8)], strict=True
    ):
        assert found.shape == (*shape, 8)
        torch.testing.assert_close(found.norm(dim=-1), torch.ones(shape))
    torch.testing.assert_close(model.word_features(text.states_BLD)[:, 0], features[1])


@pytest.mark.parametrize(("value", "shown"), [(0.07, 0.07), (-1.0, 0.001), (3.0, 0.5)])
def test_the_temperature_is_kept_within_bounds_and_can_come_back(value: float, shown: float) -> None:
    model = make_model()
    with torch.no_grad():
        model.temp.fill_(value)
    assert model.temperature.item() == pytest.approx(shown, rel=1e-4)
    model.temperature.backward()
    assert float(model.temp.grad) == 1.0


def test_statistics_of_pixels_are_no_weights() -> None:
    assert not [name for name in make_model().state_dict() if name.startswith("pixel")]


def test_the_defaults_are_mcg_base() -> None:
    with torch.device("meta"):
        model = MCG(MCGConfig(), vocab_size=30524)
    assert model.vision_proj.weight.shape == (256, 768)
    assert sum(p.numel() for p in model.text.bert.parameters()) == pytest.approx(109e6, rel=0.01)


@pytest.mark.parametrize("text", [{}, {"num_fusion_layers": 1, "fusion": "cross_attention", "token_head": "tied"}])
def test_activation_checkpointing_changes_no_loss_and_no_gradient(text: dict[str, object]) -> None:
    objectives = ObjectivesConfig.model_validate({key: {} for key in OBJECTIVES}).build()
    dropping = {"vision": vision_config(drop_path=0.3), "text": text_config(dropout=0.2, **text)}
    dropping |= {"matching_head": True, "num_classes": 5}
    bundle = Bundle(make_model(**dropping), objectives).train()
    results = []
    for on in (False, True):
        bundle.model.checkpoint_activations(on)
        bundle.zero_grad()
        torch.manual_seed(7)
        losses = bundle({**INPUTS, "label": torch.tensor([0, 4, 2, 2])}, seed=0)
        losses["total"].backward()
        gradients = {name: p.grad for name, p in bundle.named_parameters()}
        results.append(({name: loss.item() for name, loss in losses.items()}, gradients))
    (plain, gradients), (spared, spared_gradients) = results
    assert spared == plain
    assert not [name for name, gradient in gradients.items() if gradient is None]
    for name, gradient in gradients.items():
        assert spared_gradients[name] is not None, name
        torch.testing.assert_close(spared_gradients[name], gradient, msg=name)


def test_as_released_the_texts_of_the_contrasts_have_no_order() -> None:
    ids, everything = torch.tensor([[1, 7, 8, 2], [1, 8, 7, 2]]), torch.ones(2, 4, dtype=torch.bool)
    for compat, contrastive, same in (("released", True, True), ("released", False, False), ("corrected", True, False)):
        model = make_model(compat=compat).eval()
        first, second = model.encode_text(ids, everything, contrastive=contrastive).states_BLD[:, 0]
        assert torch.allclose(first, second, atol=1e-5) == same, (compat, contrastive)


def test_the_contrasts_of_a_split_model_keep_the_order_since_alpro_has_no_such_slip() -> None:
    ids, everything = torch.tensor([[1, 7, 8, 2], [1, 8, 7, 2]]), torch.ones(2, 4, dtype=torch.bool)
    model = make_model(compat="released", text=text_config(num_fusion_layers=1, num_decoder_layers=0)).eval()
    contrastive, plain = (model.encode_text(ids, everything, contrastive=c).states_BLD for c in (True, False))
    assert torch.equal(contrastive, plain) and not torch.allclose(plain[0, 0], plain[1, 0], atol=1e-5)


def test_as_released_the_decoder_sees_the_padding_of_the_question() -> None:
    states, mask = torch.randn(2, 5, 16), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    memory, unmasked = _fused(states, mask), _fused(states, torch.ones_like(mask))
    ids, everything = torch.tensor([[3, 7, 2]] * 2), torch.ones(2, 3, dtype=torch.bool)
    found = {}
    for compat in ("released", "corrected"):
        model, plain = make_model(compat=compat).eval(), make_model().eval()
        torch.testing.assert_close(model.generate(unmasked, PLAN).scores_B, plain.generate(unmasked, PLAN).scores_B)
        found[compat] = model.decode(ids, everything, memory)
        seen = unmasked if compat == "released" else memory
        torch.testing.assert_close(found[compat], plain.decode(ids, everything, seen))
        torch.testing.assert_close(model.generate(memory, PLAN).scores_B, plain.generate(seen, PLAN).scores_B)
    assert (found["released"] - found["corrected"])[1].abs().max() > 1e-3


@pytest.mark.parametrize("compat", ["corrected", "released"])
def test_as_released_checkpointing_freezes_the_matrices_of_the_visual_blocks(compat: str) -> None:
    with torch.device("meta"):
        model = MCG(MCGConfig(vision=TimeSformerConfig(num_frames=16), compat=compat), vocab_size=30524)
    model.checkpoint_activations(True)
    trained = sum(p.numel() for p in model.vision.parameters() if p.requires_grad)
    assert trained == (7_898_880 if compat == "released" else 121_264_896)  # docs/facts/mcg_alpro.md 8.2
    model.checkpoint_activations(False)
    assert all(p.requires_grad for p in model.parameters())
