"""Config of T2VLP, and of CLIP's two towers alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from mcg.engine.config import OptimConfig
from mcg.model.config import ModelConfig, Provision, check_num_frames
from mcg.model.parts.configs import ClipFusionConfig, ClipTextConfig, ClipVisionConfig, TubesConfig
from shards.media import ClipConfig

_ALWAYS = ("encode_video", "encode_text", "video_features", "text_features", "mask")
_FUSED = ("fuse", "token_logits", "match_logits", "causal", "caption", "slot", "prefix_labels")
_DECAYED = r"(.+\.)?(norm|norm_pre|layer_norm[12])\.weight"
"""Norms: CLIP calls them ln_*, and the release exempts names with LayerNorm alone (docs/facts/t2vlp.md 3)."""


class T2vlpConfig(ModelConfig):
    """Sizes of a T2VLP; the defaults are the released ones. Without tubes and fusion it is CLIP over several frames
    (CLIP4Clip: the mean of the frames)."""

    builds = "mcg.model.t2vlp:T2vlp"

    name: Literal["t2vlp"]
    """Name of the model."""
    vision: ClipVisionConfig = ClipVisionConfig(joint_from=10)
    """The visual tower."""
    text: ClipTextConfig = ClipTextConfig()
    """The text tower."""
    max_frames: int = Field(default=12, gt=0)
    """Frames of the longest clip."""
    tubes: TubesConfig | None = TubesConfig()
    """Tubes over the frames; null: none."""
    fusion: ClipFusionConfig | None = ClipFusionConfig()
    """The encoder over video and words, and its heads; null: none."""
    tower_gradient: bool = True
    """Losses train the towers; false as in the release's second stage: they run without gradients."""
    padding: Literal["masked", "attends"] = "masked"
    """What frames that are padding do in joint attention and tubes: nothing, or, as released, what all others do."""
    match_norm: Literal["row", "batch"] = "row"
    """What the words of a pair are divided by before it is scored: their own norm, or, as released, the norm over all
    pairs that are scored together, on which the score then depends."""

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        width = self.vision.contrastive_width
        found = {"text.contrastive_width": self.text.contrastive_width}
        if self.fusion is not None:
            found["fusion.width"] = self.fusion.width
        for name, other in found.items():
            if other != width:
                raise ValueError(f"{name} is {other} and vision.contrastive_width {width}; give both one width")
        if self.fusion is not None and self.num_video_tokens >= self.fusion.max_positions:
            raise ValueError(
                f"{self._video_tokens(self.max_frames)} = {self.num_video_tokens} tokens of a video leave no place for "
                f"words among fusion.max_positions {self.fusion.max_positions}; take fewer frames or centres"
            )
        return self

    @property
    def num_video_tokens(self) -> int:
        """Tokens of the longest video in the fusion: the mean of its frames, the frames, the tubes."""
        return 1 + self.max_frames + self._num_tubes

    @property
    def _num_tubes(self) -> int:
        return self.tubes.num_centres if self.tubes is not None else 0

    def _video_tokens(self, num_frames: int) -> str:
        """The tokens of a video in the fusion, in words."""
        return f"1 mean + {num_frames} frames" + (f" + {self._num_tubes} tubes" if self._num_tubes else "")

    def build(self, texts: Any) -> Any:
        return self.load_class()(self, texts)

    def provides(self) -> dict[str, Provision]:
        return {
            **dict.fromkeys(_ALWAYS, Provision(True, "", "")),
            **dict.fromkeys(_FUSED, Provision(self.fusion is not None, "fusion", "model.fusion")),
            "tubes": Provision(self.tubes is not None, "tubes", "model.tubes"),
        }

    @classmethod
    def released(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """With frames of padding that attend, the norm over the batch in matching, and norms that are decayed, unless
        the user chose."""
        model, optim = tree.get("model"), tree.get("optim", {})
        if isinstance(model, dict) and model.get("compat") == "released":
            tree = {**tree, "model": {"padding": "attends", "match_norm": "batch", **model}}
        if tree.get("compat") == "released" and isinstance(optim, dict):
            decayed = {"weight_decay": optim.get("weight_decay", OptimConfig().weight_decay)}
            tree = {**tree, "optim": {"groups": {_DECAYED: decayed}, **optim}}
        return tree

    def check_clip(self, clip: ClipConfig, name: str = "task.clip") -> None:
        check_num_frames(clip, self.max_frames, name)
        if clip.size != self.vision.image_size:
            raise ValueError(
                f"{name}.size is {clip.size}, but model.vision.image_size is {self.vision.image_size}; set the one to "
                "the other"
            )

    def check_texts(self, texts: Mapping[str, int], num_frames: int) -> None:
        for text, count in texts.items():
            if count > self.text.max_positions:
                raise ValueError(
                    f"{text} = {count} tokens of a text, and model.text.max_positions is {self.text.max_positions}; "
                    "take shorter texts"
                )
            found = 1 + num_frames + self._num_tubes + count
            if self.fusion is not None and found > self.fusion.max_positions:
                raise ValueError(
                    f"{self._video_tokens(num_frames)} + {text} = {found} tokens, and model.fusion.max_positions is "
                    f"{self.fusion.max_positions}; take shorter texts, fewer frames or fewer centres"
                )
