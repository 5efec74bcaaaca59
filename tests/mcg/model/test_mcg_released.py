"""What `compat: released` fills in for MCG: only what the user did not write, and only where a section is released."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcg.config import load_config
from mcg.model.mcg_config import MCGConfig
from mcg.tasks.config import PretrainConfig

PRETRAIN = "configs/demo/pt.yaml"
COMPAT = st.sampled_from([{}, {"compat": "released"}, {"compat": "corrected"}])
AUGMENT = st.sampled_from([{}, {"randaugment": {"level": 5}}, {"randaugment": {"released": False}}])
CLIP = st.builds(lambda own, pictures: {**own, "pictures": pictures}, AUGMENT, AUGMENT)
TASK = st.builds(
    lambda compat, clip, evaluation, words: {**compat, "clip": clip, **evaluation, **words},
    COMPAT,
    CLIP,
    st.sampled_from([{}, {"evaluation_clip": {"size": 8}}, {"evaluation_clip": {"sampling": "segment"}}]),
    st.sampled_from([{}, {"max_text_tokens": 24}]),
)
OBJECTIVES = st.builds(
    lambda compat, contrast: {**compat, **contrast},
    COMPAT,
    st.sampled_from([{}, {"token_contrast": {"weight": 0.1}}, {"token_contrast": {"padded_words": 7}}]),
)
TREES = st.fixed_dictionaries(
    {"task": TASK, "objectives": OBJECTIVES},
    optional={
        "compat": st.sampled_from(["released", "corrected"]),
        "optim": st.sampled_from([{"lr": 0.1}, {"weight_decay": 0.02}]),
    },
)


def _leaves(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(tree, dict):
        return {path: tree}
    return {place: leaf for name, value in tree.items() for place, leaf in _leaves(value, (*path, name)).items()}


@given(TREES)
def test_what_is_written_stands_and_only_known_values_are_filled_in(tree: dict[str, Any]) -> None:
    before, after = _leaves(tree), _leaves(MCGConfig.released(tree))
    assert before.items() <= after.items()
    for place in after.keys() - before.keys():
        section = tree if place[0] == "optim" else tree[place[0]]
        assert section.get("compat") == "released"
        assert place[-1] in ("weight_decay", "padded_words", "sampling") or place[-2:] == ("randaugment", "released")


def test_as_released_padded_words_count_in_token_contrast() -> None:
    def padded_words(*words: str) -> int | None:
        contrast = load_config(PRETRAIN, [*words]).objectives.token_contrast
        assert contrast is not None
        return contrast.padded_words

    longest = load_config(PRETRAIN).task.max_text_tokens  # type: ignore[union-attr]
    assert padded_words() is None and padded_words("compat=released") == longest - 1
    assert padded_words("compat=released", "task.max_text_tokens=24") == 23
    assert padded_words("compat=released", "objectives.token_contrast.padded_words=40") == 40
    assert padded_words("compat=released", "objectives.compat=corrected") is None
    objectives = {"compat": "released", "token_contrast": {}}
    values = {"task": {"name": "pretrain"}, "objectives": objectives}
    default = PretrainConfig.model_fields["max_text_tokens"].default
    assert MCGConfig.released(values)["objectives"]["token_contrast"] == {"padded_words": default - 1}
