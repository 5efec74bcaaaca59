"""Video Swin's cases of reference values: the encoder with the weights of one, and all that a case is compared with.

Maps of a case are (B, D, T, height, width). The corrected offsets are those of the release but where a window is cut in
space, which only `clipped` cases have.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mcg.compat import Compat
from mcg.convert.families.swin import swin_rules
from mcg.model.parts.configs import VideoSwinConfig
from mcg.model.parts.video_swin import VideoSwin
from tests.parity.released import Case, released_state


def released_swin(case: Case, compat: Compat) -> VideoSwin:
    """Our encoder with the weights of a case by the rules of the converter, all of them, in evaluation mode."""
    sizes, rules = case.facts["config"], swin_rules("")
    config = {"width": sizes["embed"], "depths": sizes["depths"], "num_heads": sizes["swin_heads"]}
    model = VideoSwin(VideoSwinConfig.model_validate({**config, "window": sizes["window"], "drop_path": 0.0}), compat)
    state = {}
    for key, tensor in released_state(case).items():
        names = next(names for rule in rules if (names := rule.apply(key)) is not None)
        state.update({name.removeprefix("vision."): tensor for name in names})
    model.load_state_dict(state)
    return model.eval()


@torch.no_grad()
def swin_maps(case: Case, compat: Compat) -> dict[str, Tensor]:
    """The map of a case's clips; those of the patches and after each stage, with the merging behind it, if the case has
    them."""
    model = released_swin(case, compat)
    *merging, last = [*model.features[1::2], model.blocks[-1]]
    steps = {"patch_embed": model.patch_embed, "stage_3": last, **{f"stage_{n}": m for n, m in enumerate(merging)}}
    maps: dict[str, Tensor] = {}
    for name, step in steps.items():
        if name in case.given:
            step.register_forward_hook(lambda *call, name=name: maps.update({name: call[2].permute(0, 4, 1, 2, 3)}))
    states_BTPD = model(case.given["pixel_values"].float().transpose(1, 2))
    maps["feature_map"] = states_BTPD.permute(0, 3, 1, 2).reshape(case.given["feature_map"].shape)
    return maps
