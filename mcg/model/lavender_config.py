"""Config of LAVENDER."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from mcg.model.config import ModelConfig, Provision
from mcg.model.parts.configs import JointEncoderConfig, VideoSwinConfig
from shards.media import ClipConfig

_ALWAYS = ("encode_video", "encode_text", "fuse", "token_logits", "match_logits", "slot", "causal", "caption")


class LavenderConfig(ModelConfig):
    """Sizes of a LAVENDER model; the defaults are the released ones."""

    builds = "mcg.model.lavender:Lavender"

    name: Literal["lavender"]
    """Name of the model."""
    vision: VideoSwinConfig = VideoSwinConfig()
    """The visual encoder."""
    text: JointEncoderConfig = JointEncoderConfig()
    """The encoder of video and text."""
    max_frames: int = Field(default=6, gt=0)
    """Frames of the longest clip."""
    max_patches: int = Field(default=196, gt=0)
    """Patches of the largest frame; one of 224 x 224 pixels has 49."""
    mask_at: Literal["end", "start", "tenth", "first"] = "end"
    """Place of the [MASK] that says whether video and text match: behind the padded text, before [CLS], the tenth
    place after it, or in its stead (the release's ablation)."""
    prefix: Literal["none", "instruction", "task_token"] = "none"
    """What stands between video and text and names the task: nothing as released, a sentence, or a learned token."""

    def build(self, texts: Any) -> Any:
        return self.load_class()(self, texts)

    def provides(self) -> dict[str, Provision]:
        return dict.fromkeys(_ALWAYS, Provision(True, "", ""))

    @classmethod
    def released(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """With the masked texts in the matching of pre-training, unless the user chose."""
        objectives = tree.get("objectives")
        if not isinstance(objectives, dict) or objectives.get("compat") != "released":
            return tree
        matching = objectives.get("batch_matching")
        if isinstance(matching, dict) and "masked_lm" in objectives:
            return {**tree, "objectives": {**objectives, "batch_matching": {"text": "masked", **matching}}}
        return tree

    def check_clip(self, clip: ClipConfig) -> None:
        if clip.num_frames > self.max_frames:
            raise ValueError(
                f"task.clip.num_frames is {clip.num_frames}, but model.max_frames is {self.max_frames}; set the one to "
                "the other"
            )
        if (patches := self.vision.patches(clip.size)) > self.max_patches:
            raise ValueError(
                f"task.clip.size {clip.size} gives {patches} patches, but model.max_patches is {self.max_patches}; set "
                "the latter to that number"
            )
