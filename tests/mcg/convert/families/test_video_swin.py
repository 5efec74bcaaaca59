"""Video Swin of Kinetics and Swin of pictures: every key has its place or a reason, and shapes tell the config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor
from torchvision.models.video.swin_transformer import SwinTransformer3d

from mcg.convert.__main__ import main
from mcg.convert.account import Conversion
from mcg.convert.convert import convert, detect
from mcg.convert.families import FAMILIES, TARGETS
from mcg.convert.reading import Released
from mcg.convert.rules import ConvertError
from mcg.model.parts.configs import VideoSwinConfig
from mcg.text.masked_words import MaskedWords
from tests.mcg.small_lavender import lavender_config
from tests.parity.released import read_case, released_state

TEXTS = MaskedWords()
SIZES: dict[str, Any] = {"width": 24, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8)}
"""Of the reference case, whose window is (2, 2, 2)."""
INDEX = "made from the window: not a weight"
HEAD = FAMILIES["timesformer"].rules[0].reason


def _kinetics() -> dict[str, Tensor]:
    """As mmaction keeps it."""
    state = {f"backbone.{key}": tensor for key, tensor in released_state(read_case("video_swin_a")).items()}
    return {**state, "cls_head.fc_cls.weight": torch.zeros(600, 192), "cls_head.fc_cls.bias": torch.zeros(600)}


def _pictures() -> torch.nn.Module:
    torch.manual_seed(0)
    sizes = {"embed_dim": 24, "depths": SIZES["depths"], "num_heads": SIZES["num_heads"], "window_size": 4}
    return timm.models.SwinTransformer(img_size=128, patch_size=4, num_classes=3, **sizes)


def _microsoft() -> dict[str, Tensor]:
    """Pictures' weights as their authors name them, with what they keep that is no weight."""
    state = {}
    for key, tensor in _pictures().state_dict().items():
        first, *rest = key.split(".")
        if first == "layers" and rest[1] == "downsample":
            key = ".".join([first, str(int(rest[0]) - 1), *rest[1:]])
        state[key.replace("head.fc", "head")] = tensor
    state["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(16, 16, dtype=torch.int64)
    return {**state, "layers.0.blocks.1.attn_mask": torch.zeros(64, 16, 16)}


def _converted(state: dict[str, Tensor], kind: str = "video_swin", config: Any = None) -> Conversion:
    conversion = convert(state, FAMILIES[kind], lambda model: model.build(TEXTS), config)
    conversion.check("case")
    return conversion


def _dropped(conversion: Conversion) -> dict[str, str]:
    return {entry.key: entry.note for entry in conversion.entries if entry.status == "dropped"}


def test_kinetics_is_used_whole_but_for_its_classifier() -> None:
    state = _kinetics()
    assert detect(Released(Path("a"), state, "state_dict")).name == "video_swin"
    conversion = _converted(state)
    assert conversion.config.vision == VideoSwinConfig(**SIZES, window=(2, 2, 2))
    dropped = _dropped(conversion)
    assert {key for key in dropped if not key.endswith("index")} == {"cls_head.fc_cls.weight", "cls_head.fc_cls.bias"}
    assert set(dropped.values()) == {INDEX, HEAD}
    found = conversion.state["vision.features.4.1.mlp.3.weight"]
    assert torch.equal(found, state["backbone.layers.2.blocks.1.mlp.fc2.weight"])
    assert all(name.startswith("vision.") for name in conversion.state)
    missing = [entry for entry in conversion.entries if entry.status == "missing"]
    assert missing and all(entry.note.startswith("fresh: ") for entry in missing)


def test_torchvisions_names_are_ours() -> None:
    with torch.device("meta"):
        sizes = {"embed_dim": 24, "depths": [2, 2, 2, 2], "num_heads": [1, 2, 4, 8], "window_size": [8, 7, 7]}
        published = SwinTransformer3d(patch_size=[2, 4, 4], **sizes)
    state = {key: torch.zeros(tensor.shape, dtype=tensor.dtype) for key, tensor in published.state_dict().items()}
    # a kernel over two frames serves at every frame, too
    assert detect(Released(Path("a"), state, None)).name == "video_swin"
    conversion = _converted(state)
    assert conversion.config.vision == VideoSwinConfig(**SIZES)
    assert {key for key, note in _dropped(conversion).items() if note == HEAD} == {"head.weight", "head.bias"}


@pytest.mark.parametrize("kind", ["timm_swin", "video_swin"])
def test_pictures_are_inflated_and_the_account_says_so(kind: str) -> None:
    state = dict(_pictures().state_dict()) if kind == "timm_swin" else _microsoft()
    assert detect(Released(Path("a"), state, "model")).name == kind
    conversion = _converted(state, kind)
    assert conversion.config.vision == VideoSwinConfig(**SIZES, window=(8, 4, 4))
    notes = {entry.note for entry in conversion.entries if entry.status == "used"}
    assert notes == {"", "2 equal steps in time, divided by 2", "the same at 15 offsets in time"}
    assert set(_dropped(conversion).values()) <= {INDEX, HEAD}
    assert conversion.state["vision.features.3.reduction.weight"].shape == (96, 192)


def test_pictures_go_into_a_model_with_another_window() -> None:
    config = lavender_config(vision={**SIZES, "window": (8, 7, 7)})
    conversion = _converted(_microsoft(), config=config)
    notes = {entry.note for entry in conversion.entries if entry.status == "used"}
    assert "7 x 7 offsets to 13 x 13, bicubic; the same at 15 offsets in time" in notes
    assert conversion.state["vision.features.6.1.attn.relative_position_bias_table"].shape == (2535, 8)


@pytest.mark.parametrize(
    ("vision", "message"),
    [
        ({**SIZES, "window": (8, 7, 7)}, r"27 offsets .*model\.vision\.window \(8, 7, 7\) has 2535; set it to \(2, 2"),
        ({**SIZES, "num_heads": (2, 2, 4, 8)}, r"model\.vision\.num_heads is \(2, 2, 4, 8\); set it to \(1, 2, 4, 8\)"),
        ({"preset": "tiny"}, r"a checkpoint of width 24, and model\.vision\.width is 96; set it to 24"),
    ],
)
def test_a_model_of_another_size_is_refused_with_the_setting(vision: dict[str, Any], message: str) -> None:
    with pytest.raises(ConvertError, match=message):
        _converted(_kinetics(), config=lavender_config(vision=vision))


def test_a_part_of_a_checkpoint_is_not_whole() -> None:
    state = {key: tensor for key, tensor in _kinetics().items() if "layers.3.blocks.1.norm2" not in key}
    state["backbone.layers.0.blocks.0.gamma"] = torch.zeros(24)
    with pytest.raises(ConvertError, match=r"3 keys are not accounted for"):
        _converted(state)


def test_it_is_for_a_model_that_has_a_video_swin() -> None:
    with pytest.raises(ConvertError, match=r"model\.name lavender"):
        detect(Released(Path("a"), _kinetics(), None), TARGETS["mcg"])


def test_the_command_writes_a_checkpoint_and_the_account(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": _kinetics(), "meta": {"epoch": 30}}, tmp_path / "swin.pth")
    main(str(tmp_path / "swin.pth"), tmp_path / "out", kind="video_swin", as_json=True)
    account = json.loads(capsys.readouterr().out)
    assert account["kind"] == "video_swin" and account["counts"]["unexpected"] == 0
    assert (tmp_path / "out" / "model.safetensors").is_file()
    written = json.loads((tmp_path / "out" / "checkpoint.json").read_text())["config"]["model"]
    assert written["name"] == "lavender" and written["vision"]["width"] == 24
