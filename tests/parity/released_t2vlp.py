"""T2VLP's cases of reference values: towers and tubes with the weights of one, and all that a case is compared with.

Frames beyond the valid ones take part in joint attention and tubes, as released (`padding: attends`), and not in the
mean of frames.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mcg.convert.families.t2vlp import TOWER_RULES
from mcg.model.parts.clip import ClipText, ClipVision, last_word, mean_of_frames
from mcg.model.parts.configs import ClipTextConfig, ClipVisionConfig, TubesConfig
from mcg.model.parts.tubes import Tubes
from tests.parity.released import Case, released_state


class Towers(nn.Module):
    """CLIP's towers and the tubes of a case."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__()
        vision = ClipVisionConfig(
            width=sizes["vision_width"],
            num_layers=sizes["vision_layers"],
            num_heads=sizes["vision_heads"],
            image_size=sizes["image_size"],
            patch_size=sizes["patch_size"],
            contrastive_width=sizes["embed_dim"],
            joint_from=sizes["joint_from_block"],
        )
        text = ClipTextConfig(
            width=sizes["text_width"],
            num_layers=sizes["text_layers"],
            num_heads=sizes["text_heads"],
            max_positions=sizes["context_length"],
            contrastive_width=sizes["embed_dim"],
        )
        self.vision, self.text = ClipVision(vision), ClipText(text, sizes["vocab_size"])
        self.tubes = Tubes(TubesConfig(num_centres=sizes["centers"], num_layers=sizes["local_layers"]), vision)
        self.logit_scale = nn.Parameter(torch.zeros(()))


def released_towers(case: Case) -> Towers:
    """With the weights of a case by the rules of the converter, all of them, in evaluation mode."""
    model, state = Towers(case.facts["config"]), {}
    for key, tensor in released_state(case).items():
        rule = next(rule for rule in TOWER_RULES if rule.apply(key) is not None)
        state.update(rule.weights(key, tensor))
    model.load_state_dict(state)
    return model.eval()


@torch.no_grad()
def towers(case: Case) -> dict[str, Tensor]:
    """What a case of both towers holds, by its names."""
    model, given = released_towers(case), case.given
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
    states = model.vision(given["pixel_values"])
    tubes, frames = model.tubes(states.middle_BTVD), model.vision.frames(states)
    video = mean_of_frames(frames, given["frame_mask"].bool())
    words = model.text(given["input_ids"])
    text = last_word(words, given["attention_mask"].bool())
    return found | {
        "middle_features": states.middle_BTVD,
        "last_block_output": states.last_BTVD,
        "frame_tokens": frames,
        "tube_patch_attention": tubes.attention_BKTP,
        "tube_tokens": tubes.tubes_BKE,
        "centers_in_text_space": tubes.centres_KE,
        "word_tokens": words,
        "text_embedding": text,
        "video_embedding": video,
        "similarity": nn.functional.normalize(text, dim=-1) @ video.T * model.logit_scale.exp(),
    }
