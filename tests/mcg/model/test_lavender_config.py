"""LAVENDER's config: the released sizes, the clips that fit, and what it provides."""

from __future__ import annotations

import pytest

from mcg.model.lavender_config import LavenderConfig
from shards.media import ClipConfig
from tests.mcg.small_lavender import make_lavender

BASE = LavenderConfig(name="lavender")


def test_the_defaults_are_the_released_sizes() -> None:
    assert (BASE.vision.width, BASE.vision.depths, BASE.text.width, BASE.text.num_layers) == (
        128,
        (2, 2, 18, 2),
        768,
        12,
    )
    BASE.check_clip(ClipConfig(num_frames=5, size=224))


def test_clips_of_more_frames_or_patches_than_there_are_embeddings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"num_frames is 7, but model\.max_frames is 6"):
        BASE.check_clip(ClipConfig(num_frames=7, size=224))
    with pytest.raises(ValueError, match=r"size 480 gives 225 patches, but model\.max_patches is 196"):
        BASE.check_clip(ClipConfig(num_frames=4, size=480))


def test_as_released_the_matching_of_pretraining_reads_the_masked_texts() -> None:
    both = {"masked_lm": {}, "batch_matching": {}}
    for objectives, given, text in (
        ({**both, "compat": "released"}, "released", "masked"),
        ({**both, "compat": "released", "batch_matching": {"text": "plain"}}, "released", "plain"),
        ({"batch_matching": {}, "compat": "released"}, "released", None),  # retrieval masks no words
        ({**both, "compat": "corrected"}, "corrected", None),
    ):
        found = LavenderConfig.released({"compat": given, "objectives": objectives})["objectives"]["batch_matching"]
        assert found.get("text") == text


def test_what_it_provides_is_there_and_what_it_lacks_is_named() -> None:
    model = make_lavender()
    for name in BASE.provides():
        assert BASE.missing(name) is None
        assert name in ("slot", "causal") or hasattr(model, name)
    assert BASE.missing("video_features") == (
        "this model has no video_features, and no setting of model.name 'lavender' adds it"
    )
